"""
Faults that a client may ask of a file: `?netd.delay=`, `?netd.rate=`, `?netd.truncate=`.

Rules: pure but for the descriptor it reads from; the Player performs what it says.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from attrs import frozen

from netd.http.ranges import Part
from netd.lab.call import BadCall
from netd.script import Abort, Script, Send, Wait
from netd.values import Duration, Size

_CHUNK = 64 * 1024
_PIECES_PER_SECOND = 10


@frozen
class Fault:
    """What is to go wrong with one answer."""

    delay: float = 0.0
    """Seconds before the first byte."""
    rate: int | None = None
    """Bytes of the body a second."""
    truncate: int | None = None
    """Bytes of the body after which the connection is cut."""

    @classmethod
    def parse(cls, query: Mapping[bytes, list[bytes]], longest: float) -> Fault | None:
        """What `query` asks for, None when nothing; BadCall for what cannot be."""
        try:
            delay = Duration.parse(_last(query, b"netd.delay") or "0").seconds
            rate = _last(query, b"netd.rate")
            cut = _last(query, b"netd.truncate")
            fault = cls(
                delay,
                Size.parse(rate).count if rate is not None else None,
                Size.parse(cut).count if cut is not None else None,
            )
        except ValueError as wrong:
            raise BadCall(f"netd.delay, netd.rate or netd.truncate: {wrong}") from None
        if fault.rate == 0:
            raise BadCall("netd.rate: at least 1 byte a second")
        if delay > longest:
            raise BadCall(f"netd.delay: longer than {longest:g} s")
        return None if fault == cls() else fault

    def script(self, fd: int, parts: Iterable[Part]) -> Script:
        """`parts` of the file open at `fd`, badly sent; a file that is too short ends it."""
        if self.delay:
            yield Wait(self.delay)
        left = self.truncate
        for data in _pieces(fd, parts, self._piece()):
            if data is None:
                yield Abort()
                return
            if left is not None and len(data) > left:
                # Also when nothing is left: the head goes out with it.
                yield Send(data[:left])
                yield Abort()
                return
            yield Send(data)
            if self.rate is not None:
                yield Wait(len(data) / self.rate)
            left = left - len(data) if left is not None else None

    def _piece(self) -> int:
        return (
            _CHUNK
            if self.rate is None
            else max(1, min(_CHUNK, self.rate // _PIECES_PER_SECOND))
        )


def _last(query: Mapping[bytes, list[bytes]], name: bytes) -> str | None:
    values = query.get(name)
    return values[-1].decode("latin-1") if values else None


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
