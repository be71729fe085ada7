"""
Answers that take their time: lines, events, drops, trailers.

Rules: pure functions from a Call to a Reply whose body is a script; nothing of
it is made before it is sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from netd.lab.call import BYTES, JSON, BadCall, Call, Reply
from netd.lab.endpoints.httpbin_json import document
from netd.lab.endpoints.inspect import question
from netd.lab.endpoints.status import choose, of
from netd.script import Send, Step, Wait
from netd.values import TCHAR

MOST_DRIP: Final = 10 * 1024 * 1024
_PIECE: Final = 64 * 1024
# Drops a second, at most; more cannot be told apart.
_DROPS: Final = 100

_NAME: Final = re.compile(TCHAR + "{1,100}")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
# RFC 9110 6.5.1: fields that frame, route, authenticate or change the content
_NO_TRAILERS: Final = frozenset(
    {
        *("authorization", "cache-control", "content-encoding", "content-length", "date"),
        *("content-range", "content-type", "host", "max-forwards", "set-cookie", "te"),
        *("trailer", "transfer-encoding", "connection", "location", "expect", "server"),
    }
)


def stream(call: Call) -> Reply:
    """Say back the request n times, a line of JSON each."""
    said = {key: question(call)[key] for key in ("url", "args", "headers", "origin")}
    return Reply(_lines(said, call.value("n")), type=JSON)


def _lines(said: dict[str, Any], count: int) -> Iterator[Step]:
    for number in range(count):
        yield Send(json.dumps({**said, "id": number}).encode() + b"\n")


def drip(call: Call) -> Reply:
    """Bytes one by one, evenly over a duration, after a delay."""
    code = choose(call.said("code") or "200", call)
    count = call.value("numbytes")
    if code in (204, 205, 304):
        return of(code)
    script = _drops(call.value("delay"), call.value("duration"), count)
    return Reply(script, code, BYTES, length=count)


def _drops(delay: float, duration: float, count: int) -> Iterator[Step]:
    yield Wait(delay)
    pieces = min(count, max(1, int(duration * _DROPS), -(-count // _PIECE)))
    sent = 0
    for number in range(1, pieces + 1):
        if number > 1:
            # Between them, as a client hears them: the last byte ends the answer.
            yield Wait(duration / pieces)
        upto = count * number // pieces
        yield Send(b"*" * (upto - sent))
        sent = upto


def events(call: Call) -> Reply:
    """Server-sent events, evenly over a duration, after a delay."""
    return _timed(call, "text/event-stream", "event: ping\ndata: {}\n\n")


def json_lines(call: Call) -> Reply:
    """Lines of JSON, evenly over a duration, after a delay."""
    return _timed(call, "application/jsonl", "{}\n")


def _timed(call: Call, kind: str, form: str) -> Reply:
    count, duration, delay = (call.value(each) for each in ("count", "duration", "delay"))
    head, tail = form.split("{}")

    def script() -> Iterator[Step]:
        yield Wait(delay)
        for number in range(count):
            if number:
                yield Wait(duration / (count - 1))
            said = {"id": number, "timestamp": int(call.bench.now() * 1000)}
            yield Send(f"{head}{json.dumps(said)}{tail}".encode())

    return Reply(script(), type=kind, headers=(("Cache-Control", "no-store"),), ours=True)


def trailers(call: Call) -> Reply:
    """Say back the request, with a trailer field for each argument."""
    for name, value in call.args:
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise BadCall(f"{name!r} is no trailer field")
        if name.lower() in _NO_TRAILERS:
            raise BadCall(f"{name} is no field that may come after the body")
    names = ", ".join(dict.fromkeys(name for name, _ in call.args))
    fields = (("Trailer", names),) if names else ()
    body = document(question(call))
    return Reply((Send(body),), type=JSON, headers=fields, trailers=tuple(call.args))
