"""
Basic (RFC 7617) and bearer (RFC 6750) authentication of users in the URL.

Rules: pure functions from a Call to a Reply.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from hmac import compare_digest

from netd.lab.call import HTML, Call, Reply
from netd.lab.endpoints.httpbin_json import json_reply, shown_fields
from netd.lab.endpoints.status import status_reply


def _authenticated(call: Call) -> bool:
    """Whether the request carries the user and the password of its path."""
    scheme, _, credentials = (call.header("authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        received = b64decode(credentials.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    expected = f"{call.path_values['user']}:{call.path_values['passwd']}".encode()
    return compare_digest(received, expected)


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
    credentials = call.header("authorization") or ""
    if not credentials.startswith("Bearer "):
        return Reply(b"", 401, HTML, headers=(("WWW-Authenticate", "Bearer"),))
    shown = any(name.lower() == "authorization" for name, _ in shown_fields(call))
    token = credentials.removeprefix("Bearer ") if shown else ""
    return json_reply({"authenticated": True, "token": token})
