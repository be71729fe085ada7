"""
Responses that are wrong in the way that the client chooses.

Rules: pure functions from a Call to a Reply.  The script of a fault writes the
head too, since no server would send it, and ends the connection.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf
from typing import Final

from attrs import asdict, evolve

from netd.lab.call import JSON, Call, Reply
from netd.lab.endpoints.httpbin_json import json_reply
from netd.lab.endpoints.status import phrase
from netd.script import Abort, Send, Step, Wait

# A reset overtakes bytes that are not on their way yet.
_SETTLE: Final = Wait(0.05)

_BODY: Final = b"netd said it would say this much, and then it did not.\n" * 20

_GARBAGE: Final = b"\x16\x03\x01 this is no HTTP \x00\xff\r\n\r\n" * 4


def _head(status: int, fields: bytes) -> bytes:
    line = f"HTTP/1.1 {status} {phrase(status)}\r\nServer: netd\r\n".encode()
    return line + b"Content-Type: text/plain; charset=utf-8\r\n" + fields + b"\r\n"


def _half(status: int, body: bytes) -> bytes:
    """A head, and half of the body that it promises."""
    length = b"Content-Length: %d\r\n" % len(body)
    return _head(status, length) + body[: len(body) // 2]


def _two_lengths(status: int, body: bytes) -> bytes:
    lengths = (len(body) // 2, len(body) + 1)
    return _head(status, b"Content-Length: %d\r\nContent-Length: %d\r\n" % lengths) + body


def _no_chunk_size(status: int, body: bytes) -> bytes:
    head = _head(status, b"Transfer-Encoding: chunked\r\n")
    return head + b"%x\r\n%b\r\n" % (len(body), body) + b"netd\r\nno size\r\n"


FAULTS: Final[dict[str, Callable[[int, bytes, float], tuple[Step, ...]]]] = {
    # The connection closes before any byte.
    "close": lambda status, body, longest: (),
    # The connection is reset, or closes, in the middle of the body.
    "reset": lambda status, body, longest: (Send(_half(status, body)), _SETTLE, Abort()),
    "truncate": lambda status, body, longest: (Send(_half(status, body)),),
    # Two lengths that differ: a client may not choose one of them (RFC 9112 6.3).
    "bad-length": lambda status, body, longest: (Send(_two_lengths(status, body)),),
    # The second chunk has no size.
    "bad-chunk": lambda status, body, longest: (Send(_no_chunk_size(status, body)),),
    # The bytes are not HTTP.
    "garbage": lambda status, body, longest: (Send(_GARBAGE),),
    # Nothing is sent for the longest time.
    "hang": lambda status, body, longest: (Wait(longest),),
}
"""The script of every fault, from a status, a body and the longest time in seconds."""

MAX_HANG: Final = 3600.0
"""Seconds after which `hang` ends when --max-delay is off."""


def faulty_reply(call: Call, kind: str, seconds: float, status: int, body: bytes) -> Reply:
    """The fault `kind` after `seconds`, in a response with this status and body."""
    longest = call.config.limits.max_delay
    if longest == inf:
        longest = MAX_HANG
    wait = (Wait(seconds),) if seconds else ()
    return Reply((*wait, *FAULTS[kind](status, body, longest)), raw=True, fault=kind)


def fault(call: Call) -> Reply:
    """Respond with the fault in the path, after a delay, at a rate."""
    kind = call.value("kind")
    seconds = call.wait("delay")
    if call.random().random() >= call.value("rate"):
        return json_reply({"fault": kind, "happened": False})
    return faulty_reply(call, kind, seconds, 200, _BODY)


def unstable(call: Call) -> Reply:
    """Respond with 500 at a rate, and with 200 otherwise."""
    failed = call.random().random() < call.value("failure_rate")
    return Reply(b"", 500, fault="unstable") if failed else Reply()


def retry(call: Call) -> Reply:
    """Fail the first requests for a key, succeed once, and begin again; DELETE forgets it."""
    times, key = call.value("times"), call.path_values["key"]
    counted = f"retry {times} {key}"
    if call.method == "DELETE":
        call.state.attempts.forget(key)
        return json_reply({"forgotten": call.forget(counted), "key": key})
    failure = fail_first(call, counted, key, times, call.value("status"))
    return failure or json_reply({"key": key, "failures": times})


def attempts(call: Call) -> Reply:
    """Return what became of each request that this process counted for the key, as a list."""
    made = [asdict(each) for each in call.state.attempts.of(call.path_values["key"])]
    return Reply(json.dumps(made, indent=2).encode() + b"\n", type=JSON)


def fail_first(call: Call, counted: str, key: str, times: int, status: int) -> Reply | None:
    """
    A failure for the first `times` requests for `counted`, None for the next, and so on.

    /attempts shows the request under the client's `key`.
    """
    state = call.state
    number = call.count(counted) % (times + 1)
    got = 200 if number == times else status
    state.attempts.add(key, state.seconds(), call.method, call.target, got)
    if number == times:
        return None
    retry_after = call.value("retry_after")
    fields = (("Retry-After", str(retry_after)),) if retry_after is not None else ()
    failure = json_reply({"failure": number + 1, "failures": times}, status, fields)
    return evolve(failure, fault="fail-first")
