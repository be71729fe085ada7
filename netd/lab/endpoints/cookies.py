"""
Cookies (RFC 6265): read, set, deleted.

Rules: pure functions from a Call to a Reply; values are quoted as by werkzeug.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from netd.lab.call import HTML, BadCall, Call, Headers, Reply
from netd.lab.endpoints.httpbin_json import json_reply, shown_fields
from netd.values import TCHAR

_NAME: Final = re.compile(TCHAR + "+")
# RFC 6265 4.1.1: cookie-octet
_PLAIN: Final = re.compile(rb"[!#-+\--:<-\[\]-~]*")
# RFC 6265 4.1.1: path-value
_PATH: Final = re.compile(r"/[ -:<-~]*")
_ESCAPES: Final = {
    byte: f"\\{byte:03o}" for byte in (*range(0x20), *b",;", *range(0x7F, 0x100))
} | {ord(each): f"\\{each}" for each in '"\\'}
_ESCAPED: Final = re.compile(rb"\\([0-3][0-7]{2}|.)")
# As werkzeug reads a name, and perhaps a value; or else whatever ends with a semicolon.
_COOKIE: Final = re.compile(
    rb'[ \t]*+([^ \t=";]++)(?:[ \t]*+=[ \t]*+("(?:[^\\"]|\\.)*+"|[^ \t";]*+))?[ \t]*+(?:;|\Z)'
    rb"|([^;]*+)(?:;|\Z)"
)

# Cookies of analytics; httpbin shows them only with ?show_env=1.
_ENVIRONMENT: Final = frozenset(
    {"_gauges_unique", "__utmz", "__utma", "__utmb"}
    | {f"_gauges_unique_{each}" for each in ("year", "month", "day", "hour")}
)


def parse_cookies(fields: Headers) -> dict[str, str]:
    """The cookies in the fields of a request, the first of each name."""
    cookies: dict[str, str] = {}
    for name, value in fields:
        if name.lower() == "cookie":
            for match in _COOKIE.finditer(value.encode("latin-1")):
                key, text, malformed = match.groups(b"")
                if malformed:
                    key, _, text = [part.strip() for part in malformed.partition(b"=")]
                elif text[:1] == b'"':
                    text = _ESCAPED.sub(_unescaped, text[1:-1])
                if key:
                    key_text = key.decode("utf-8", "replace")
                    cookies.setdefault(key_text, text.decode("utf-8", "replace"))
    return cookies


def _unescaped(match: re.Match[bytes]) -> bytes:
    return match[1] if len(match[1]) == 1 else bytes([int(match[1], 8)])


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(data := value.encode()):
        return value
    return f'"{data.decode("latin-1").translate(_ESCAPES)}"'


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise BadCall(f"{name!r} is no name of a cookie")


def set_cookies(pairs: Iterable[tuple[str, str]], attributes: str = "; Path=/") -> Headers:
    """The Set-Cookie fields of `pairs`; BadCall when a name is not a token."""
    fields = []
    for name, value in pairs:
        _check_name(name)
        fields.append(("Set-Cookie", f"{name}={_quoted(value)}{attributes}"))
    return tuple(fields)


def _redirect(fields: Headers) -> Reply:
    return Reply(b"", 302, HTML, headers=(("Location", "/cookies"), *fields))


def cookies(call: Call) -> Reply:
    """Return the cookies of the request."""
    received = parse_cookies(shown_fields(call))
    if not any(name == "show_env" for name, _ in call.args):
        received = {k: v for k, v in received.items() if k not in _ENVIRONMENT}
    return json_reply({"cookies": received})


def set_one(call: Call) -> Reply:
    """Set the cookie in the path, and redirect to /cookies."""
    pair = (call.path_values["name"], call.path_values["value"])
    return _redirect(set_cookies([pair], _attributes(call)))


def _secure(call: Call) -> str:
    return "; Secure" if call.root.startswith("https:") else ""


def _attributes(call: Call) -> str:
    """
    The attributes that the parameters describe, in werkzeug's order.

    There is no Domain: a cookie for a parent domain would reach other hosts.
    """
    max_age, secure, same_site = (call.value(n) for n in ("max_age", "secure", "samesite"))
    path = call.value("path")
    if _PATH.fullmatch(path) is None:
        raise BadCall("path: does not begin with a slash, or has what no path of a cookie may")
    words = [
        "" if max_age is None else f"; Max-Age={max_age}",
        _secure(call) if secure is None else "; Secure" * secure,
        "; HttpOnly" * call.value("httponly"),
        f"; Path={path}",
        "" if same_site is None else f"; SameSite={same_site.title()}",
    ]
    return "".join(words)


def set_some(call: Call) -> Reply:
    """Set a cookie for the first argument of each name, and redirect to /cookies."""
    first: dict[str, str] = {}
    for name, value in call.args:
        first.setdefault(name, value)
    return _redirect(set_cookies(first.items(), f"{_secure(call)}; Path=/"))


def delete(call: Call) -> Reply:
    """Delete the cookie of each argument's name, and redirect to /cookies."""
    expired = "Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"
    names = dict.fromkeys(name for name, _ in call.args)
    for name in names:
        _check_name(name)
    return _redirect(tuple(("Set-Cookie", f"{name}=; {expired}") for name in names))
