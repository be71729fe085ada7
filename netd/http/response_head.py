"""
The header of a response: status line, fields and framing (RFC 9112 sections 4 and 6).

Rules: no I/O; knows neither request nor connection.  No name or value leaves this
module with a CR or LF inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from http import HTTPStatus
from typing import Final, TypeAlias

from attrs import frozen
from twisted.web.http_headers import Headers

from netd.http.request_head import Head

SERVER: Final = b"netd"
CLOSE: Final = b"Connection: close\r\n\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
NO_BODY: Final = frozenset({204, 304})
"""Statuses without a body (RFC 9110 15.3.5, 15.4.5), beside all below 200."""

_PHRASES: Final = {status.value: status.phrase.encode() for status in HTTPStatus}

# Names come from code, not from clients, but some code passes on those of clients.
_NAMES_KEPT: Final = 1000
known_names: dict[bytes | str, bytes] = {}


def canonical(name: bytes | str) -> bytes:
    """A field name in canonical case; one that is no token raises InvalidHeaderName."""
    known = known_names.get(name)
    if known is None:
        headers = Headers()
        headers.addRawHeader(name, b"")
        known = next(headers.getAllRawHeaders())[0]
        if len(known_names) < _NAMES_KEPT:
            known_names[name] = known
    return known


def one_line(value: bytes | str) -> bytes:
    """A field value with spaces for line breaks, which would let it split the response."""
    data = value.encode() if isinstance(value, str) else value
    if b"\n" in data or b"\r" in data:
        return b" ".join(data.splitlines())
    return data


def status_line(code: int, message: bytes | str | None) -> bytes:
    """The status line; without a `message` the registered reason phrase."""
    if message is None:
        message = _PHRASES.get(code, b"Unknown Status")
    return b"HTTP/1.1 %d %b\r\n" % (code, one_line(message))


def response_start(code: int, when: bytes) -> bytes:
    """Status line, Server and Date, with which every response starts."""
    return b"%bServer: %b\r\nDate: %b\r\n" % (status_line(code, None), SERVER, when)


PLAIN_TEXT: Final = (
    (b"Content-Type", b"text/plain; charset=utf-8"),
    (b"X-Content-Type-Options", b"nosniff"),
)

FieldLines: TypeAlias = dict[bytes, bytes]
"""The lines of each field by its canonical name: `{b"Allow": b"Allow: GET\\r\\n"}`."""

# What the server sets itself, unless a Resource sets it.
_OWN: Final = frozenset({b"Connection", b"Transfer-Encoding", b"Server", b"Date"})
_LENGTH: Final = b"Content-Length"


def from_headers(headers: Headers) -> FieldLines:
    """The lines of `headers`; a field may have several."""
    return {
        name: b"".join([b"%b: %b\r\n" % (name, value) for value in values])
        for name, values in headers.getAllRawHeaders()
    }


def from_pairs(fields: Iterable[tuple[bytes, bytes]]) -> FieldLines:
    """The lines of `fields`; the last value of a name counts."""
    named = [(canonical(name), one_line(value)) for name, value in fields]
    return {name: b"%b: %b\r\n" % (name, value) for name, value in named}


def pairs(fields: FieldLines) -> Iterator[tuple[bytes, bytes]]:
    """The names and values in `fields`."""
    for line in b"".join(fields.values()).splitlines():
        name, _, value = line.partition(b": ")
        yield name, value


@lru_cache(maxsize=1024)
def content_length(length: int) -> bytes:
    """The line of Content-Length."""
    return b"Content-Length: %d\r\n" % length


def joined(fields: FieldLines) -> bytes:
    """`fields` in one piece if they set the type and nothing of the server's, else nothing."""
    if b"Content-Type" not in fields or _LENGTH in fields or not _OWN.isdisjoint(fields):
        return b""
    return b"".join(fields.values())


def overrides(fields: FieldLines) -> bool:
    """Whether `fields` set something that the server would set itself."""
    return not _OWN.isdisjoint(fields)


def complete(fields: FieldLines, when: bytes) -> bool:
    """Add what the server sets and `fields` lack; whether they let the connection be kept."""
    fields.pop(b"Transfer-Encoding", None)
    fields.setdefault(b"Server", b"Server: %b\r\n" % SERVER)
    fields.setdefault(b"Date", b"Date: %b\r\n" % when)
    return b"close" not in fields.pop(b"Connection", b"").lower()


class HeaderBlock:
    """Fields that many responses share, made once and never changed."""

    __slots__ = ("by_name", "joined")

    def __init__(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        self.by_name = from_pairs(fields)
        self.joined = joined(self.by_name)


@frozen
class Framing:
    """Where the body of a response ends (RFC 9112 6.3)."""

    head_only: bool
    """There is no body."""
    length: int | None = None
    """After so many bytes."""
    chunked: bool = False
    """With the last chunk."""
    keep: bool = True
    """False: with the connection."""


# The two that nearly all responses have, made once.
SIZED: Final = Framing(head_only=False)
_HEAD_ONLY: Final = Framing(head_only=True)


def choose_framing(fields: FieldLines, code: int, length: int | None, head: Head) -> Framing:
    """
    Choose the framing of the response to `head` and complete `fields` for it.

    `length` is that of the body, or None when it will be written in pieces.
    """
    head_only = head.method == b"HEAD"
    if code in NO_BODY or code < 200:
        if code != 304:
            fields.pop(_LENGTH, None)
        # Nothing can follow an interim status as the last one (RFC 9110 15.2).
        return Framing(True, keep=code >= 200)
    if length is not None:
        # A Resource that handles HEAD knows the length better than its empty body.
        if length or not head_only or _LENGTH not in fields:
            fields[_LENGTH] = b"Content-Length: %d\r\n" % length
        framing = _HEAD_ONLY if head_only else SIZED
    else:
        promised = fields.get(_LENGTH, b"")[16:-2]
        if promised.isdigit():
            framing = Framing(head_only, int(promised))
        else:
            fields.pop(_LENGTH, None)
            chunked = head.minor and not head_only
            framing = Framing(head_only, chunked=chunked, keep=head.minor or head_only)
            if chunked:
                fields[b"Transfer-Encoding"] = b"Transfer-Encoding: chunked\r\n"
    if b"Content-Type" not in fields and length != 0:
        # As twisted.web.server.Request does.
        fields[b"Content-Type"] = b"Content-Type: text/html\r\n"
    return framing


def refusal(code: int, sentence: str, when: bytes) -> tuple[bytes, bytes]:
    """The header and the body of the response that refuses a request."""
    body = sentence.encode() + b"\n"
    retry = b"Retry-After: 1\r\n" if code == 503 else b""
    top = (
        b"%bContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
        b"X-Content-Type-Options: nosniff\r\nConnection: close\r\n%b\r\n"
    ) % (response_start(code, when), len(body), retry)
    return top, body
