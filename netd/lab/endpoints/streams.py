"""
Responses that are streamed: lines, events, drops, trailers.

Rules: pure functions from a Call to a Reply whose body is a lazy script.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Final

from netd.lab.call import BYTES, JSON, NO_CONTENT, BadCall, Call, Reply
from netd.lab.endpoints.httpbin_json import dumps
from netd.lab.endpoints.inspect import describe
from netd.lab.endpoints.response_fields import response_field
from netd.lab.endpoints.status import choose_status, status_reply
from netd.script import Send, spread

MAX_DRIP: Final = 10 * 1024 * 1024
_PIECE: Final = 64 * 1024
_MAX_DROPS_PER_SECOND: Final = 100

# RFC 9110 6.5.1: fields that frame, route, authenticate or change the content
_NO_TRAILERS: Final = frozenset(
    {
        *("authorization", "cache-control", "content-encoding", "content-length", "date"),
        *("content-range", "content-type", "host", "max-forwards", "set-cookie", "te"),
        *("trailer", "transfer-encoding", "connection", "location", "expect", "server"),
    }
)


def stream(call: Call) -> Reply:
    """Return the request n times, as one line of JSON each."""
    request = describe(call)
    members = {key: request[key] for key in ("url", "args", "headers", "origin")}
    lines = (json.dumps({**members, "id": n}) + "\n" for n in range(call.value("n")))
    return Reply((Send(line.encode()) for line in lines), type=JSON)


def drip(call: Call) -> Reply:
    """Send bytes one by one, evenly over a duration, after a delay."""
    code = choose_status(call.text("code") or "200", call)
    count = call.value("numbytes")
    if code in NO_CONTENT:
        return status_reply(code)
    duration = call.value("duration")
    drops = min(count, max(1, int(duration * _MAX_DROPS_PER_SECOND), -(-count // _PIECE)))
    ends = (count * number // drops for number in range(drops + 1))
    pieces = (b"*" * (end - start) for start, end in pairwise(ends))
    script = spread(pieces, drops, duration, call.value("delay"))
    return Reply(script, code, BYTES, length=count)


def events(call: Call) -> Reply:
    """Send server-sent events, evenly over a duration, after a delay."""
    return _timed(call, "text/event-stream", "event: ping\ndata: ", "\n\n")


def json_lines(call: Call) -> Reply:
    """Send lines of JSON, evenly over a duration, after a delay."""
    return _timed(call, "application/jsonl", "", "\n")


def _timed(call: Call, content_type: str, before: str, after: str) -> Reply:
    count, duration, delay = (call.value(name) for name in ("count", "duration", "delay"))

    def piece(number: int) -> bytes:
        now = int(call.state.now() * 1000)
        return f'{before}{{"id": {number}, "timestamp": {now}}}{after}'.encode()

    script = spread(map(piece, range(count)), count, duration, delay)
    no_store = (("Cache-Control", "no-store"),)
    return Reply(script, type=content_type, headers=no_store, sandbox=False)


def trailers(call: Call) -> Reply:
    """Return the request, with a trailer field for each argument."""
    most = call.config.limits.max_fields
    if len(call.args) > most:
        raise BadCall(f"a response has at most {most} trailer fields")
    for name, value in call.args:
        if name.lower() in _NO_TRAILERS:
            raise BadCall(f"{name} is no field that may come after the body")
        response_field(call, name, value)
    names = ", ".join(dict.fromkeys(name for name, _ in call.args))
    fields = (("Trailer", names),) if names else ()
    body = dumps(describe(call))
    return Reply((Send(body),), type=JSON, headers=fields, trailers=tuple(call.args))
