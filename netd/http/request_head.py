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
from netd.http.fields import FIELD, TOKEN, split

END: Final = b"\r\n\r\n"
"""The end of a head."""

# Visible US-ASCII without "#": a target carries no fragment (RFC 9112 3.2).
_TARGET: Final = rb"[\x21\x22\x24-\x7e]++"

# One empty line before a request is ignored (RFC 9112 2.2).
_HEAD: Final = re.compile(
    rb"(?:\r\n)?+(" + TOKEN + rb") (" + _TARGET + rb") HTTP/1\.([01])\r\n" + FIELD + rb"*+\r\n"
)
# The fields that decide about framing and the connection, in lower case; the others are
# not split.
_FRAMING: Final = re.compile(
    rb"\n(host|connection|content-length|transfer-encoding|expect):[ \t]*+([^\r]*+)"
)
# RFC 9112 3 with any version or, as in HTTP/0.9, none.
_LINE: Final = re.compile(rb"(" + TOKEN + rb") (" + _TARGET + rb")(?: (HTTP/[0-9]\.[0-9]))?")
_HALF_LINE: Final = re.compile(
    rb"(?:" + TOKEN + rb"(?: (?:" + _TARGET + rb"(?: [\x20-\x7e]*+)?)?)?)?\r?"
)

# RFC 3986 3.2.2 without userinfo, which RFC 9110 4.2.4 distrusts.
_HOST: Final = rb"(?:\[[0-9A-Fa-f:.]++\]|(?:[\w\-.~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*+)"
_AUTHORITY: Final = re.compile(_HOST + rb"(?::[0-9]{0,5})?")
_ABSOLUTE: Final = re.compile(rb"(?i)https?://([^/?]++)(/[^?]*+)?+(\?.*+)?+")
_ORIGIN: Final = re.compile(rb"(?i)\n(referer|user-agent):[ \t]*+([^\r]*+)")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")

# RFC 9110 5.3: several fields of these names are one list.
_LISTS: Final = frozenset({b"connection", b"expect"})
# The error when a field of another name is repeated.
_SINGLE: Final = {b"host": "host", b"content-length": "length", b"transfer-encoding": "framing"}

_Framing: TypeAlias = tuple[tuple[bytes, bytes], ...]
# Host and Connection of valid HTTP/1.1 heads, and whether their connection is kept: a server
# has few names, and its clients few ways to say that.
_MAX_KNOWN: Final = 200
_known: dict[_Framing, bool] = {}


@define(init=False, eq=False, repr=False, weakref_slot=False)
class Head:
    """One request head, split only as far as the connection needs; immutable once parsed."""

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
    _start: int
    _fields: dict[bytes, tuple[bytes, ...]] | None

    @property
    def line(self) -> bytes:
        """The request line as received, without its line end."""
        return self.logged()[0]

    def logged(self) -> tuple[bytes, bytes, bytes]:
        """The line, Referer and User-Agent, `-` without one; no other field is split."""
        referer = agent = b"-"
        for name, value in _ORIGIN.findall(self.raw, self._start - 1):
            # Not user-agent, whatever the case of the name.
            if len(name) == len(b"referer"):
                referer = value.rstrip(b" \t")
            else:
                agent = value.rstrip(b" \t")
        return self.raw[: self._start].strip(b"\r\n"), referer, agent

    @property
    def fields(self) -> dict[bytes, tuple[bytes, ...]]:
        """All values by lower-case name, in the order received."""
        if self._fields is None:
            self._fields = fields = split(self.raw[self._start : -4])
            if self.authority is not None:
                # RFC 9112 3.2.2: the received Host is ignored then.
                fields[b"host"] = (self.authority,)
        return self._fields


def parse(raw: bytes, max_target: int, max_fields: int) -> Head:
    """
    Parse `raw`, a head from its first byte through its first `END`.

    Raises `RequestError` for anything that RFC 9112 does not allow, for a target of more
    than `max_target` bytes and for more than `max_fields` header fields.
    """
    match = _HEAD.fullmatch(raw)
    if match is None:
        examine(raw, len(raw), max_target)
        raise RequestError("field")
    head = Head()
    head.raw = raw
    head.method, target, minor = match.groups()
    head._start = start = match.end(3) + 2
    head.minor = head.keep = minor == b"1"
    head._fields = head.authority = None
    if len(target) > max_target:
        raise RequestError("long-target")
    if target[0] != 0x2F or head.method == b"CONNECT":
        target, head.authority = _origin(head.method, target)
    # No field line has fewer than four bytes.
    if len(raw) - start > 4 * max_fields and raw.count(b"\n", start) - 1 > max_fields:
        raise RequestError("fields")
    head.uri = target
    path, _, head.query = target.partition(b"?")
    head.path = path
    segments = path[1:].split(b"/")
    if path.find(b"%") >= 0:
        segments = [unquote_to_bytes(segment) for segment in segments]
    head.postpath = segments
    head.length = 0
    head.continues = False
    framing = tuple(_FRAMING.findall(raw.lower(), start - 1))
    # Most heads have the same Host and Connection as another one before.
    keep = _known.get(framing) if head.minor else None
    if keep is None:
        _frame(head, _collect(framing))
        _remember(head, framing)
    else:
        head.keep = keep
    head.plain = head.minor and head.method != b"HEAD"
    return head


def _remember(head: Head, framing: _Framing) -> None:
    """Remember what `framing` says about `head` if it is Host and Connection at most."""
    names = sorted(name for name, _ in framing)
    usual = names in ([b"host"], [b"connection", b"host"]) and head.minor
    if usual and len(_known) < _MAX_KNOWN and sum(len(value) for _, value in framing) < 256:
        _known[framing] = head.keep


def _collect(lines: _Framing) -> dict[bytes, bytes]:
    """One value by name; a list field is joined, any other must not be repeated."""
    fields: dict[bytes, bytes] = {}
    for name, text in lines:
        value = text.rstrip(b" \t")
        if name not in fields:
            fields[name] = value
        elif name in _LISTS:
            fields[name] += b"," + value
        else:
            raise RequestError(_SINGLE[name])
    return fields


def _frame(head: Head, fields: dict[bytes, bytes]) -> None:
    """Validate `fields` and set what they say about body and connection."""
    host = fields.get(b"host")
    if host is None:
        if head.minor:
            raise RequestError("host")
    elif _AUTHORITY.fullmatch(host) is None:
        raise RequestError("host")
    if b"connection" in fields:
        head.keep = _persists(fields[b"connection"], head.minor)
    if b"content-length" in fields:
        if _LENGTH.fullmatch(fields[b"content-length"]) is None:
            raise RequestError("length")
        head.length = int(fields[b"content-length"])
    if b"transfer-encoding" in fields:
        _set_chunked(head, fields[b"transfer-encoding"], b"content-length" in fields)
    # RFC 9110 10.1.1: HTTP/1.0 cannot expect anything.
    if b"expect" in fields and head.minor:
        if fields[b"expect"] != b"100-continue":
            raise RequestError("expectation")
        head.continues = True


def _set_chunked(head: Head, coding: bytes, sized: bool) -> None:
    """Validate Transfer-Encoding, and expect a chunked body (RFC 9112 6.1)."""
    # Beside a length, or in HTTP/1.0, the field is an attempt at smuggling.
    if sized or not head.minor:
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
