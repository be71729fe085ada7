"""
Request bodies that keep a reader busy, of any size, by their Content-Type.

Rules: pure.  What a reader cannot be fed with at a size is cut to its limit by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Final, TypeAlias

FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data; boundary=xyz"
JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"
XML: Final = "text/xml"

MAX_FORM: Final = 128 * 1024
MAX_HEADS: Final = 128 * 1024
MAX_JSON: Final = 256 * 1024

Make: TypeAlias = Callable[[int], bytes]
"""From a number of bytes to a body that has no more of them."""


def repeated(unit: bytes, before: bytes = b"", after: bytes = b"", most: int = 1 << 20) -> Make:
    """As many of `unit` as fit, at most `most` bytes in all."""

    def make(size: int) -> bytes:
        room = min(size, most) - len(before) - len(after)
        return before + unit * (room // len(unit)) + after

    return make


def numbered(unit: bytes, before: bytes = b"", after: bytes = b"", most: int = 1 << 20) -> Make:
    """As many of `unit` as fit, each with another number in the place of `%d`."""

    def make(size: int) -> bytes:
        room = min(size, most) - len(before) - len(after)
        count = room // (len(unit) + 4)
        return before + b"".join(unit % number for number in range(count)) + after

    return make


def noise(size: int) -> bytes:
    """Random bytes, the same ones each time."""
    return Random(size).randbytes(size)


def parts(head: bytes, unit: bytes, most: int = 1000) -> Make:
    """A form of as many parts as there may be, with this in their heads and their contents."""
    start = b"--xyz\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n"
    shown = 1 << 20 if b"filename" in head else MAX_FORM

    def make(size: int) -> bytes:
        count = max(1, min(most, MAX_HEADS // len(start), size // (len(start) + 16)))
        length = max(0, min(shown, size - count * (len(start) + 2)) // count)
        content = (unit * (length // len(unit) + 1))[:length]
        return (start + content + b"\r\n") * count + b"--xyz--\r\n"

    return make


def few_letters(size: int) -> bytes:
    """Random letters of four, for which compression looks longest."""
    return bytes(Random(size).choices(b"abcd", k=size))


BODIES: Final[Mapping[str, tuple[tuple[str, Make], ...]]] = {
    BYTES: (
        ("noise", noise),
        ("few letters", few_letters),
        ("text", repeated(b"a")),
        ("controls", repeated(b"\x01")),
        ("three bytes a character", repeated("\u20ac".encode())),
    ),
    FORM: (
        ("one-letter names", repeated(b"a&", most=1998)),
        ("numbered fields", numbered(b"a%d=" + b"%%c3" * 80 + b"&", most=MAX_FORM)),
        ("escapes", repeated(b"%c3", most=MAX_FORM)),
        ("escapes apart", repeated(b"%c3a", most=MAX_FORM)),
        ("no UTF-8", repeated(b"\xff", most=MAX_FORM)),
        ("semicolons", repeated(b";", most=MAX_FORM)),
        ("spaces", repeated(b"+", most=MAX_FORM)),
        ("equals signs", repeated(b"=", most=MAX_FORM)),
        ("controls", repeated(b"\x01", most=MAX_FORM)),
    ),
    MULTIPART: (
        ("fields of noise", parts(b"name=a", b"\xff")),
        ("fields of controls", parts(b"name=a", b"\x01")),
        ("files of noise", parts(b"name=a; filename=b", b"\xff")),
        ("files of controls", parts(b"name=a; filename=b", b"\x01")),
        ("one file", parts(b"name=a; filename=b", b"\x01", most=1)),
        ("one field", parts(b"name=a", b"\xff", most=1)),
        ("escaped names", parts(b'name="' + rb"\"" * 40 + b'"', b"\x01")),
        ("one escaped name", parts(b'name="' + rb"\"" * 65_000 + b'"', b"a", most=1)),
        ("open quotes", parts(b'name=a; b="' + rb"\"" * 40, b"\xff")),
        ("one open quote", parts(b'name=a; b="' + rb"\"" * 65_000, b"a", most=1)),
        ("extended names", parts(b"name*=utf-8''" + b"%c3" * 30, b"\xff")),
        ("names again", parts(b"x" + b";name=a" * 12, b"a")),
        ("half delimiters", parts(b"name=a", b"\r\n--xy", most=1)),
        ("line ends", parts(b"name=a", b"\r", most=1)),
        ("spaces after a delimiter", repeated(b" ", b"--xyz")),
        ("folded lines", parts(b"name=a" + b";\r\n x" * 14, b"a")),
    ),
    JSON: (
        ("deep", repeated(b"[", most=60_000)),
        ("empty arrays", repeated(b"[],", b"[", b"0]", most=177_000)),
        ("numbers", repeated(b"1,", b"[", b"0]", most=MAX_JSON)),
        ("floats", repeated(b"1.5e9,", b"[", b"0]", most=MAX_JSON)),
        ("huge numbers", repeated(b"1e999,", b"[", b"0]", most=MAX_JSON)),
        ("one number", repeated(b"1", most=MAX_JSON)),
        ("members", numbered(b'"%d":0,', b"{", b'"":0}', most=MAX_JSON)),
        ("strings", repeated(b'"",', b"[", b"0]", most=MAX_JSON)),
        ("controls", repeated(b"\\u0001", b'["', b'"]', most=MAX_JSON)),
        ("open quote", repeated(rb"\"", b'["', most=MAX_JSON)),
        ("indented", repeated(b"[0,", b"", b"", most=32 * 1024)),
        ("indented array", repeated(b"0,", b"[[[[[[[[[[", b"0]]]]]]]]]]", most=32 * 1024)),
        ("spaces", repeated(b" ", b"[", b"]", most=MAX_JSON)),
        ("not JSON", repeated(b"{", most=60_000)),
    ),
}
"""The bodies of each Content-Type that an endpoint reads, by their names."""
