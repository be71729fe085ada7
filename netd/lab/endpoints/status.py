"""
Statuses that the client chooses.

Rules: pure functions from a Call to a Reply.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Final

from netd.lab.call import HTML, JSON, BadCall, Call, Reply

# As in httpbin, but no 1xx, which end no request (RFC 9110 15.2), and nothing beyond 999.
_CHOICE: Final = re.compile(r"([2-9][0-9]{2})(?::([0-9]{1,9}(?:\.[0-9]{1,9})?))?", re.ASCII)
_MAX_CHOICES: Final = 101

_TEAPOT: Final = (
    b"\n"
    b"    -=[ teapot ]=-\n"
    b"\n"
    b"       _...._\n"
    b"     .'  _ _ `.\n"
    b'    | ."` ^ `". _,\n'
    b'    \\_;`"---"`|//\n'
    b"      |       ;/\n"
    b"      \\_     _/\n"
    b'        `"""`\n'
)

_IMAGES: Final = ("image/webp", "image/svg+xml", "image/jpeg", "image/png", "image/*")

_NOT_ACCEPTABLE: Final = json.dumps(
    {"message": "Client did not request a supported media type.", "accept": _IMAGES}
).encode()

_REDIRECT: Final = (("Location", "/redirect/1"),)
_SPECIAL: Final = {
    **{code: Reply(b"", code, HTML, headers=_REDIRECT) for code in (301, 302, 303, 305, 307)},
    401: Reply(b"", 401, HTML, headers=(("WWW-Authenticate", 'Basic realm="Fake Realm"'),)),
    402: Reply(b"Pay me!", 402, headers=(("X-More-Info", "http://vimeo.com/22053820"),)),
    406: Reply(_NOT_ACCEPTABLE, 406, JSON),
    407: Reply(b"", 407, HTML, headers=(("Proxy-Authenticate", 'Basic realm="Fake Realm"'),)),
    418: Reply(_TEAPOT, 418, headers=(("X-More-Info", "http://tools.ietf.org/html/rfc2324"),)),
}
"""The statuses with a body or headers."""


def status(call: Call) -> Reply:
    """Respond with the status in the path, or with one of several by their weights."""
    return status_reply(choose_status(call.path_values["codes"], call))


def status_reply(code: int) -> Reply:
    """The reply of httpbin with this status."""
    return _SPECIAL.get(code) or Reply(b"", code, HTML)


def choose_status(text: str, call: Call) -> int:
    """One of the statuses that `text` lists, as in `503` or `200:3,500:1`."""
    choices = text.split(",", _MAX_CHOICES - 1)
    matches = [_CHOICE.fullmatch(choice.strip()) for choice in choices]
    codes = [int(match[1]) for match in matches if match is not None]
    weights = [float(match[2] or 1) for match in matches if match is not None]
    if len(codes) < len(choices) or not sum(weights):
        raise BadCall("not a status from 200 to 999, or several as in 200:3,500:1")
    return codes[0] if len(codes) == 1 else call.random().choices(codes, weights)[0]


_REGISTERED: Final = frozenset(HTTPStatus)


def phrase(code: int) -> str:
    """The reason phrase of `code`."""
    return HTTPStatus(code).phrase if code in _REGISTERED else "Unknown Status"
