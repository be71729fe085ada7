"""
Answers that are wrong, as they were asked to be.

Rules: pure functions from a Call to a Reply.  What no engine would say is said
on the wire: the script has the head in it, and the connection ends with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from typing import Final

from netd.lab.call import Call, Reply
from netd.lab.endpoints.httpbin_json import answer
from netd.lab.endpoints.status import phrase
from netd.lab.waits import waiting
from netd.script import Abort, Script, Send, Step, Wait

# What was sent before a reset has to be on its way, for a reset overtakes it.
_SETTLE: Final = 0.05

_BODY: Final = b"netd said it would say this much, and then it did not.\n" * 20

_GARBAGE: Final = b"\x16\x03\x01 this is no HTTP \x00\xff\r\n\r\n" * 4


def _head(status: int, fields: bytes) -> bytes:
    line = f"HTTP/1.1 {status} {phrase(status)}\r\nServer: netd\r\n".encode()
    return line + b"Content-Type: text/plain; charset=utf-8\r\n" + fields + b"\r\n"


def _sized(status: int, body: bytes) -> bytes:
    return _head(status, b"Content-Length: %d\r\n" % len(body))


def _close(status: int, body: bytes, longest: float) -> Iterator[Step]:
    yield from ()


def _reset(status: int, body: bytes, longest: float) -> Iterator[Step]:
    yield Send(_sized(status, body) + body[: len(body) // 2])
    yield Wait(_SETTLE)
    yield Abort()


def _truncate(status: int, body: bytes, longest: float) -> Iterator[Step]:
    yield Send(_sized(status, body) + body[: len(body) // 2])


def _bad_length(status: int, body: bytes, longest: float) -> Iterator[Step]:
    # Two that differ: no client may choose one (RFC 9112 6.3).
    lengths = (len(body) // 2, len(body) + 1)
    yield Send(_head(status, b"Content-Length: %d\r\nContent-Length: %d\r\n" % lengths) + body)


def _bad_chunk(status: int, body: bytes, longest: float) -> Iterator[Step]:
    chunk = b"%x\r\n%b\r\n" % (len(body), body)
    yield Send(
        _head(status, b"Transfer-Encoding: chunked\r\n") + chunk + b"netd\r\nno size\r\n"
    )


def _garbage(status: int, body: bytes, longest: float) -> Iterator[Step]:
    yield Send(_GARBAGE)


def _hang(status: int, body: bytes, longest: float) -> Iterator[Step]:
    yield Wait(longest)


FAULTS: Final[dict[str, Callable[[int, bytes, float], Iterator[Step]]]] = {
    "close": _close,
    "reset": _reset,
    "truncate": _truncate,
    "bad-length": _bad_length,
    "bad-chunk": _bad_chunk,
    "garbage": _garbage,
    "hang": _hang,
}
"""
Every fault by its name.

The connection is closed before any byte, reset in the body, or closed in the
body; the length is two lengths; a chunk has no size; it is no HTTP; nothing
ever comes.
"""

MOST_HANG: Final = 3600.0
"""Seconds after which even a hanging answer ends where --max-delay is off."""


def broken(call: Call, kind: str, seconds: float, status: int, body: bytes) -> Reply:
    """The fault `kind` after `seconds`, in an answer that would have been `body`."""
    longest = call.config.limits.max_delay
    if longest == inf:
        longest = MOST_HANG
    return Reply(_after(seconds, FAULTS[kind](status, body, longest)), wire=True)


def _after(seconds: float, script: Script) -> Iterator[Step]:
    if seconds:
        yield Wait(seconds)
    yield from script


def fault(call: Call) -> Reply:
    """Go wrong in the way that the path names, after a delay, at a rate."""
    kind = call.value("kind")
    seconds = waiting(call, "delay")
    if call.chance().random() >= call.value("rate"):
        return answer({"fault": kind, "happened": False})
    return broken(call, kind, seconds, 200, _BODY)


def unstable(call: Call) -> Reply:
    """Fail with 500 at a rate."""
    failed = call.chance().random() < call.value("failure_rate")
    return Reply(b"", 500 if failed else 200)


def retry(call: Call) -> Reply:
    """Fail N times for a key, then succeed, then begin again."""
    times, key = call.value("times"), call.parameters["key"]
    return fails(call, f"retry {times} {key}", times, call.value("status")) or answer(
        {"key": key, "failures": times}
    )


def fails(call: Call, key: str, times: int, status: int) -> Reply | None:
    """A failure for the first `times` that `key` is asked for, None after them, and so on."""
    turn = call.bench.turn(key) % (times + 1)
    if turn == times:
        return None
    left = {"failure": turn + 1, "failures": times}
    after = call.value("retry_after")
    fields = (("Retry-After", str(after)),) if after is not None else ()
    return answer(left, status, fields)
