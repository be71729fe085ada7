"""
Basic (RFC 7617) and bearer (RFC 6750) authentication of users in the URL.

Rules: pure functions from a Call to a Reply.
"""

from __future__ import annotations

from base64 import b64decode

from netd.lab.call import HTML, Call, Reply
from netd.lab.endpoints.httpbin_json import json_reply, shown_fields
from netd.lab.endpoints.status import status_reply


def credentials(call: Call, scheme: str) -> str | None:
    """What follows `scheme` in Authorization (RFC 9110 11.4); None for another scheme."""
    received, _, rest = (call.header("authorization") or "").partition(" ")
    return rest.strip(" \t") if received.lower() == scheme else None


def encodings(text: str) -> set[bytes]:
    """`text` in UTF-8 and in latin-1, as clients send it; those beyond latin-1 once."""
    try:
        return {text.encode(), text.encode("latin-1")}
    except UnicodeEncodeError:
        return {text.encode()}


def _authenticated(call: Call) -> bool:
    """Whether the request carries the user and the password of its path."""
    try:
        received = b64decode(credentials(call, "basic") or "", validate=True)
    except ValueError:
        return False
    return received in encodings(f"{call.path_values['user']}:{call.path_values['passwd']}")


def basic(call: Call) -> Reply:
    """Return 401 until the request carries the user and the password of the path."""
    return _basic(call, 401)


def hidden(call: Call) -> Reply:
    """Return 404 until the request carries the user and the password of the path."""
    return _basic(call, 404)


def _basic(call: Call, refusal: int) -> Reply:
    if not _authenticated(call):
        return status_reply(refusal)
    return json_reply({"authenticated": True, "user": call.path_values["user"]})


def bearer(call: Call) -> Reply:
    """Return any bearer token; 401 without a token."""
    token = credentials(call, "bearer")
    if not token:
        return Reply(b"", 401, HTML, headers=(("WWW-Authenticate", "Bearer"),))
    shown = any(name.lower() == "authorization" for name, _ in shown_fields(call))
    return json_reply({"authenticated": True, "token": token if shown else ""})
