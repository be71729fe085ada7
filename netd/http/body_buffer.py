"""
Where request bodies are kept until a Resource reads them.

Rules: knows no HTTP.  A body lies in memory up to a limit and beyond it in a
temporary file without a name; all bodies together stay below another limit.
"""

from __future__ import annotations

import tempfile
from io import BytesIO
from typing import IO

from netd.http.errors import RequestError


class BodyBuffers:
    """What all request bodies of one site hold at the moment."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = 0
        """Bytes, in memory and in files."""


class BodyBuffer:
    """One request body on its way in; `file` holds `size` bytes of it."""

    __slots__ = ("_all", "_memory", "_most", "file", "size")

    def __init__(self, spools: BodyBuffers, memory: int, most: int) -> None:
        self._all = spools
        self._memory = memory
        self._most = most
        self.size = 0
        self.file: IO[bytes] = BytesIO()

    def write(self, data: bytes) -> None:
        """Keep `data`; RequestError when the limit or the disk has no room for it."""
        if self._all.held + len(data) > self._most:
            raise RequestError("spool")
        over = self.size <= self._memory < self.size + len(data)
        try:
            if over:
                self._to_disk()
            written = self.file.write(data)
        except OSError as error:
            # A full disk and no free descriptor are a lack of room, not a bug.
            raise RequestError("spool") from error
        if written != len(data):
            raise RequestError("spool")
        self.size += len(data)
        self._all.held += len(data)

    def _to_disk(self) -> None:
        """Move what there is into a temporary file."""
        # Unbuffered: what is written is either on the disk or has failed here.
        disk = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `close`
        held, self.file = self.file, disk
        held.seek(0)
        disk.write(held.read())

    def whole(self) -> IO[bytes]:
        """The body, to be read from its start."""
        self.file.seek(0)
        return self.file

    def close(self) -> None:
        """Give the room back; harmless when done twice."""
        self.file.close()
        self._all.held -= self.size
        self.size = 0
