"""
Endpoints that return the request itself, as httpbin does, and facts about the machine.

Rules: pure functions from a Call to a Reply, which show of the machine only what the
operator reveals.
"""

from __future__ import annotations

from itertools import chain
from typing import Final
from uuid import UUID

from netd.lab.call import JSON, BadCall, Call, Reply
from netd.lab.endpoints.httpbin_json import dumps, group, json_reply, shown_head, shown_headers
from netd.lab.endpoints.request_body import shown_body
from netd.script import Send

_PIECE: Final = 64 * 1024
_PREFIX: Final = "NETD_ENV_"


def describe(call: Call) -> dict[str, object]:
    """The arguments, headers, origin and URL of the request."""
    return {
        "args": group(call.args),
        "headers": shown_headers(call),
        "origin": call.origin,
        "url": call.root + call.target,
    }


def describe_with_body(call: Call) -> dict[str, object]:
    """What `describe` returns, and the body as data, files, form and JSON."""
    return {**describe(call), **shown_body(call)}


def get(call: Call) -> Reply:
    """Return the arguments, headers, origin and URL of the request."""
    return json_reply(describe(call))


def post(call: Call) -> Reply:
    """Return the same and the body, as form, files, JSON or data."""
    return json_reply(describe_with_body(call))


def anything(call: Call) -> Reply:
    """Return all of the request, the method too."""
    return json_reply({**describe_with_body(call), "method": call.method})


def delay(call: Call) -> Reply:
    """Wait for the duration in the path, then return all of the request but JSON."""
    # Made now: thousands of responses may be due at the same moment.
    members = describe_with_body(call)
    del members["json"]
    return Reply(dumps(members), type=JSON, delay=call.wait("duration"))


def upload(call: Call) -> Reply:
    """Take a body of any size and return the number of its bytes."""
    content_type = call.header("content-type") or ""
    members = {"bytes": call.length, "content_type": content_type}
    return json_reply({**describe(call), **members})


def request_headers(call: Call) -> Reply:
    """Return the headers of the request."""
    return json_reply({"headers": shown_headers(call)})


def ip(call: Call) -> Reply:
    """Return the client's address."""
    return json_reply({"origin": call.origin})


def user_agent(call: Call) -> Reply:
    """Return the User-Agent, or null without the field."""
    return json_reply({"user-agent": shown_headers(call).get("User-Agent")})


def uuid(call: Call) -> Reply:
    """Return a random UUID (RFC 9562 5.4)."""
    return json_reply({"uuid": str(UUID(int=call.state.random.getrandbits(128), version=4))})


def raw(call: Call) -> Reply:
    """Return the request byte for byte as received, except that chunks are joined."""
    head = shown_head(call)
    pieces = chain((head,), iter(lambda: call.content.read(_PIECE), b""))
    return Reply(map(Send, pieces), length=len(head) + call.length)


def head(call: Call) -> Reply:
    """Return an empty body."""
    return Reply(b"")


def tls(call: Call) -> Reply:
    """Return what the TLS handshake agreed on, or null without TLS."""
    return json_reply({"tls": call.client.tls()})


def hostname(call: Call) -> Reply:
    """Return the name of the machine; 403 without --reveal hostname."""
    return json_reply({"hostname": _revealed("hostname", call.config.lab.hostname)})


def version(call: Call) -> Reply:
    """Return the version of netd; 403 without --reveal version."""
    return json_reply({"version": _revealed("version", call.config.lab.version)})


def _revealed(name: str, value: str | None) -> str:
    if value is None:
        raise BadCall(f"start netd with --reveal {name} to be told", 403)
    return value


def env(call: Call) -> Reply:
    """Return the environment variables whose names begin with NETD_ENV_."""
    environ = call.state.environ
    return json_reply({"env": {k: v for k, v in environ.items() if k.startswith(_PREFIX)}})
