"""
Faults that a query puts on a file: `?netd.delay=`, `?netd.rate=`, `?netd.truncate=`.

Rules: pure but for reading the file; a Player performs the script.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from attrs import frozen

from netd.http.ranges import Part
from netd.lab.call import BadCall
from netd.script import Abort, Script, Send, Wait
from netd.values import Duration, Size

T = TypeVar("T")

_CHUNK_BYTES = 64 * 1024
_PIECES_PER_SECOND = 10


@frozen
class Fault:
    """The faults of one response."""

    delay: float = 0.0
    """Seconds before the first byte."""
    rate: int | None = None
    """Bytes of the body a second."""
    truncate: int | None = None
    """Bytes of the body after which the connection is closed."""

    @classmethod
    def parse(cls, query: Mapping[bytes, list[bytes]], max_delay: float) -> Fault | None:
        """The faults in `query`, None without any; BadCall for values that are not allowed."""
        try:
            delay = Duration.parse(last(query, b"netd.delay", "0") or "0").seconds
            texts = [last(query, name, None) for name in (b"netd.rate", b"netd.truncate")]
            fault = cls(
                delay, *(text if text is None else Size.parse(text).count for text in texts)
            )
        except ValueError as error:
            raise BadCall(f"netd.delay, netd.rate or netd.truncate: {error}") from None
        if fault.rate == 0:
            raise BadCall("netd.rate: at least 1 byte a second")
        if delay > max_delay:
            raise BadCall(f"netd.delay: longer than {max_delay:g} s")
        return None if fault == cls() else fault

    @property
    def notes(self) -> tuple[tuple[str, str | float], ...]:
        """What the log says of the faults."""
        kinds = ("rate", self.rate), ("truncate", self.truncate)
        names = ",".join(name for name, value in kinds if value is not None)
        pairs = ("fault", names), ("delay", self.delay)
        return tuple((name, value) for name, value in pairs if value)

    def script(self, fd: int, parts: Iterable[Part]) -> Script:
        """Send `parts` of the file open at `fd` with these faults; abort if it is too short."""
        if self.delay:
            yield Wait(self.delay)
        size = _CHUNK_BYTES
        if self.rate is not None:
            size = max(1, min(size, self.rate // _PIECES_PER_SECOND))
        left = self.truncate
        for data in _pieces(fd, parts, size):
            if data is None:
                yield Abort()
                return
            if left is not None and len(data) > left:
                # Even an empty piece: the response header leaves with it.
                yield Send(data[:left])
                yield Abort()
                return
            yield Send(data)
            if self.rate is not None:
                yield Wait(len(data) / self.rate)
            left = left - len(data) if left is not None else None


def last(query: Mapping[bytes, list[bytes]], name: bytes, default: T) -> str | T:
    """The last value of `name` in `query`, or `default`."""
    values = query.get(name)
    return values[-1].decode("latin-1") if values else default


def _pieces(fd: int, parts: Iterable[Part], size: int) -> Iterator[bytes | None]:
    """The bytes of `parts`, at most `size` at a time; None where the file is too short."""
    for part in parts:
        if isinstance(part, bytes):
            yield from (part[at : at + size] for at in range(0, len(part), size))
            continue
        at = part.start
        while at < part.stop:
            data = os.pread(fd, min(size, part.stop - at), at)
            if not data:
                yield None
                return
            yield data
            at += len(data)
