"""
`/` and `/echo`: a response that the parameters of one URL describe.

Rules: pure functions from a Call to a Reply.  Without parameters `/` is the
delayed echo and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from attrs import evolve, frozen

from netd.lab.call import BYTES, NO_CONTENT, TEXT, BadCall, Call, Headers, Reply
from netd.lab.endpoints.caching import allowed, echoed_type, response_field
from netd.lab.endpoints.compression import MAX_ENCODED, encode
from netd.lab.endpoints.faults import fail_first, faulty_reply
from netd.lab.endpoints.status import choose_status
from netd.script import Send, Step, Wait
from netd.values import Duration

GREETING: Final = b"One reactor, many clients: each waits its own delay only.\n"
"""The response to a request without a body."""

_GREETING: Final = Reply(GREETING, sandbox=False)
_PIECE: Final = 64 * 1024
MAX_CHUNKS: Final = 100_000
_PATTERN: Final = bytes(range(32, 126)) + b"\n"


def delayed_echo(call: Call) -> Reply:
    """Wait for --delay, then return the request body, or 58 bytes without a body."""
    if "?" in call.target or call.raw_head.lower().find(b"\nx-netd-") >= 0:
        seconds = call.wait("delay") if call.text("delay") else call.draw(call.config.delay)
        return _compose(call, seconds)
    seconds = call.draw(call.config.delay)
    if not call.length:
        return Reply(GREETING, delay=seconds, sandbox=False) if seconds else _GREETING
    content_type = echoed_type(call)
    if call.length <= _PIECE:
        return Reply(call.content.read, type=content_type, delay=seconds)
    script = _paced(seconds, 0.0, 0.0, _received(call, _PIECE))
    return Reply(script, type=content_type, length=call.length)


def echo(call: Call) -> Reply:
    """Return the response that the parameters describe; by default the request body at once."""
    return _compose(call, call.wait("delay"))


def _compose(call: Call, seconds: float) -> Reply:
    """The response that the parameters describe, after `seconds`."""
    times = call.value("fail_first")
    code = choose_status(call.text("status") or ("503" if times else "200"), call)
    headers = _headers(call)
    if times:
        key = call.value("key")
        if key is None:
            raise BadCall("fail_first: needs a key, so that others do not count")
        failure = fail_first(call, f"first {key}", times, code)
        if failure is not None:
            return evolve(failure, delay=seconds)
        code = 200
    body = _body(call)
    fault = call.value("fault")
    if fault is not None and call.random().random() < call.value("fault_rate"):
        return faulty_reply(call, fault, seconds, code, next(body.pieces(_PIECE), b""))
    if code in NO_CONTENT:
        return Reply((Wait(seconds),), code, length=0, headers=headers)
    size = call.value("chunk")
    pace = call.value("pace")
    if size is None:
        size = max(1, -(-body.length // 10)) if pace else _PIECE
    _check_chunks(call, body.length, size, pace)
    script = _paced(seconds, call.value("ttfb"), pace, body.pieces(size))
    return Reply(script, code, body.type, body.length, (*headers, *body.headers))


@frozen
class _Body:
    """The body of a response, before it is cut into pieces."""

    call: Call
    type: str
    length: int
    content: bytes | None = None
    """None: the pattern when the call has a `size`, otherwise the request body."""
    headers: Headers = ()

    def pieces(self, size: int) -> Iterator[bytes]:
        """The body in pieces of `size` bytes."""
        if self.content is not None:
            for start in range(0, self.length, size):
                yield self.content[start : start + size]
        elif self.call.text("size") is not None:
            for start in range(0, self.length, size):
                yield pattern(start, min(size, self.length - start))
        else:
            yield from _received(self.call, size)


def pattern(start: int, count: int) -> bytes:
    """`count` bytes, from the offset `start`, of endless lines of printable characters."""
    first = start % len(_PATTERN)
    return (_PATTERN * (count // len(_PATTERN) + 2))[first : first + count]


def _body(call: Call) -> _Body:
    text, size, coding = call.value("body"), call.value("size"), call.value("encoding")
    if text is not None:
        body = _Body(call, TEXT, len(text.encode()), text.encode())
    elif size is not None:
        body = _Body(call, BYTES, size)
    elif call.length:
        body = _Body(call, echoed_type(call), call.length)
    else:
        body = _Body(call, TEXT, len(GREETING), GREETING)
    content_type = call.value("type") or body.type
    if call.text("type") and not allowed(call, content_type):
        raise BadCall(f"type: {content_type} is one that browsers run; see --unsafe-responses")
    if coding is None:
        return evolve(body, type=content_type)
    # A larger body is not read whole to be refused.
    content = b"".join(islice(body.pieces(MAX_ENCODED + 1), 1))
    encoded = encode(content, coding)
    fields = (("Content-Encoding", coding),)
    return _Body(call, content_type, len(encoded), encoded, fields)


def _headers(call: Call) -> Headers:
    fields = []
    for text in call.texts("header"):
        name, colon, value = text.partition(":")
        if not colon:
            raise BadCall("header: not written as Name: value")
        fields.append(response_field(call, name.strip(" \t"), value.strip(" \t")))
    seconds = call.value("retry_after")
    return tuple(fields) if seconds is None else (*fields, ("Retry-After", str(seconds)))


def _check_chunks(call: Call, length: int, size: int, pace: float) -> None:
    """BadCall for too many chunks, and for a response that takes longer than --max-delay."""
    chunks = -(-length // size)
    if chunks > MAX_CHUNKS:
        raise BadCall(f"chunk: makes more than {MAX_CHUNKS} chunks")
    longest = call.config.limits.max_delay
    if pace * (chunks - 1) > longest:
        raise BadCall(f"pace: takes longer than {Duration.of(longest)} in all")


def _paced(seconds: float, ttfb: float, pace: float, pieces: Iterator[bytes]) -> Iterator[Step]:
    yield Wait(seconds)
    if ttfb:
        # The empty piece sends the head alone.
        yield Send(b"")
        yield Wait(ttfb)
    yield Send(next(pieces, b""))
    for piece in pieces:
        if pace:
            yield Wait(pace)
        yield Send(piece)


def _received(call: Call, size: int) -> Iterator[bytes]:
    return iter(lambda: call.content.read(size), b"")
