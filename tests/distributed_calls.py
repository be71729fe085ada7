"""
Functions that the tests distribute; NETD_TEST_VERSION=2 is a later version of them.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from netd.xmlrpc.faults import Fault
from netd.xmlrpc.registry import rpc

__all__ = [
    "big",
    "boom",
    "changed",
    "die",
    "far",
    "fault",
    "gpu",
    "mark",
    "same",
    "say",
    "sleep",
    "text",
    "until",
]

_SECOND = os.environ.get("NETD_TEST_VERSION") == "2"


@rpc(offload=True)
def sleep(seconds: float) -> float:
    """Sleep."""
    time.sleep(seconds)
    return seconds


@rpc(offload=True)
def until(path: str) -> bool:
    """Wait for a file."""
    while not Path(path).exists():
        time.sleep(0.01)
    return True


@rpc(offload=True, queue="far")
def far(seconds: float) -> float:
    """Sleep far away."""
    time.sleep(seconds)
    return seconds


@rpc(offload=True)
def mark(path: str, seconds: float) -> int:
    """Add a line to a file, then sleep; gives the process id."""
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(seconds)
    return os.getpid()


@rpc(offload=True)
def same(value):  # type: ignore[no-untyped-def]  # of any type
    """The value."""
    return value


@rpc(offload=True)
def text(value):  # type: ignore[no-untyped-def]  # of any type
    """How Python prints the value."""
    return str(value)


@rpc(offload=True)
def big(size: int) -> bytes:
    """So many bytes."""
    return bytes(size)


@rpc(offload=True)
def boom() -> int:
    """A bug."""
    return 1 // 0


@rpc(offload=True)
def fault() -> None:
    """A fault of its own."""
    raise Fault(77, "on purpose")


@rpc(offload=True)
def die() -> None:
    """Kill the process."""
    os.kill(os.getpid(), signal.SIGKILL)


@rpc(offload=True)
def say(line: str) -> bool:
    """Print."""
    print(line)  # noqa: T201
    return True


@rpc(offload=True, queue="gpu", timeout=1)
def gpu() -> str:
    """Something for other workers."""
    return "gpu"


if _SECOND:

    @rpc(offload=True)
    def changed(value: str) -> str:
        """A method whose signature changed."""
        return value

    @rpc(offload=True)
    def added() -> int:
        """A method that the first version has not."""
        return 1

    __all__ += ["added"]  # a list of strings

else:

    @rpc(offload=True)
    def changed(value: int) -> int:  # type: ignore[misc]  # the other version
        """A method whose signature changed."""
        return value
