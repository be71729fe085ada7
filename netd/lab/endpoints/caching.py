"""
Validators, freshness, and response headers on demand.

Rules: pure functions from a Call to a Reply.

Source: RFC 9110 8.8 and 13, RFC 9111.
"""

from __future__ import annotations

import re
from typing import Any, Final

from netd.http import dates
from netd.lab.call import JSON, BadCall, Call, Reply
from netd.lab.endpoints.httpbin_json import answer, document, flat
from netd.lab.endpoints.inspect import question
from netd.lab.endpoints.safe_types import allowed
from netd.values import TCHAR

_TAG: Final = re.compile(r'[ \t]*+(?:W/)?"?([^",]*+)"?[ \t]*+')
_ETAG: Final = re.compile(r"[!#-~\x80-\xff]{0,1000}")

_NAME: Final = re.compile(TCHAR + "{1,100}")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_REFUSED: Final = frozenset(
    {
        # What the engine says (RFC 9110 7.6.1, RFC 9112 6), and what would be kept by a client
        *("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "te"),
        *("trailer", "transfer-encoding", "upgrade", "content-length", "date", "server"),
        *("set-cookie", "set-cookie2", "clear-site-data", "strict-transport-security"),
        # What keeps the client's bytes harmless, and what would undo it
        *("content-security-policy", "content-security-policy-report-only", "refresh"),
        *("x-content-type-options", "service-worker-allowed", "alt-svc", "sourcemap"),
        *("access-control-allow-origin", "access-control-allow-credentials"),
    }
)


def cache(call: Call) -> Reply:
    """Say back the request, or 304 to a client that says it has it."""
    if call.header("if-modified-since") or call.header("if-none-match"):
        return Reply(b"", 304)
    when = dates.http_date(call.bench.now())
    tag = f"{call.bench.random.getrandbits(128):032x}"
    return answer(question(call), headers=(("Last-Modified", when), ("ETag", f'"{tag}"')))


def cache_for(call: Call) -> Reply:
    """Say back the request, to be kept for the seconds in the path."""
    fresh = f"public, max-age={call.value('n')}"
    return answer(question(call), headers=(("Cache-Control", fresh),))


def etag(call: Call) -> Reply:
    """Have the entity tag in the path: 304 and 412 as If-None-Match and If-Match ask."""
    tag = call.parameters["etag"].removeprefix("W/").strip('"')
    if _ETAG.fullmatch(tag) is None:
        raise BadCall("etag: not the characters of an entity tag")
    fields = (("ETag", f'"{tag}"'),)
    none_match, match = call.header("if-none-match"), call.header("if-match")
    if none_match:
        if _names(none_match, tag):
            return Reply(b"", 304, headers=fields)
    elif match and not _names(match, tag):
        return Reply(b"", 412, headers=fields)
    return answer(question(call), headers=fields)


def _names(header: str, tag: str) -> bool:
    """Whether a list of entity tags, quoted or bare, has `tag` or is `*`."""
    found = [_TAG.fullmatch(each) for each in header.split(",")]
    named = {each[1].strip() for each in found if each is not None}
    return tag in named or "*" in named


def field(call: Call, name: str, value: str) -> tuple[str, str]:
    """A response field that a client asked for; BadCall when it may not have it."""
    if _NAME.fullmatch(name) is None:
        raise BadCall(f"{name!r} is no name of a header")
    if name.lower() in _REFUSED:
        raise BadCall(f"{name} is not for clients to set")
    if _VALUE.fullmatch(value) is None:
        raise BadCall(f"the value of {name} holds what no header may")
    if name.lower() == "content-type" and not allowed(call, value):
        raise BadCall(f"{value} is a type that browsers run; see --unsafe-responses")
    return name, value


def response_headers(call: Call) -> Reply:
    """Have a header for each argument, and say them back."""
    fields = tuple(field(call, name, value) for name, value in call.args)
    kinds = [value for name, value in fields if name.lower() == "content-type"]
    kind = kinds[-1] if kinds else JSON
    fields = tuple(each for each in fields if each[0].lower() != "content-type")
    said: dict[str, Any] = {"Content-Length": "0", "Content-Type": kind, **flat(fields)}
    while len(body := document(said)) != int(said["Content-Length"]):
        said["Content-Length"] = str(len(body))
    return Reply(body, type=kind, headers=fields)
