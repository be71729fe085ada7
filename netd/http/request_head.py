"""
The head of an HTTP/1.1 request: bytes in, a `Head` or `RequestError` out.

Rules: pure and sans-I/O; knows no connection, no clock and no Twisted.  Each
pattern is linear in its input (possessive quantifiers, Python 3.11) and IS the
validator: what it does not match is refused, nothing is repaired.  However the
bytes of a request are cut into pieces, the verdict is the same.

Sources: RFC 9110 (semantics), RFC 9112 (HTTP/1.1 syntax).
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from netd.http.errors import RequestError
from netd.http.fields import FIELD, TOKEN, split

END: Final = b"\r\n\r\n"
"""What ends a head."""

# Visible US-ASCII without "#": a target carries no fragment (RFC 9112 3.2).
_TARGET: Final = rb"[\x21\x22\x24-\x7e]++"

# One empty line before a request is forgiven (RFC 9112 2.2).
_HEAD: Final = re.compile(
    rb"(?:\r\n)?+(" + TOKEN + rb") (" + _TARGET + rb") HTTP/1\.([01])\r\n" + FIELD + rb"*+\r\n"
)
# The fields that decide how the connection goes on, in lower case; found without splitting
# the rest.
_FRAMING: Final = re.compile(
    rb"\n(host|connection|content-length|transfer-encoding|expect):[ \t]*+([^\r]*+)"
)
# RFC 9112 3 with any version or, as in HTTP/0.9, none
_LINE: Final = re.compile(rb"(" + TOKEN + rb") (" + _TARGET + rb")(?: (HTTP/[0-9]\.[0-9]))?")
_HALF_LINE: Final = re.compile(
    rb"(?:" + TOKEN + rb"(?: (?:" + _TARGET + rb"[\x20-\x7e]*+)?)?)?\r?"
)

# RFC 3986 3.2.2 without userinfo, which RFC 9110 4.2.4 tells us to distrust
_HOST: Final = rb"(?:\[[0-9A-Fa-f:.]++\]|(?:[\w\-.~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*+)"
_AUTHORITY: Final = re.compile(_HOST + rb"(?::[0-9]{0,5})?")
_ABSOLUTE: Final = re.compile(rb"(?i)https?://([^/?]++)(/[^?]*+)?+(\?.*+)?+")
_CONNECT: Final = re.compile(_HOST + rb":[0-9]{1,5}")
_ORIGIN: Final = re.compile(rb"(?i)\n(referer|user-agent):[ \t]*+([^\r]*+)")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")


# RFC 9110 5.3: several fields of these are one list.
_LISTS: Final = frozenset({b"connection", b"expect"})
# What it is called when one of the others comes twice.
_SINGLE: Final = {b"host": "host", b"content-length": "length", b"transfer-encoding": "framing"}

# Hosts that were checked before: a server is asked by few names.
_MOST_HOSTS: Final = 100
_hosts: set[bytes] = set()


class Head:
    """
    One request head, split only as far as the connection needs it.

    It never changes once parsed, so that the same head may serve many requests.
    """

    __slots__ = (
        "_fields",
        "_start",
        "authority",
        "continues",
        "keep",
        "length",
        "method",
        "minor",
        "path",
        "plain",
        "postpath",
        "query",
        "raw",
        "uri",
    )

    method: bytes
    uri: bytes
    """The target in origin-form, whatever form it came in."""
    path: bytes
    query: bytes
    postpath: list[bytes]
    """The segments of `path`, percent-decoded; copy it before changing it."""
    minor: bool
    """HTTP/1.1 rather than HTTP/1.0."""
    keep: bool
    """The client can take another answer on this connection."""
    length: int | None
    """Bytes of the body; None when it comes in chunks."""
    continues: bool
    """The client waits for `100 Continue` before it sends the body."""
    authority: bytes | None
    """Who is asked according to an absolute-form target; it overrules Host."""
    plain: bool
    """Its answer needs no old form and has a body: HTTP/1.1, and not HEAD."""
    raw: bytes
    """Exactly what came over the wire."""
    _start: int
    _fields: dict[bytes, tuple[bytes, ...]] | None

    @property
    def line(self) -> bytes:
        """The request line as it came, without its end."""
        return self.raw[: self._start].strip(b"\r\n")

    def origin(self) -> tuple[bytes, bytes]:
        """Referer and User-Agent, `-` where they are not, for a log that wants nothing else."""
        referer = agent = b"-"
        for name, value in _ORIGIN.findall(self.raw, self._start - 1):
            if len(name) == 7:
                referer = value.rstrip(b" \t")
            else:
                agent = value.rstrip(b" \t")
        return referer, agent

    @property
    def fields(self) -> dict[bytes, tuple[bytes, ...]]:
        """All values by lower-case name, in the order they came."""
        if self._fields is None:
            self._fields = fields = split(self.raw[self._start : -4])
            if self.authority is not None:
                # RFC 9112 3.2.2: the received Host is ignored then.
                fields[b"host"] = (self.authority,)
        return self._fields


def parse(raw: bytes, most_target: int, most_fields: int) -> Head:
    """
    The head that `raw` is, from its first byte through its first `END`.

    Raises `RequestError` for anything that RFC 9112 does not allow and for a target
    of more than `most_target` bytes or more than `most_fields` header fields.
    """
    match = _HEAD.fullmatch(raw)
    if match is None:
        examine(raw, len(raw), most_target)
        raise RequestError("field")
    head = Head()
    head.raw = raw
    head.method, target, minor = match.groups()
    head._start = start = match.end(3) + 2
    head.minor = head.keep = minor == b"1"
    head._fields = head.authority = None
    if len(target) > most_target:
        raise RequestError("long-target")
    if target[0] != 0x2F or head.method == b"CONNECT":
        target, head.authority = _origin(head.method, target)
    # No field line has fewer than four bytes.
    if len(raw) - start > 4 * most_fields and raw.count(b"\n", start) - 1 > most_fields:
        raise RequestError("fields")
    head.uri = target
    path, _, head.query = target.partition(b"?")
    head.path = path
    segments = path[1:].split(b"/")
    if path.find(b"%") >= 0:
        segments = [unquote_to_bytes(each) for each in segments]
    head.postpath = segments
    head.length = 0
    head.continues = False
    found = _FRAMING.findall(raw.lower(), start - 1)
    # Most heads say nothing there but a Host that was seen before.
    if len(found) != 1 or found[0][1] not in _hosts or len(found[0][0]) != 4:
        _frame(head, _collect(found))
    head.plain = head.minor and head.method != b"HEAD"
    return head


def _collect(found: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """One value a name; the names that may come only once are held to that."""
    said: dict[bytes, bytes] = {}
    for key, text in found:
        value = text.rstrip(b" \t")
        if key not in said:
            said[key] = value
        elif key in _LISTS:
            said[key] += b"," + value
        else:
            raise RequestError(_SINGLE[key])
    return said


def _frame(head: Head, said: dict[bytes, bytes]) -> None:
    """What the fields in `said` mean for host, body and connection, all of it checked."""
    host = said.get(b"host")
    if host is None:
        if head.minor:
            raise RequestError("host")
    elif host not in _hosts:
        _know(host)
    if b"connection" in said:
        head.keep = _persists(said[b"connection"], head.minor)
    if b"content-length" in said:
        if _LENGTH.fullmatch(said[b"content-length"]) is None:
            raise RequestError("length")
        head.length = int(said[b"content-length"])
    if b"transfer-encoding" in said:
        _code(head, said[b"transfer-encoding"], b"content-length" in said)
    # RFC 9110 10.1.1: HTTP/1.0 cannot expect anything.
    if b"expect" in said and head.minor:
        if said[b"expect"] != b"100-continue":
            raise RequestError("expectation")
        head.continues = True


def _know(host: bytes) -> None:
    """Check a Host that was not seen before (RFC 9112 3.2), and remember a few."""
    if _AUTHORITY.fullmatch(host) is None:
        raise RequestError("host")
    if len(_hosts) < _MOST_HOSTS and len(host) < 256:
        _hosts.add(host)


def _code(head: Head, coding: bytes, sized: bool) -> None:
    """Take the body in chunks (RFC 9112 6.1)."""
    # Beside a length, or in HTTP/1.0, this is an attempt at smuggling.
    if sized or not head.minor:
        raise RequestError("framing")
    if coding != b"chunked":
        raise RequestError("framing" if b"chunked" in coding or not coding else "coding")
    head.length = None


def _persists(options: bytes, minor: bool) -> bool:
    """Whether the connection outlives a request with these options (RFC 9112 9.3)."""
    if options == b"keep-alive":
        return True
    tokens = [each.strip(b" \t") for each in options.split(b",")]
    return b"close" not in tokens and (minor or b"keep-alive" in tokens)


def _origin(method: bytes, target: bytes) -> tuple[bytes, bytes | None]:
    """`target` in origin-form and the authority it names, unless it is `*`."""
    if method == b"CONNECT":
        raise RequestError("connect" if _CONNECT.fullmatch(target) else "target")
    if target == b"*" and method == b"OPTIONS":  # RFC 9112 3.2.4
        return target, None
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or _AUTHORITY.fullmatch(absolute[1]) is None:
        raise RequestError("target")
    # RFC 9112 3.2.1: an empty path is sent as "/".
    return (absolute[2] or b"/") + (absolute[3] or b""), absolute[1]


def examine(start: bytes, most: int, most_target: int) -> None:
    """
    Return while `start` may still become a head of at most `most` bytes.

    Raises `RequestError` as soon as it cannot, so that a client that says something
    else (TLS, bare line feeds, HTTP/0.9) hears about it and does not wait.
    """
    seen = start[:most].removeprefix(b"\r\n")
    line, ended, rest = seen.partition(b"\r\n")
    if not ended:
        if _HALF_LINE.fullmatch(line) is None:
            raise RequestError("line")
        if len(start) > most:
            raise RequestError("long-target")
        return
    match = _LINE.fullmatch(line)
    if match is None:
        raise RequestError("line")
    method, target, version = match.groups()
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise RequestError("version")
    if len(target) > most_target:
        raise RequestError("long-target")
    if target[0] != 0x2F or method == b"CONNECT":
        _origin(method, target)
    pairs = rest.count(b"\r\n")
    if rest.count(b"\n") != pairs or rest.count(b"\r", 0, len(rest) - 1) > pairs:
        raise RequestError("bare")
    if len(start) > most:
        raise RequestError("large-head")
