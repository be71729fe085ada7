"""Functions and objects that tests publish."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn, cast

from netd.xmlrpc.faults import Fault
from netd.xmlrpc.registry import Registry, rpc

__all__ = ["NUMBER", "double", "marked"]

NUMBER = 7


def double(x: int) -> int:
    """Twice x."""
    return 2 * x


@rpc("other.name")
def marked() -> str:
    """Has another name."""
    return "marked"


@rpc("stuck.reactor")
def blocks(path: str) -> None:
    """Make a file and hold the reactor."""
    Path(path).touch()
    time.sleep(90)


@rpc("stuck.thread")
async def waits(path: str) -> None:
    """Do so in a thread, which the end of the process waits for."""
    from twisted.internet.threads import deferToThread

    await deferToThread(blocks, path)


@rpc("own.nap")
def naps(seconds: float) -> str:
    """Hold the reactor for a while."""
    time.sleep(seconds)
    return "awake"


# No timeout stands in for a cancellation.
@rpc("own.mixed", timeout=3600)
async def mixed(seconds: float) -> str:
    """Await what is asyncio's and what is Twisted's, and print when that is over."""
    from twisted.internet import reactor
    from twisted.internet.task import deferLater

    try:
        async with asyncio.timeout(60):
            await asyncio.sleep(seconds)
        await deferLater(cast("Any", reactor), seconds)
    finally:
        print("mixed is over")  # noqa: T201  # the test waits for it
    return "mixed"


awaited = Registry()
awaited.publish(naps)
awaited.publish(mixed)

stuck = Registry()
stuck.publish(blocks)
stuck.publish(waits)


def _hidden() -> NoReturn:
    raise AssertionError("this is nobody's business")


class Counter:
    """A class of an instance to publish."""

    def __init__(self) -> None:
        self.value = 3

    def get(self) -> int:
        """The value."""
        return self.value

    def _private(self) -> NoReturn:
        raise AssertionError("this is nobody's business")


class Chosen:
    """A class with one method marked."""

    @rpc()
    def yes(self) -> bool:
        """Published."""
        return True

    def no(self) -> bool:
        """Not published."""
        return False


class Stock:
    """A class in the style of `twisted.web.xmlrpc`."""

    def __init__(self, *handlers: Any) -> None:
        self.subHandlers = {f"sub{number}": each for number, each in enumerate(handlers)}

    def xmlrpc_add(self, a: int, b: int) -> int:
        """Add."""
        return a + b

    def xmlrpc_told(self, a: Any) -> Any:
        """Not this text."""
        return a

    xmlrpc_told.signature = (("int", "int"),)  # type: ignore[attr-defined]
    xmlrpc_told.help = "This text."  # type: ignore[attr-defined]

    def other(self) -> NoReturn:
        """Not published."""
        raise AssertionError("this is nobody's business")


class Asking:
    """A method that needs the request."""

    def xmlrpc_ask(self, request: Any) -> None:
        """Never called."""

    xmlrpc_ask.withRequest = True  # type: ignore[attr-defined]


counter = Counter()
chosen = Chosen()
stock = Stock(Stock())
asking = Asking()
nothing = object()
registry = Registry()
registry.publish(double, "twice")

heavy = Registry()


def _heavy(function: Any) -> Any:
    return heavy.publish(rpc(offload=True)(function))


@_heavy
def square(x: int) -> int:
    """x times x."""
    return x * x


@_heavy
def pid() -> int:
    """The process that it runs in."""
    return os.getpid()


@_heavy
def busy(seconds: float) -> int:
    """Keep a worker busy for some seconds."""
    time.sleep(seconds)
    return os.getpid()


@_heavy
def crash() -> NoReturn:
    """Die."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("dead by now")


@_heavy
def parent(path: str, die: bool) -> int:
    """Start a child that ignores SIGTERM and keeps the pipes, tell its id, and wait or die."""
    script = (
        "import os, signal, sys, time; path = sys.argv[1];"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "file = open(path + '.new', 'w'); file.write(str(os.getpid())); file.close();"
        "os.rename(path + '.new', path); time.sleep(90)"
    )
    child = subprocess.Popen([sys.executable, "-c", script, path])
    while die and not Path(path).exists():
        time.sleep(0.01)
    if die:
        crash()
    return child.wait()


@_heavy
def broken() -> NoReturn:
    """A bug."""
    raise ZeroDivisionError("a secret")


@_heavy
def refusing() -> NoReturn:
    """A fault on purpose."""
    raise Fault(7, "seven")


@_heavy
def large(count: int) -> str:
    """A string of `count` characters."""
    return "x" * count


@_heavy
def talkative() -> int:
    """Print, read stdin and write to the pipe of results."""
    print("hello from a worker")  # noqa: T201  # the subject
    sys.stdout.flush()
    os.write(3, b"junk")
    return len(sys.stdin.read())
