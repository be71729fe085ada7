"""
Validators (RFC 9110 8.8, 13), freshness (RFC 9111), headers and types that clients choose.

Rules: pure functions from a Call to a Reply.
"""

from __future__ import annotations

import re
from typing import Final

from netd.http import conditional, dates
from netd.http.conditional import Validators
from netd.lab.call import HTML, JSON, TEXT, BadCall, Call, Reply
from netd.lab.endpoints.httpbin_json import dumps, group, json_reply
from netd.lab.endpoints.inspect import describe
from netd.values import TCHAR

# A tag, or one without quotes as httpbin and its clients write it; `*` is none.
_TAG: Final = re.compile(r'((?:W/)?"[^"]*+")|(W/)?([^\s",*][^\s",]*+)')
_ETAG: Final = re.compile(r"[!#-~\x80-\xff]{0,1000}")

FIELD_NAME: Final = re.compile(TCHAR + "{1,100}")
FIELD_VALUE: Final = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_REFUSED: Final = frozenset(
    {
        # Set by the server (RFC 9110 7.6.1, RFC 9112 6), or stored by the client
        *("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "te"),
        *("trailer", "transfer-encoding", "upgrade", "content-length", "date", "server"),
        *("set-cookie", "set-cookie2", "clear-site-data", "strict-transport-security"),
        # Needed to keep the client's bytes harmless, or able to undo that
        *("content-security-policy", "content-security-policy-report-only", "refresh"),
        *("x-content-type-options", "service-worker-allowed", "alt-svc", "sourcemap"),
        *("access-control-allow-origin", "access-control-allow-credentials"),
    }
)
# No browser runs these types, or renders them with scripts; parameters are kept.
_PASSIVE: Final = re.compile(
    r"(?:application/(?:json|octet-stream|x-www-form-urlencoded|x-ndjson|jsonl|cbor|zip|gzip)"
    r"|text/(?:plain|csv|event-stream)|multipart/form-data"
    r"|(?:audio|video)/[a-z0-9.+-]+"
    r"|image/(?:png|jpeg|gif|webp|avif|bmp))"
    r"(?:[ \t]*+;[!#-~ \t]*+)?",
    re.ASCII | re.IGNORECASE,
)
_ANY: Final = re.compile(r"[\x20-\x7e]{1,200}")


def cache(call: Call) -> Reply:
    """Return the request with validators; 304 when it carries a validator."""
    if call.header("if-modified-since") or call.header("if-none-match"):
        return Reply(b"", 304)
    modified = dates.http_date(call.state.now())
    tag = f"{call.state.random.getrandbits(128):032x}"
    validators = (("Last-Modified", modified), ("ETag", f'"{tag}"'))
    return json_reply(describe(call), headers=validators)


def cache_for(call: Call) -> Reply:
    """Return the request, fresh for the seconds in the path."""
    freshness = f"public, max-age={call.value('n')}"
    return json_reply(describe(call), headers=(("Cache-Control", freshness),))


def etag(call: Call) -> Reply:
    """Respond as the resource with the entity tag in the path: with 200, 304 or 412."""
    tag = call.path_values["etag"].removeprefix("W/").strip('"')
    if _ETAG.fullmatch(tag) is None:
        raise BadCall("etag: not the characters of an entity tag")
    fields = (("ETag", f'"{tag}"'),)
    failed, _ = preconditions(call, tag)
    if failed is not None:
        return Reply(b"", failed, HTML, headers=fields)
    return json_reply(describe(call), headers=fields)


def preconditions(call: Call, tag: str) -> tuple[int | None, bool]:
    """The status that the entity tags in a request demand, and whether its Range applies."""
    values = ((name, call.header(name)) for name in ("if-match", "if-none-match", "if-range"))
    fields = {
        name.encode(): (
            _TAG.sub(lambda m: m[1] or f'{m[2] or ""}"{m[3]}"', value).encode("latin-1"),
        )
        for name, value in values
        if value is not None
    }
    # Without a date that could be compared.
    validators = Validators(f'"{tag}"'.encode("latin-1"), 0, strong=False)
    failed = conditional.evaluate(fields, validators, 0.0)
    return failed, conditional.range_applies(fields, validators, 0.0)


def allowed(call: Call, content_type: str) -> bool:
    """Whether the client of `call` may choose the type for its response."""
    if call.config.lab.unsafe_responses:
        return _ANY.fullmatch(content_type) is not None
    return _PASSIVE.fullmatch(content_type) is not None


def echoed_type(call: Call) -> str:
    """The type with which the request body is sent back: its own where that is allowed."""
    content_type = call.header("content-type")
    if content_type is not None and allowed(call, content_type):
        return content_type
    return TEXT


def response_field(call: Call, name: str, value: str) -> tuple[str, str]:
    """A response field that the client chose; BadCall when clients may not choose it."""
    if FIELD_NAME.fullmatch(name) is None:
        raise BadCall(f"{name!r} is no name of a header")
    if name.lower() in _REFUSED:
        raise BadCall(f"{name} is not for clients to set")
    if FIELD_VALUE.fullmatch(value) is None:
        raise BadCall(f"the value of {name} holds what no header may")
    if name.lower() == "content-type" and not allowed(call, value):
        raise BadCall(f"{value} is a type that browsers run; see --unsafe-responses")
    return name, value


def response_headers(call: Call) -> Reply:
    """Return each argument as a header and in the body."""
    fields = tuple(response_field(call, name, value) for name, value in call.args)
    types = [value for name, value in fields if name.lower() == "content-type"]
    content_type = types[-1] if types else JSON
    fields = tuple(field for field in fields if field[0].lower() != "content-type")
    members = {"Content-Length": "0", "Content-Type": content_type, **group(fields)}
    # The body shows its own length, whose digits count too.
    while members["Content-Length"] != str(len(body := dumps(members))):
        members["Content-Length"] = str(len(body))
    return Reply(body, type=content_type, headers=fields)
