"""
What was asked, said back: httpbin's inspection of requests.

Rules: pure functions from a Call to a Reply.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from netd.lab.call import JSON, Call, Reply
from netd.lab.endpoints.httpbin_json import answer, args, document, headers, url
from netd.lab.endpoints.request_body import Body
from netd.lab.waits import waiting


def question(call: Call) -> dict[str, Any]:
    """What every echo shows."""
    return {
        "args": args(call),
        "headers": headers(call),
        "origin": call.origin,
        "url": url(call),
    }


def with_body(call: Call) -> dict[str, Any]:
    """The same with the body."""
    body = Body.of(call)
    return {
        **question(call),
        "data": body.data,
        "files": body.files,
        "form": body.form,
        "json": body.json,
    }


def get(call: Call) -> Reply:
    """Say back the arguments, headers, origin and URL."""
    return answer(question(call))


def post(call: Call) -> Reply:
    """Say back the same and the body, as form, files, JSON or data."""
    return answer(with_body(call))


def anything(call: Call) -> Reply:
    """Say back everything, the method too."""
    return answer({**with_body(call), "method": call.method})


def delay(call: Call) -> Reply:
    """Wait the duration in the path, then say back everything but JSON."""
    # All work is done now: of thousands that are due in one moment each is only to be sent.
    body = Body.of(call)
    said = {"data": body.data, "files": body.files, "form": body.form}
    whole = document({**question(call), **said})
    return Reply(whole, type=JSON, after=waiting(call, "duration"))


def upload(call: Call) -> Reply:
    """Take a body of any kind and say how large it was, but not what was in it."""
    kind = call.header("content-type") or ""
    return answer({**question(call), "bytes": call.length, "content_type": kind})


def request_headers(call: Call) -> Reply:
    """Say back the headers."""
    return answer({"headers": headers(call)})


def ip(call: Call) -> Reply:
    """Say who asks."""
    return answer({"origin": call.origin})


def user_agent(call: Call) -> Reply:
    """Say back the User-Agent, null when there is none."""
    return answer({"user-agent": headers(call).get("User-Agent")})


def uuid(call: Call) -> Reply:
    """Make up a random UUID (RFC 9562 5.4)."""
    return answer({"uuid": str(UUID(int=call.bench.random.getrandbits(128), version=4))})
