"""
A process of the pool: it runs offloaded calls one after the other.

Rules: no Twisted and few imports, since it starts while a client waits.  Calls
come pickled on stdin, and only from the daemon; results leave as XML that is
ready to be sent, faults as JSON.  The process ends when the daemon does.
"""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import Final

from netd.steps import run_now
from netd.xmlrpc.faults import APPLICATION, Fault, as_fault
from netd.xmlrpc.framing import FrameReader, framed
from netd.xmlrpc.loading import load
from netd.xmlrpc.registry import Registry
from netd.xmlrpc.scalars import Value
from netd.xmlrpc.writer import Encoded, Writer

RESULT_FD: Final = 3
"""The descriptor that results are written to."""

RESULT: Final = b"+"
FAULT: Final = b"-"
"""The first byte of a message back: the XML of a value follows, or [code, text, trace]."""

_LONGEST: Final = 64 * 1024 * 1024
"""Bytes of a call's message."""
_PDEATHSIG: Final = 1

Calls = queue.SimpleQueue[bytes]


def run_call(call: bytes, registries: dict[str, Registry]) -> bytes:
    """The message back for a call; `registries` keeps what was loaded."""
    try:
        source, name, parameters = pickle.loads(call)  # noqa: S301  # the daemon's own
        if source not in registries:
            registries[source] = load(source)
        return returned(registries[source][name].function(*parameters))
    # The operator's function may raise anything; the daemon logs the trace.
    except Exception as error:
        return raised(error)


def returned(value: Value) -> bytes:
    """The message back for a result; a Fault when it cannot be sent."""
    return RESULT + run_now(Writer().write(value))


def raised(error: BaseException) -> bytes:
    """The message back for an exception, with its traceback when it is no Fault."""
    fault = as_fault(error)
    if fault is None:
        fault = Fault(APPLICATION, "", "".join(traceback.format_exception(error)))
    return FAULT + json.dumps([fault.code, fault.text, fault.trace]).encode()


def outcome(kind: bytes, content: bytes) -> Encoded | Fault:
    """What the first byte of a message back and the rest say; ValueError when it is none."""
    if kind == RESULT:
        return Encoded(content)
    if kind == FAULT:
        match json.loads(content):
            case [int(code), str(text), str(trace)]:
                return Fault(code, text, trace)
    raise ValueError("neither a result nor a fault")


def _end_with(daemon: int) -> None:
    """Have the kernel end this process when the daemon is gone, where it can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != daemon:
        os._exit(1)


def _receive(pipe: int, calls: Calls) -> None:
    """Queue calls until the daemon closes its end, then end the process group at once."""
    frames = FrameReader(_LONGEST)
    while data := os.read(pipe, 65536):
        for call in frames.feed(data):
            calls.put(call)
    os.killpg(0, signal.SIGKILL)


def _private(descriptor: int) -> int:
    """A duplicate of `descriptor`, which leads to /dev/null from then on."""
    duplicate = os.dup(descriptor)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, descriptor)
    os.close(null)
    return duplicate


def serve(pipe: int, results: int, calls: Calls) -> None:
    """Run calls for ever."""
    threading.Thread(target=_receive, args=(pipe, calls), daemon=True).start()
    registries: dict[str, Registry] = {}
    while True:
        rest = memoryview(framed(run_call(calls.get(), registries)))
        while rest:
            rest = rest[os.write(results, rest) :]


def main(arguments: Sequence[str]) -> None:
    """Be a worker of the daemon whose process id is the only argument."""
    # One signal ends the group, with the children of functions.
    os.setsid()
    # The daemon ends this process; signals to a whole service or its terminal must not.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _end_with(int(arguments[0]))
    # Functions may read stdin or write to any descriptor without disturbing the pipes.
    serve(_private(0), _private(RESULT_FD), queue.SimpleQueue())
