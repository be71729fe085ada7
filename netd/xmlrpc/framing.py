"""
Messages on a pipe between the daemon and its workers: a length, then so many bytes.

Rules: pure.
"""

from __future__ import annotations

from typing import Final

_HEAD: Final = 4


def framed(message: bytes) -> bytes:
    """`message` with its length in front."""
    return len(message).to_bytes(_HEAD, "big") + message


class Frames:
    """Bytes as they come in, messages of at most `most` bytes out."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes; ValueError when one is longer than allowed."""
        self._buffer += data
        found = []
        while len(self._buffer) >= _HEAD:
            length = int.from_bytes(self._buffer[:_HEAD], "big")
            if length > self._most:
                raise ValueError(f"a message of {length} bytes, at most {self._most} are taken")
            if len(self._buffer) < _HEAD + length:
                break
            found.append(bytes(self._buffer[_HEAD : _HEAD + length]))
            del self._buffer[: _HEAD + length]
        return found
