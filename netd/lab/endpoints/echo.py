"""
Everything askable in one URL: `/` and `/echo`.

Rules: pure functions from a Call to a Reply.  Without a parameter `/` is the
delay-echo and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import evolve, frozen

from netd.lab.call import BYTES, TEXT, BadCall, Call, Headers, Reply
from netd.lab.endpoints.caching import field
from netd.lab.endpoints.compression import encode
from netd.lab.endpoints.faults import broken, fails
from netd.lab.endpoints.httpbin_json import MOST_BODY
from netd.lab.endpoints.safe_types import allowed, returned
from netd.lab.endpoints.status import choose
from netd.lab.waits import drawn, waiting
from netd.script import Script, Send, Step, Wait
from netd.values import Duration

GREETING: Final = b"One reactor, many clients: each waits its own delay only.\n"
"""The answer to a request without a body; its 58 bytes are what the seed's server sent."""

_GREETING: Final = Reply(GREETING, ours=True)
_PIECE: Final = 64 * 1024
MOST_CHUNKS: Final = 100_000
_PATTERN: Final = bytes(range(32, 126)) + b"\n"


def echo(call: Call) -> Reply:
    """Wait as long as `--delay` says, then answer with the body that came, or 58 bytes."""
    if "?" in call.target or call.raw.lower().find(b"\nx-netd-") >= 0:
        return composed(call, None if call.said("delay") else drawn(call, call.config.delay))
    seconds = drawn(call, call.config.delay)
    if not call.length:
        return Reply(GREETING, after=seconds, ours=True) if seconds else _GREETING
    kind = returned(call, call.header("content-type"))
    if call.length <= _PIECE:
        return Reply(call.content.read, type=kind, after=seconds)
    return Reply(_waited(seconds, _received(call, _PIECE)), type=kind, length=call.length)


def anywhere(call: Call) -> Reply:
    """The same at once, or after the delay that is asked for."""
    return composed(call, None)


def composed(call: Call, seconds: float | None) -> Reply:
    """The answer that the parameters describe; `seconds` instead of their delay."""
    if seconds is None:
        seconds = waiting(call, "delay")
    times = call.value("fail_first")
    code = choose(call.said("status") or ("503" if times else "200"), call)
    headers = _headers(call)
    if times:
        failure = fails(call, f"first {_key(call)}", times, code)
        if failure is not None:
            return _late(seconds, failure)
        code = 200
    said = _body(call)
    fault = call.value("fault")
    if fault is not None and call.chance().random() < call.value("fault_rate"):
        return broken(call, fault, seconds, code, said.start())
    if code in (204, 205, 304):
        return Reply((Wait(seconds),), code, length=0, headers=headers)
    size = call.value("chunk")
    pace = call.value("pace")
    if size is None:
        size = max(1, -(-said.length // 10)) if pace else _PIECE
    _bounded(call, said.length, size, pace)
    script = _script(seconds, call.value("ttfb"), pace, said.pieces(size))
    return Reply(script, code, said.type, said.length, (*headers, *said.headers))


@frozen
class _Body:
    """What the body of an answer is made of."""

    call: Call
    type: str
    length: int
    ready: bytes | None = None
    """None: the pattern of `size`, or the body that came."""
    headers: Headers = ()

    def pieces(self, size: int) -> Iterator[bytes]:
        """The body in pieces of `size` bytes."""
        if self.ready is not None:
            for at in range(0, self.length, size):
                yield self.ready[at : at + size]
        elif self.call.said("size") is not None:
            for at in range(0, self.length, size):
                yield pattern(at, min(size, self.length - at))
        else:
            yield from _received(self.call, size)

    def start(self) -> bytes:
        """As much of it as goes into a broken answer."""
        return next(self.pieces(_PIECE), b"")


def pattern(at: int, count: int) -> bytes:
    """`count` bytes, from the offset `at`, of lines of printable characters without an end."""
    first = at % len(_PATTERN)
    return (_PATTERN * (count // len(_PATTERN) + 2))[first : first + count]


def _body(call: Call) -> _Body:
    text, size, coding = call.value("body"), call.value("size"), call.value("encoding")
    if text is not None:
        body = _Body(call, TEXT, len(text.encode()), text.encode())
    elif size is not None:
        body = _Body(call, BYTES, size)
    elif call.length:
        body = _Body(call, returned(call, call.header("content-type")), call.length)
    else:
        body = _Body(call, TEXT, len(GREETING), GREETING)
    kind = call.value("type") or body.type
    if call.said("type") and not allowed(call, kind):
        raise BadCall(f"type: {kind} is one that browsers run; see --unsafe-responses")
    if coding is None:
        return _Body(call, kind, body.length, body.ready)
    if body.length > MOST_BODY:
        raise BadCall(f"encoding: of at most {MOST_BODY} bytes", 413)
    coded = encode(b"".join(body.pieces(_PIECE)), coding)
    return _Body(call, kind, len(coded), coded, (("Content-Encoding", coding),))


def _headers(call: Call) -> Headers:
    found = []
    for text in call.all_said("header"):
        name, colon, value = text.partition(":")
        if not colon:
            raise BadCall("header: not written as Name: value")
        found.append(field(call, name.strip(" \t"), value.strip(" \t")))
    after = call.value("retry_after")
    return tuple(found) if after is None else (*found, ("Retry-After", str(after)))


def _key(call: Call) -> str:
    key = call.value("key")
    if key is None:
        raise BadCall("fail_first: needs a key, so that others do not count")
    return str(key)


def _bounded(call: Call, length: int, size: int, pace: float) -> None:
    """BadCall when the answer has too many chunks, or takes longer than --max-delay in all."""
    chunks = -(-length // size)
    if chunks > MOST_CHUNKS:
        raise BadCall(f"chunk: makes more than {MOST_CHUNKS} chunks")
    longest = call.config.limits.max_delay
    if pace * (chunks - 1) > longest:
        raise BadCall(f"pace: takes longer than {Duration.of(longest)} in all")


def _late(seconds: float, reply: Reply) -> Reply:
    """`reply`, whose body is ready, after `seconds`."""
    return evolve(reply, after=seconds)


def _script(
    seconds: float, first: float, pace: float, pieces: Iterator[bytes]
) -> Iterator[Step]:
    yield Wait(seconds)
    if first:
        # The head leaves, and the first byte of the body later.
        yield Send(b"")
        yield Wait(first)
    yield Send(next(pieces, b""))
    for piece in pieces:
        if pace:
            yield Wait(pace)
        yield Send(piece)


def _waited(seconds: float, pieces: Iterator[bytes]) -> Script:
    yield Wait(seconds)
    for piece in pieces:
        yield Send(piece)


def _received(call: Call, size: int) -> Iterator[bytes]:
    while piece := call.content.read(size):
        yield piece
