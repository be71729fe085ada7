"""
A request whose body is arriving, and the buffers that hold bodies.

Rules: knows neither connection nor clock; whoever feeds an upload watches the
time.  A body lies in memory up to a limit and beyond it in a temporary file
without a name; all bodies of one server together stay below another limit.
"""

from __future__ import annotations

import errno
import os
import tempfile
from io import BytesIO
from typing import IO

from twisted.logger import Logger

from netd.http.body import Chunked, Sized
from netd.http.errors import RequestError
from netd.http.request_head import Head
from netd.settings import Limits

_log = Logger()


class BodyBuffers:
    """
    What all request bodies of one server hold at the moment.

    `directory` is where the files of bodies are; None: where Python finds room for them.
    """

    __slots__ = ("_logged", "directory", "held")

    def __init__(self, directory: str | None = None) -> None:
        self.held = 0
        """Bytes, in memory and in files."""
        self.directory = directory
        self._logged: set[int | None] = set()

    def failed(self, error: OSError) -> None:
        """Log why a body cannot be stored, each reason once."""
        if error.errno not in self._logged:
            self._logged.add(error.errno)
            place = self.directory or "temporary files"
            why = os.strerror(error.errno or errno.EIO)
            _log.warn("no room for request bodies in {place}: {why}", place=place, why=why)


class BodyBuffer:
    """
    One request body; `file` holds `size` bytes of it.

    At most `memory` bytes stay in memory; all of `buffers` hold at most `limit`.
    """

    __slots__ = ("_buffers", "_limit", "_memory", "file", "size")

    def __init__(self, buffers: BodyBuffers, memory: int, limit: int) -> None:
        self._buffers = buffers
        self._memory = memory
        self._limit = limit
        self.size = 0
        self.file: IO[bytes] = BytesIO()

    def write(self, data: bytes) -> None:
        """Keep `data`; RequestError when the limit or the disk has no room for it."""
        if self._buffers.held + len(data) > self._limit:
            raise RequestError("spool")
        try:
            if self.size <= self._memory < self.size + len(data):
                self._move_to_disk()
            self._append(data)
        except OSError as error:
            # A full disk and no free descriptor are a lack of room, not a bug.
            self._buffers.failed(error)
            raise RequestError("spool") from error
        self.size += len(data)
        self._buffers.held += len(data)

    def _move_to_disk(self) -> None:
        # Unbuffered: a write is on the disk, or fails here.
        disk = tempfile.TemporaryFile(buffering=0, dir=self._buffers.directory)  # noqa: SIM115 - closed by `close`
        memory, self.file = self.file, disk
        memory.seek(0)
        self._append(memory.read())

    def _append(self, data: bytes) -> None:
        """Write the whole of `data`; a disk that becomes full takes a part of it."""
        if self.file.write(data) != len(data):
            raise OSError(errno.ENOSPC, "short write")

    def rewound(self) -> IO[bytes]:
        """The body, to be read from its start."""
        self.file.seek(0)
        return self.file

    def close(self) -> None:
        """Give the room back; harmless when done twice."""
        self.file.close()
        self._buffers.held -= self.size
        self.size = 0


class Upload:
    """A request head, and its body as far as it has arrived."""

    __slots__ = ("begun", "body", "decoder", "head", "limits", "received")

    def __init__(self, head: Head, limits: Limits, buffers: BodyBuffers, begun: float) -> None:
        self.head = head
        self.limits = limits
        self.begun = begun
        """When the head was complete, on the clock of whoever feeds it."""
        self.received = 0
        """Bytes of the wire so far."""
        self.decoder: Sized | Chunked
        if head.length is None:
            self.decoder = Chunked(limits.max_body, limits.max_head, limits.max_fields)
        else:
            self.decoder = Sized(head.length)
        self.body = BodyBuffer(buffers, limits.body_memory, limits.spool)

    @property
    def deadline(self) -> float:
        """The time by which more of the body must have arrived."""
        return self.begun + self.limits.body_seconds(self.received)

    def close(self) -> None:
        """Give up the body's room; harmless when done twice."""
        self.body.close()

    def feed(self, data: bytes) -> bytes | None:
        """Take in `data`; what follows the body once that is complete, None until then."""
        self.received += len(data)
        piece, rest = self.decoder.feed(data)
        if piece:
            self.body.write(piece)
        return rest
