"""
`/` and `/echo`: a response that the parameters of one URL describe.

Rules: pure functions from a Call to a Reply.  Without parameters `/` is the
delayed echo and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from attrs import evolve, frozen

from netd.lab.call import BYTES, HTML, NO_CONTENT, PREFIX, TEXT, BadCall, Call, Headers, Reply
from netd.lab.endpoints.compression import encode, encoder
from netd.lab.endpoints.faults import fail_first, faulty_reply
from netd.lab.endpoints.response_fields import chosen_type, echoed_type, response_field
from netd.lab.endpoints.status import choose_status
from netd.lab.near_miss import near_miss
from netd.script import Send, Step, Wait
from netd.values import Duration

GREETING: Final = b"One reactor, many clients: each waits its own delay only.\n"
"""The response to a request without a body."""

_GREETING: Final = Reply(GREETING, sandbox=False)
_PIECE: Final = 64 * 1024
_STEP: Final = 16 * 1024
"""Bytes that are encoded in one turn of the reactor, 3 ms for the worst of them."""
_PREFIX: Final = PREFIX.decode()
_QUEUING: Final = frozenset({"timing", "workers"})
"""Parameters that most requests do not have, and that cost those one look together."""
_MOST_NAMES: Final = 100
"""Names in a query that are compared with those of parameters."""
MAX_CHUNKS: Final = 100_000
_PATTERN: Final = bytes(range(32, 126)) + b"\n"


def delayed_echo(call: Call) -> Reply:
    """Wait for --delay, then return the request body, or 58 bytes without a body."""
    state = call.state
    page = state.compatibility.page
    if page is not None and call.method in ("GET", "HEAD"):
        return Reply(page, type=HTML)
    if _composed(call):
        seconds = call.wait("delay") if call.text("delay") else call.draw(state.config.delay)
        return _compose(call, seconds)
    return _plain(call, call.draw(state.config.delay))


def echo(call: Call) -> Reply:
    """Return the response that the parameters describe; by default the request body at once."""
    return _compose(call, call.wait("delay")) if _composed(call) else _plain(call, 0.0)


def _composed(call: Call) -> bool:
    """Whether there may be parameters."""
    return "?" in call.target or call.has_netd_field


def _plain(call: Call, seconds: float) -> Reply:
    """The request body, or 58 bytes without one, after `seconds`."""
    if not call.length:
        return Reply(GREETING, delay=seconds, sandbox=False) if seconds else _GREETING
    content_type = echoed_type(call)
    if call.length <= _PIECE:
        return Reply(call.content.read, type=content_type, delay=seconds)
    script = _paced(seconds, 0.0, 0.0, _PIECE, _received(call, _PIECE))
    return Reply(script, type=content_type, length=call.length)


def _compose(call: Call, seconds: float) -> Reply:
    """The response that the parameters describe, after `seconds` and the queue for a worker."""
    _check_names(call)
    call.drawn = seconds
    if _QUEUING.isdisjoint(call.given):
        return _described(call, seconds)
    timed, workers = call.value("timing"), call.value("workers")
    reply = _described(call, seconds)
    queue = _queue(call, workers, seconds + call.paced) if workers else 0.0
    call.queued = queue
    if timed:
        timing = f"queue;dur={queue * 1000:.6g}, delay;dur={seconds * 1000:.6g}"
        reply = evolve(reply, headers=(*reply.headers, ("Server-Timing", timing)))
    return reply.later(queue) if queue else reply


def _queue(call: Call, workers: int, held: float) -> float:
    """The wait until one of so many workers is free, which is busy for `held` seconds then."""
    now, longest = call.state.seconds(), call.config.limits.max_delay
    pool = call.text("key") or call.target.partition("?")[0], workers
    wait = call.state.workers.wait(pool, now, held, longest)
    if wait is None:
        free = math.ceil(call.state.workers.free_in(pool, now))
        detail = f"workers: the queue is longer than {Duration.of(longest)}"
        raise BadCall(detail, 503, (("Retry-After", str(free)),))
    return wait


def _described(call: Call, seconds: float) -> Reply:
    """The response that the parameters describe."""
    times = call.value("fail_first")
    code = choose_status(call.text("status") or ("503" if times else "200"), call)
    headers = _headers(call)
    if times:
        key = call.value("key")
        if key is None:
            raise BadCall("fail_first: needs a key, so that others do not count")
        failure = fail_first(call, f"first {key}", key, times, code)
        if failure is not None:
            return evolve(failure, delay=seconds)
        code = 200
    body = _body(call)
    fault = call.value("fault")
    if fault is not None and call.random().random() < call.value("fault_rate"):
        return faulty_reply(call, fault, seconds, code, body.start())
    if code in NO_CONTENT:
        return Reply((Wait(seconds),), code, length=0, headers=headers)
    size = call.value("chunk")
    pace = call.value("pace")
    if size is None:
        size = max(1, -(-body.length // 10)) if pace else _PIECE
    _check_chunks(call, body.length, size, pace)
    empty = call.method == "HEAD"
    pieces = iter(()) if empty else body.pieces(size)
    before = call.value("body_delay")
    script = _paced(seconds, before, pace, size, pieces)
    length = None if body.streamed else body.length
    if before or pace:
        chunks = 1 if empty else max(1, -(-body.length // size))
        call.paced = before + pace * (chunks - 1)
    return Reply(script, code, body.type, length, (*headers, *body.headers))


def _check_names(call: Call) -> None:
    """BadCall for a name that is almost that of a parameter; others mean nothing here."""
    known = tuple(call.parameters)
    for name in {name for name, _ in call.args[:_MOST_NAMES]}:
        meant = near_miss(name, known)
        if meant is not None and name.lower() != meant:
            raise BadCall(f"{name[:40]}: did you mean {meant}?")
    if not call.has_netd_field:
        return
    for name in {name for name, _ in call.headers if name.lower().startswith(_PREFIX)}:
        meant = near_miss(name[len(_PREFIX) :], known)
        header = f"X-Netd-{'' if meant is None else meant.replace('_', '-').title()}"
        if meant is not None and name.lower() != header.lower():
            raise BadCall(f"{name[:40]}: did you mean {header}?")


@frozen
class _Body:
    """The body of a response, before it is cut into pieces."""

    call: Call
    type: str
    length: int
    """That of a streamed coding is the length before it."""
    content: bytes | None = None
    """None: the pattern when the call has a `size`, otherwise the request body."""
    headers: Headers = ()
    coding: str | None = None
    """What the content is still to be encoded in."""

    @property
    def streamed(self) -> bool:
        """Whether the length on the wire is not known."""
        return self.coding is not None

    def start(self) -> bytes:
        """The first bytes of the body."""
        raw = next(self._raw(_PIECE if self.coding is None else _STEP), b"")
        return raw if self.coding is None else encode(raw, self.coding)

    def pieces(self, size: int) -> Iterator[bytes]:
        """
        The body in pieces of at most 64 KiB, one of which ends at each multiple of `size`.

        An empty piece says that the reactor may do other things first.
        """
        if self.coding is not None:
            return _cut(self._encoded(self.coding), size)
        return self._raw(size) if size <= _PIECE else _cut(self._raw(_PIECE), size)

    def _raw(self, size: int) -> Iterator[bytes]:
        """The content in pieces of `size` bytes."""
        if self.content is not None:
            for start in range(0, len(self.content), size):
                yield self.content[start : start + size]
        elif self.call.text("size") is not None:
            for start in range(0, self.length, size):
                yield pattern(start, min(size, self.length - start))
        else:
            yield from _received(self.call, size)

    def _encoded(self, coding: str) -> Iterator[bytes]:
        add, end = encoder(coding, self.length)
        for piece in self._raw(_STEP):
            yield add(piece)
            yield b""
        yield end()


def _cut(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The bytes of `pieces`, cut as `_Body.pieces` says; empty pieces are kept."""
    buffer, missing = bytearray(), size
    for piece in pieces:
        start = 0
        buffer += piece
        while len(buffer) - start >= (count := min(missing, _PIECE)):
            yield bytes(buffer[start : start + count])
            start += count
            missing = missing - count or size
        del buffer[:start]
        if not piece:
            yield b""
    if buffer:
        yield bytes(buffer)


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
    chosen = call.value("type")
    body = evolve(body, type=chosen_type(call, "type", chosen) if chosen else body.type)
    if coding is None:
        return body
    encoder(coding, 0)
    body = evolve(body, headers=(("Content-Encoding", coding),), coding=coding)
    if body.length > _STEP:
        return body
    content = body.start()
    return evolve(body, length=len(content), content=content, coding=None)


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


def _paced(
    seconds: float, body_delay: float, pace: float, size: int, pieces: Iterator[bytes]
) -> Iterator[Step]:
    yield Wait(seconds)
    if body_delay:
        # The empty piece sends the head alone.
        yield Send(b"")
        yield Wait(body_delay)
    sent = 0
    for piece in pieces:
        if not piece:
            yield Wait(0.0)
            continue
        if pace and sent and not sent % size:
            yield Wait(pace)
        sent += len(piece)
        yield Send(piece)
    if not sent:
        yield Send(b"")


def _received(call: Call, size: int) -> Iterator[bytes]:
    return iter(lambda: call.content.read(size), b"")
