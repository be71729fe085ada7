"""
One process of the pool: it runs one offloaded call after the other.

Rules: no Twisted, and nothing imported that it does not need, since it starts
while somebody waits.  Calls come pickled over what was stdin, results leave as
XML that is ready to be sent, faults as JSON; only the daemon's bytes are ever
unpickled.  It ends when the daemon does, however that ends.
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
from collections.abc import Callable, Sequence
from typing import Final

from netd.xmlrpc.faults import APPLICATION, Fault, as_fault
from netd.xmlrpc.framing import FrameReader, framed
from netd.xmlrpc.loading import load
from netd.xmlrpc.registry import Registry
from netd.xmlrpc.steps import run_now
from netd.xmlrpc.writer import Writer

RESULT_FD: Final = 3
"""The descriptor that results leave by."""

RESULT: Final = b"+"
FAULT: Final = b"-"
"""The first byte of a message back: the XML of a value follows, or [code, text, trace]."""

_MOST: Final = 64 * 1024 * 1024
_PDEATHSIG: Final = 1

Calls = queue.SimpleQueue[bytes]


def run_call(call: bytes, registries: dict[str, Registry]) -> bytes:
    """The message back for one call; `registries` remembers what was loaded."""
    try:
        source, name, parameters = pickle.loads(call)  # noqa: S301  # the daemon's own
        if source not in registries:
            registries[source] = load(source)
        value = registries[source][name].function(*parameters)
        return RESULT + run_now(Writer().write(value))
    # Whatever the function does is its own; the daemon says so to client and log.
    except Exception as wrong:  # log.failure is the daemon's: it logs the trace
        fault = as_fault(wrong) or Fault(APPLICATION, "", traceback.format_exc())
        return FAULT + json.dumps([fault.code, fault.text, fault.trace]).encode()


def _ends_with(daemon: int) -> None:
    """Have the kernel end this process when the daemon is gone, where it can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != daemon:
        os._exit(1)


def _listen(calls: int, received: Calls, end: Callable[[int], object] = os._exit) -> None:
    """Put calls into `received` until the daemon closes its end; then end, busy or not."""
    frames = FrameReader(_MOST)
    while data := os.read(calls, 65536):
        for call in frames.feed(data):
            received.put(call)
    end(0)


def _private(descriptor: int) -> int:
    """A descriptor that the functions do not know, in place of one that they do."""
    kept = os.dup(descriptor)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)
    return kept


def serve(calls: int, results: int, received: Calls) -> None:
    """Answer calls for ever."""
    threading.Thread(target=_listen, args=(calls, received), daemon=True).start()
    registries: dict[str, Registry] = {}
    while True:
        left = memoryview(framed(run_call(received.get(), registries)))
        while left:
            left = left[os.write(results, left) :]


def main(words: Sequence[str]) -> None:
    """Be a worker of the daemon whose process id is the one word."""
    # The daemon decides when this process ends; a ^C at its terminal comes here too.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    _ends_with(int(words[0]))
    serve(_private(0), _private(RESULT_FD), queue.SimpleQueue())
