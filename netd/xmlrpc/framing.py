"""
Messages on a pipe between the daemon and its workers: a length, then that many bytes.

Rules: pure.
"""

from __future__ import annotations

from typing import Final

_PREFIX: Final = 4
"""Bytes of a length."""


def framed(message: bytes) -> bytes:
    """`message` with its length in front."""
    return len(message).to_bytes(_PREFIX, "big") + message


class FrameReader:
    """Splits a stream of bytes into messages of at most `most` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes; ValueError when one is too long."""
        self._buffer += data
        messages = []
        while len(self._buffer) >= _PREFIX:
            length = int.from_bytes(self._buffer[:_PREFIX], "big")
            if length > self._most:
                raise ValueError(f"a message of {length} bytes, at most {self._most} are taken")
            end = _PREFIX + length
            if len(self._buffer) < end:
                break
            messages.append(bytes(self._buffer[_PREFIX:end]))
            del self._buffer[:end]
        return messages
