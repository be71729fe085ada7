"""
The head of an answer: status line, fields and framing (RFC 9112 sections 4 and 6).

Rules: no I/O; knows neither request nor connection.  No name or value leaves it
with a CR or LF inside, whoever set it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Final, TypeAlias

from attrs import frozen
from twisted.web.http_headers import Headers

from netd.http.request_head import Head

SERVER: Final = b"netd"
CLOSE: Final = b"Connection: close\r\n\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
NO_BODY: Final = frozenset({204, 304})
"""Statuses whose answers end with the head (RFC 9110 15.3.5, 15.4.5); so do all below 200."""

_PHRASES: Final = {status.value: status.phrase.encode() for status in HTTPStatus}

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)

# Names come from code, not from clients, but some code passes on what clients say.
_MOST_NAMES: Final = 1000
known_names: dict[bytes | str, bytes] = {}


def date(seconds: float) -> bytes:
    """`seconds` since the epoch as an IMF-fixdate (RFC 9110 5.6.7), whatever the locale."""
    now = time.gmtime(seconds)
    day, month = _DAYS[now.tm_wday], _MONTHS[now.tm_mon - 1]
    clock = f"{now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02}"
    return f"{day}, {now.tm_mday:02} {month} {now.tm_year:04} {clock} GMT".encode()


def name(said: bytes | str) -> bytes:
    """A field name in canonical case; what is no token raises Twisted's InvalidHeaderName."""
    known = known_names.get(said)
    if known is None:
        headers = Headers()
        headers.addRawHeader(said, b"")
        known = next(headers.getAllRawHeaders())[0]
        if len(known_names) < _MOST_NAMES:
            known_names[said] = known
    return known


def value(said: bytes | str) -> bytes:
    """A field value in which a line break, the door to response splitting, is a space."""
    data = said.encode() if isinstance(said, str) else said
    if b"\n" in data or b"\r" in data:
        return b" ".join(data.splitlines())
    return data


def status_line(code: int, message: bytes | str | None) -> bytes:
    """The status line; without a `message` the registered reason phrase."""
    if message is None:
        message = _PHRASES.get(code, b"Unknown Status")
    return b"HTTP/1.1 %d %b\r\n" % (code, value(message))


def opening(code: int, message: bytes | str | None, when: bytes) -> bytes:
    """Status line, Server and Date, with which every answer begins."""
    return b"%bServer: %b\r\nDate: %b\r\n" % (status_line(code, message), SERVER, when)


Fields: TypeAlias = dict[bytes, bytes]
"""The lines of each field by its canonical name: `{b"Allow": b"Allow: GET\\r\\n"}`."""

# What the engine says itself, unless a Resource insists on its own.
_OURS: Final = frozenset({b"Connection", b"Transfer-Encoding", b"Server", b"Date"})
_LENGTH: Final = b"Content-Length"


def lines(headers: Headers) -> Fields:
    """`headers` as lines; a field may have several."""
    return {
        each: b"".join([b"%b: %b\r\n" % (each, one) for one in values])
        for each, values in headers.getAllRawHeaders()
    }


def made(fields: Iterable[tuple[bytes, bytes]]) -> Fields:
    """`fields` as lines; of a name that comes twice the last is said."""
    named = [(name(each), value(said)) for each, said in fields]
    return {each: b"%b: %b\r\n" % (each, said) for each, said in named}


class HeaderBlock:
    """Fields that are said again and again, made once; what is in it never changes."""

    __slots__ = ("by_name", "joined")

    def __init__(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        self.by_name = made(fields)
        self.joined = joined(self.by_name)


def plain(fields: dict[bytes, bytes]) -> Fields:
    """The lines of an answer that is one line of text, and of `fields`."""
    kind = {
        b"Content-Type": b"text/plain; charset=utf-8",
        b"X-Content-Type-Options": b"nosniff",
    }
    return made((kind | fields).items())


def said(fields: Fields) -> Iterator[tuple[bytes, bytes]]:
    """The names and values in `fields`."""
    for each in b"".join(fields.values()).splitlines():
        before, _, after = each.partition(b": ")
        yield before, after


@frozen
class Framing:
    """Where the body of an answer ends (RFC 9112 6.3)."""

    mute: bool
    """With the head: there is no body."""
    left: int | None = None
    """After so many bytes."""
    chunked: bool = False
    """With the last chunk."""
    keep: bool = True
    """False: with the connection."""


# The two that nearly all answers have, made once.
WHOLE: Final = Framing(mute=False)
_MUTE: Final = Framing(mute=True)


def frame(fields: Fields, code: int, length: int | None, head: Head) -> Framing:
    """
    Choose the framing of the answer to `head` and complete `fields` for it.

    `length` is that of the body, or None when it will be written in pieces.
    """
    mute = head.method == b"HEAD"
    if code in NO_BODY or code < 200:
        if code != 304:
            fields.pop(_LENGTH, None)
        # An interim status is no answer: nothing can follow it (RFC 9110 15.2).
        return Framing(True, keep=code >= 200)
    if length is not None:
        # A Resource that answers HEAD knows the length better than its empty body.
        if length or not mute or _LENGTH not in fields:
            fields[_LENGTH] = b"Content-Length: %d\r\n" % length
        framing = _MUTE if mute else WHOLE
    else:
        promised = fields.get(_LENGTH, b"")[16:-2]
        if promised.isdigit():
            framing = Framing(mute, left=int(promised))
        else:
            fields.pop(_LENGTH, None)
            framing = Framing(mute, chunked=head.minor and not mute, keep=head.minor or mute)
            if framing.chunked:
                fields[b"Transfer-Encoding"] = b"Transfer-Encoding: chunked\r\n"
    if b"Content-Type" not in fields and length != 0:
        # As twisted.web.server.Request does.
        fields[b"Content-Type"] = b"Content-Type: text/html\r\n"
    return framing


def joined(fields: Fields) -> bytes:
    """`fields` in one, if they say what a body is and leave the rest to the engine."""
    if b"Content-Type" not in fields or _LENGTH in fields or not _OURS.isdisjoint(fields):
        return b""
    return b"".join(fields.values())


def ours(fields: Fields) -> bool:
    """Whether `fields` leave alone what the engine says itself."""
    return _OURS.isdisjoint(fields)


def refusal(code: int, sentence: str, when: bytes) -> tuple[bytes, bytes]:
    """The head and the body of the answer that turns a request away."""
    body = sentence.encode() + b"\n"
    retry = b"Retry-After: 1\r\n" if code == 503 else b""
    top = (
        b"%bContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
        b"X-Content-Type-Options: nosniff\r\nConnection: close\r\n%b\r\n"
    ) % (opening(code, None, when), len(body), retry)
    return top, body
