"""
Cookies: read, set, deleted.

Rules: pure functions from a Call to a Reply.

Source: RFC 6265; values are quoted as werkzeug does it for httpbin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from netd.lab.call import HTML, BadCall, Call, Headers, Reply
from netd.lab.endpoints.httpbin_json import answer, shown
from netd.values import TCHAR

_NAME: Final = re.compile(TCHAR + "+")
# RFC 6265 4.1.1: cookie-octet
_PLAIN: Final = re.compile(rb"[!#-+\--:<-\[\]-~]*")
_ESCAPED: Final = re.compile(r'\\(?:([0-3][0-7]{2})|(["\\]))')

# What analytics leave behind; httpbin shows it only with ?show_env=1.
_ENVIRONMENT: Final = frozenset(
    {"_gauges_unique", "__utmz", "__utma", "__utmb"}
    | {f"_gauges_unique_{each}" for each in ("year", "month", "day", "hour")}
)


def received(fields: Headers) -> dict[str, str]:
    """The cookies in a request's fields, the first of each name."""
    found: dict[str, str] = {}
    for name, value in fields:
        if name.lower() == "cookie":
            for part in value.split(";"):
                key, equals, text = part.strip().partition("=")
                if equals or key:
                    found.setdefault(key.strip(), _unquoted(text.strip()))
    return found


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = _ESCAPED.sub(lambda m: chr(int(m[1], 8)) if m[1] else m[2], text[1:-1])
    return text.encode("latin-1").decode("utf-8", "replace")


def _quoted(value: str) -> str:
    data = value.encode()
    if _PLAIN.fullmatch(data):
        return value
    pieces = []
    for byte in data:
        if byte in b'"\\':
            pieces.append(f"\\{chr(byte)}")
        elif 0x20 <= byte < 0x7F and byte not in b",;":
            pieces.append(chr(byte))
        else:
            pieces.append(f"\\{byte:03o}")
    return f'"{"".join(pieces)}"'


def setting(pairs: Iterable[tuple[str, str]], secure: bool) -> Headers:
    """The Set-Cookie fields of `pairs`; BadCall when a name is none."""
    found = []
    for name, value in pairs:
        if _NAME.fullmatch(name) is None:
            raise BadCall(f"{name!r} is no name of a cookie")
        end = "; Secure; Path=/" if secure else "; Path=/"
        found.append(("Set-Cookie", f"{name}={_quoted(value)}{end}"))
    return tuple(found)


def _back(fields: Headers) -> Reply:
    return Reply(b"", 302, HTML, headers=(("Location", "/cookies"), *fields))


def cookies(call: Call) -> Reply:
    """Say back the cookies."""
    found = received(shown(call))
    if not any(name == "show_env" for name, _ in call.args):
        found = {name: value for name, value in found.items() if name not in _ENVIRONMENT}
    return answer({"cookies": found})


def set_one(call: Call) -> Reply:
    """Set the cookie in the path, and redirect to /cookies."""
    pair = (call.parameters["name"], call.parameters["value"])
    return _back(setting([pair], call.caller.secure))


def set_some(call: Call) -> Reply:
    """Set a cookie for each argument, and redirect to /cookies."""
    return _back(setting(_first(call.args).items(), call.caller.secure))


def _first(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The first value of each name."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def delete(call: Call) -> Reply:
    """Delete the cookie of each argument's name, and redirect to /cookies."""
    gone = "Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"
    names = dict.fromkeys(name for name, _ in call.args)
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise BadCall(f"{name!r} is no name of a cookie")
    return _back(tuple(("Set-Cookie", f"{name}=; {gone}") for name in names))
