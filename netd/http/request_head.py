"""
The head of an HTTP/1.1 request: bytes in, a `Head` or `RequestError` out.

Rules: pure and sans-I/O; knows no connection, no clock and no Twisted.  Each pattern is
linear in its input (possessive quantifiers) and is the validator: whatever it does not
match is refused, nothing is repaired.  The result does not depend on how the bytes of a
request are cut into pieces.

Sources: RFC 9110 (semantics), RFC 9112 (HTTP/1.1 syntax).
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from attrs import define

from netd.http.errors import RequestError
from netd.http.fields import TOKEN, Fields, Known, parse_fields

END: Final = b"\r\n\r\n"
"""The end of a head."""

# Visible US-ASCII without "#": a target carries no fragment (RFC 9112 3.2).
_TARGET: Final = rb"[\x21\x22\x24-\x7e]++"

_REQUEST_LINE: Final = re.compile(rb"(" + TOKEN + rb") (" + _TARGET + rb") HTTP/1\.([01])")
# RFC 9112 3 with any version or, as in HTTP/0.9, none.
_LINE: Final = re.compile(rb"(" + TOKEN + rb") (" + _TARGET + rb")(?: (HTTP/[0-9]\.[0-9]))?")
_HALF_LINE: Final = re.compile(
    rb"(?:" + TOKEN + rb"(?: (?:" + _TARGET + rb"(?: [\x20-\x7e]*+)?)?)?)?\r?"
)

# RFC 3986 3.2.2 without userinfo, which RFC 9110 4.2.4 distrusts.
_HOST: Final = rb"(?:\[[0-9A-Fa-f:.]++\]|(?:[\w\-.~!$&'()*+,;=]++|%[0-9A-Fa-f]{2})*+)"
_AUTHORITY: Final = re.compile(_HOST + rb"(?::[0-9]{0,5})?")
_ABSOLUTE: Final = re.compile(rb"(?i)https?://([^/?]++)(/[^?]*+)?+(\?.*+)?+")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")

_Target: TypeAlias = tuple[bytes, bytes, bytes, bytes, list[bytes]]
"""Method, uri, path, query and postpath, as `Head` has them."""
_RequestLine: TypeAlias = tuple[_Target, bool, bool, bytes | None]
"""Those, then minor, plain and authority."""


@define(init=False, eq=False, repr=False, weakref_slot=False)
class Head:
    """One request head; immutable once parsed, since requests that are equal share it."""

    method: bytes
    uri: bytes
    """The target in origin-form, whichever form was received."""
    path: bytes
    query: bytes
    postpath: list[bytes]
    """The segments of `path`, percent-decoded; copy it before changing it."""
    minor: bool
    """HTTP/1.1 rather than HTTP/1.0."""
    keep: bool
    """The client accepts another response on this connection."""
    length: int | None
    """Bytes of the body; None for a chunked one."""
    continues: bool
    """The client waits for `100 Continue` before sending the body."""
    authority: bytes | None
    """The authority of an absolute-form target, which overrules Host."""
    plain: bool
    """HTTP/1.1, and not HEAD: the response needs no special form."""
    raw: bytes
    """The bytes as received."""
    line: bytes
    """The request line as received, without its line end."""
    fields: Fields
    """All values by lower-case name, in the order received."""


def parse(raw: bytes, max_target: int, max_fields: int) -> Head:
    """
    Parse `raw`, a head from its first byte through its first `END`.

    Raises `RequestError` for anything that RFC 9112 does not allow, for a target of more
    than `max_target` bytes and for more than `max_fields` header fields.
    """
    lines = raw[: -len(END)].split(b"\r\n")
    line = lines.pop(0)
    # One empty line before a request is ignored (RFC 9112 2.2).
    if not line and lines:
        line = lines.pop(0)
    head = Head()
    head.raw, head.line = raw, line
    try:
        if len(line) > max_target:
            examine(raw, len(raw), max_target)
        target, minor, head.plain, authority = _request_line_of(line)
        head.fields = fields = parse_fields(lines)
    except RequestError:
        # This may raise an error that comes before, or is more exact.
        examine(raw, len(raw), max_target)
        raise
    if len(lines) > max_fields:
        raise RequestError("fields")
    head.method, head.uri, head.path, head.query, head.postpath = target
    head.minor = head.keep = minor
    head.length = 0
    head.continues = False
    _frame(head, fields)
    head.authority = authority
    if authority is not None:
        # RFC 9112 3.2.2: the received Host is ignored then.
        fields[b"host"] = (authority,)
    return head


def _request_line(line: bytes) -> _RequestLine:
    """The parts of a request `line`."""
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise RequestError("line")
    method, target, minor = match.groups()
    authority = None
    if target[0] != 0x2F or method == b"CONNECT":
        target, authority = _origin(method, target)
    path, _, query = target.partition(b"?")
    segments = path[1:].split(b"/")
    if b"%" in path:
        segments = [unquote_to_bytes(segment) for segment in segments]
    plain = minor == b"1" and method != b"HEAD"
    return (method, target, path, query, segments), minor == b"1", plain, authority


_request_line_of: Final = Known(_request_line).__getitem__
_is_authority: Final = Known(lambda value: _AUTHORITY.fullmatch(value) is not None).__getitem__


def _frame(head: Head, fields: Fields) -> None:
    """Validate `fields` and set what they say about body and connection."""
    host = fields.get(b"host")
    if host is None:
        if head.minor:
            raise RequestError("host")
    elif len(host) > 1 or not _is_authority(host[0]):
        raise RequestError("host")
    if b"connection" in fields:
        head.keep = _persists(_listed(fields, b"connection"), head.minor)
    if b"content-length" in fields or b"transfer-encoding" in fields or b"expect" in fields:
        _expect_body(head, fields)


def _listed(fields: Fields, name: bytes) -> bytes:
    """The lower-case elements of a list, which may have several fields (RFC 9110 5.3)."""
    return b",".join(fields[name]).lower()


def _expect_body(head: Head, fields: Fields) -> None:
    """Validate the fields that say whether a body follows, and set what they say."""
    if b"content-length" in fields:
        length = b",".join(fields[b"content-length"])
        if _LENGTH.fullmatch(length) is None:
            raise RequestError("length")
        head.length = int(length)
    if b"transfer-encoding" in fields:
        _set_chunked(head, fields[b"transfer-encoding"], b"content-length" in fields)
    # RFC 9110 10.1.1: HTTP/1.0 cannot expect anything.
    if b"expect" in fields and head.minor:
        if _listed(fields, b"expect") != b"100-continue":
            raise RequestError("expectation")
        head.continues = True


def _set_chunked(head: Head, codings: tuple[bytes, ...], sized: bool) -> None:
    """Validate Transfer-Encoding, and expect a chunked body (RFC 9112 6.1)."""
    coding = codings[0].lower()
    # Beside a length, or in HTTP/1.0, the field is an attempt at smuggling.
    if len(codings) > 1 or sized or not head.minor:
        raise RequestError("framing")
    if coding != b"chunked":
        raise RequestError("framing" if b"chunked" in coding or not coding else "coding")
    head.length = None


def _persists(options: bytes, minor: bool) -> bool:
    """Whether the connection outlives a request with these options (RFC 9112 9.3)."""
    if options == b"keep-alive":
        return True
    tokens = [token.strip(b" \t") for token in options.split(b",")]
    return b"close" not in tokens and (minor or b"keep-alive" in tokens)


def _origin(method: bytes, target: bytes) -> tuple[bytes, bytes | None]:
    """`target` in origin-form and the authority it names, unless it is `*`."""
    if method == b"CONNECT":
        raise RequestError("connect")
    if target == b"*" and method == b"OPTIONS":  # RFC 9112 3.2.4
        return target, None
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or _AUTHORITY.fullmatch(absolute[1]) is None:
        raise RequestError("target")
    # RFC 9112 3.2.1: an empty path is sent as "/".
    return (absolute[2] or b"/") + (absolute[3] or b""), absolute[1]


def examine(start: bytes, max_head: int, max_target: int) -> None:
    """
    Check that `start` may still become a head of at most `max_head` bytes.

    Raises `RequestError` as soon as it cannot, so that a client that sends something else
    (TLS, bare line feeds, HTTP/0.9) gets an error at once.
    """
    line, ended, rest = start[:max_head].removeprefix(b"\r\n").partition(b"\r\n")
    if not ended:
        if _HALF_LINE.fullmatch(line) is None:
            raise RequestError(_line_error(line))
        if len(start) > max_head:
            raise RequestError("long-target" if line.count(b" ") == 1 else "large-head")
        return
    match = _LINE.fullmatch(line)
    if match is None:
        raise RequestError(_line_error(line))
    method, target, version = match.groups()
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise RequestError("version")
    if len(target) > max_target:
        raise RequestError("long-target")
    if target[0] != 0x2F or method == b"CONNECT":
        _origin(method, target)
    pairs = rest.count(b"\r\n")
    if rest.count(b"\n") != pairs or rest.count(b"\r", 0, len(rest) - 1) > pairs:
        raise RequestError("bare")
    if len(start) > max_head:
        raise RequestError("large-head")


def _line_error(line: bytes) -> str:
    """The error of a request line that is malformed, by the first byte that makes it so."""
    match = _HALF_LINE.match(line)
    stop = match.end() if match else 0
    if line[stop - 1 : stop] == b"\r" or line[stop : stop + 1] == b"\n":
        return "line-end"
    in_target = line.count(b" ", 0, stop) == 1 and line[stop : stop + 1] not in (b"", b" ")
    return "target-byte" if in_target else "line"
