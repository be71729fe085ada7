"""
Basic and bearer authentication, of users that exist only in the URL.

Rules: pure functions from a Call to a Reply.

Source: RFC 7617, RFC 6750.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from hmac import compare_digest

from netd.lab.call import HTML, Call, Reply
from netd.lab.endpoints.httpbin_json import answer, shown
from netd.lab.endpoints.status import of


def _welcome(call: Call) -> bool:
    """Whether the call carries the user and password of its path."""
    scheme, _, said = (call.header("authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        pair = b64decode(said.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    right = f"{call.parameters['user']}:{call.parameters['passwd']}".encode()
    return compare_digest(pair, right)


def basic(call: Call) -> Reply:
    """Ask for the user and password in the path; 401 until they come."""
    if not _welcome(call):
        return of(401)
    return answer({"authenticated": True, "user": call.parameters["user"]})


def hidden(call: Call) -> Reply:
    """The same, but a 404 until they come."""
    if not _welcome(call):
        return of(404)
    return answer({"authenticated": True, "user": call.parameters["user"]})


def bearer(call: Call) -> Reply:
    """Take any bearer token and say it back; 401 without one."""
    said = call.header("authorization") or ""
    if not said.startswith("Bearer "):
        return Reply(b"", 401, HTML, headers=(("WWW-Authenticate", "Bearer"),))
    hidden_field = not any(name.lower() == "authorization" for name, _ in shown(call))
    return answer({"authenticated": True, "token": "" if hidden_field else said[7:]})
