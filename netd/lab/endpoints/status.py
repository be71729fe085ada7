"""
Statuses on demand.

Rules: pure functions from a Call to a Reply.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from random import Random
from typing import Final

from netd.lab.call import HTML, JSON, BadCall, Call, Reply

# As in httpbin; 1xx is no answer (RFC 9110 15.2), beyond 999 is no status.
_CHOICE: Final = re.compile(r"([2-9][0-9]{2})(?::([0-9]{1,9}(?:\.[0-9]{1,9})?))?", re.ASCII)
_MOST_CHOICES: Final = 100

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

IMAGES: Final = ("image/webp", "image/svg+xml", "image/jpeg", "image/png", "image/*")
"""What /image can be asked for."""

_NOT_ACCEPTABLE: Final = json.dumps(
    {"message": "Client did not request a supported media type.", "accept": IMAGES}
).encode()

_AGAIN: Final = (("Location", "/redirect/1"),)
_SPECIAL: Final = {
    **{code: Reply(b"", code, HTML, headers=_AGAIN) for code in (301, 302, 303, 305, 307)},
    401: Reply(b"", 401, HTML, headers=(("WWW-Authenticate", 'Basic realm="Fake Realm"'),)),
    402: Reply(b"Pay me!", 402, headers=(("X-More-Info", "http://vimeo.com/22053820"),)),
    406: Reply(_NOT_ACCEPTABLE, 406, JSON),
    407: Reply(b"", 407, HTML, headers=(("Proxy-Authenticate", 'Basic realm="Fake Realm"'),)),
    418: Reply(_TEAPOT, 418, headers=(("X-More-Info", "http://tools.ietf.org/html/rfc2324"),)),
}
"""The statuses that say more than their number."""


def status(call: Call) -> Reply:
    """Answer with the status in the path, or one of several by their weights."""
    return of(choose(call.parameters["codes"], call))


def of(code: int) -> Reply:
    """What httpbin says with `code`."""
    return _SPECIAL.get(code) or Reply(b"", code, HTML)


def choose(text: str, call: Call) -> int:
    """One of the statuses that `text` lists, as in `503` or `200:3,500:1`."""
    choices = text.split(",", _MOST_CHOICES)
    found = [_CHOICE.fullmatch(each.strip()) for each in choices]
    codes = [int(each[1]) for each in found if each is not None]
    weights = [float(each[2] or 1) for each in found if each is not None]
    if len(codes) < len(choices) or not sum(weights):
        raise BadCall("not a status from 200 to 999, or several as in 200:3,500:1")
    if len(codes) == 1:
        return codes[0]
    chance: Random = call.chance()
    return chance.choices(codes, weights)[0]


_KNOWN: Final = frozenset(HTTPStatus)


def phrase(code: int) -> str:
    """The reason phrase of `code`."""
    return HTTPStatus(code).phrase if code in _KNOWN else "Unknown Status"
