"""
What clients may choose of a response's header: its fields and its media type.

Rules: pure functions.  A field is allowed by name or refused: browsers get new fields that
they act on, and those must not be in the hands of whoever writes a link to netd.
"""

from __future__ import annotations

import re
from typing import Final

from netd.lab.call import TEXT, BadCall, Call
from netd.lab.endpoints.redirects import target
from netd.values import TCHAR

FIELD_NAME: Final = re.compile(TCHAR + "{1,100}")
FIELD_VALUE: Final = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")

# Of the connection (RFC 9110 7.6.1, RFC 9112 6), or set by the server.
_OF_SERVER: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "te"),
        *("trailer", "transfer-encoding", "upgrade", "content-length", "date", "server"),
    }
)
# They describe this one response, and no client does more with them than RFC 9110 and 9111
# say: none outlives the response, sends the client elsewhere or loosens a browser's rules.
_ALLOWED: Final = frozenset(
    {
        *("accept-patch", "accept-post", "accept-ranges", "age", "allow", "cache-control"),
        *("content-disposition", "content-encoding", "content-language", "content-location"),
        *("content-md5", "content-digest", "content-range", "content-type", "digest", "etag"),
        *("expires", "last-modified", "location", "pragma", "preference-applied"),
        *("ratelimit", "ratelimit-policy", "repr-digest", "retry-after", "vary", "via"),
        # The example in httpbin's documentation.
        *("warning", "freeform"),
    }
)
# Browsers, search engines or proxies before netd act on these; X-Accel-Redirect and
# X-Sendfile make nginx, lighttpd and Apache send files of the machine.
_ACTED_UPON: Final = re.compile(
    r"x-(?:accel-.*|sendfile.*|lighttpd-.*|litespeed-.*|reproxy-.*|sourcemap|frame-options"
    r"|content-.*|webkit-.*|xss-.*|dns-.*|ua-.*|permitted-.*|download-.*|robots-.*"
    r"|chrom.*|pingback|firefox-.*)"
)

_TOKEN: Final = TCHAR + "++"
# RFC 9110 8.3.1 and 5.6.6.  No comma inside quotes, because some clients split there.
_MEDIA_TYPE: Final = re.compile(
    rf"({_TOKEN}/{_TOKEN})"
    rf"(?:[ \t]*+;[ \t]*+(?:{_TOKEN}="
    rf'(?:{_TOKEN}|"(?:[\t !#-+\--\[\]-~]|\\[\t -+\--~])*+"))?+)*+[ \t]*+'
)
# No browser runs these types, or renders them with scripts.
_PASSIVE: Final = re.compile(
    r"application/(?:json|octet-stream|x-www-form-urlencoded|x-ndjson|jsonl|cbor|zip|gzip)"
    r"|text/(?:plain|csv|event-stream)|multipart/form-data"
    r"|(?:audio|video)/[a-z0-9.+-]+"
    r"|image/(?:png|jpeg|gif|webp|avif|bmp)"
)
_ANY: Final = re.compile(r"[\x20-\x7e]{1,200}")


def allowed_type(call: Call, content_type: str) -> bool:
    """Whether the client of `call` may choose the media type for its response."""
    if call.config.lab.unsafe_responses:
        return _ANY.fullmatch(content_type) is not None
    parsed = _MEDIA_TYPE.fullmatch(content_type)
    return parsed is not None and _PASSIVE.fullmatch(parsed[1].lower()) is not None


def echoed_type(call: Call) -> str:
    """The type with which the request body is sent back: its own where that is allowed."""
    content_type = call.header("content-type")
    if content_type is not None and allowed_type(call, content_type):
        return content_type
    return TEXT


def chosen_type(call: Call, name: str, content_type: str) -> str:
    """The media type in the parameter or field `name`; BadCall unless it is allowed."""
    if not allowed_type(call, content_type):
        raise BadCall(
            f"{name}: {content_type} is no media type, or one that browsers run, "
            "which needs --unsafe-responses yes"
        )
    return content_type


def response_field(call: Call, name: str, value: str) -> tuple[str, str]:
    """A response field that the client chose; BadCall when clients may not choose it."""
    if FIELD_NAME.fullmatch(name) is None:
        raise BadCall(f"{name!r} is no name of a header")
    key = name.lower()
    if key in _OF_SERVER:
        raise BadCall(f"{name} is not for clients to set")
    if FIELD_VALUE.fullmatch(value) is None:
        raise BadCall(f"the value of {name} holds what no header may")
    if key == "content-type":
        return name, chosen_type(call, name, value)
    if key == "location":
        return name, target(call, name, value)
    if not _harmless(key) and not call.any_field:
        raise BadCall(
            f"{name} is not a field that any client may set; "
            "use a name that begins with X-, or start netd with --unsafe-responses yes"
        )
    return name, value


def _harmless(key: str) -> bool:
    custom = key.startswith("x-") and _ACTED_UPON.fullmatch(key) is None
    return custom or key in _ALLOWED
