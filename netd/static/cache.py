"""
Recently requested files in memory: small and hot ones whole, of others the header only.

A hot file is a copy in an anonymous file, which the kernel sends without another copy.  It
holds no mount busy, and does not change while it is sent.

Rules: knows no request.  No stale file leaves the cache: each use asks the kernel for
the file's state, and after `MAX_AGE_SECONDS` the path is resolved anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from operator import attrgetter
from typing import Final

from attrs import evolve, frozen

from netd.http.response_head import HeaderBlock
from netd.static.headers import STRONG_AFTER_SECONDS, FileHeaders
from netd.static.tree import Missing, OpenFile, open_file

MAX_BYTES: Final = 16 * 1024 * 1024
"""Bytes of all cached files, with `OVERHEAD_BYTES` for each."""
OVERHEAD_BYTES: Final = 1024
"""The approximate cost of a file beside its body."""
COPY_BYTES: Final = 256 * 1024
"""What a copy counts: because each takes a descriptor, there are at most 63."""
MAX_AGE_SECONDS: Final = 1.0
"""How long a change of the links, siblings and permissions on a path may go unnoticed."""


class MemoryCopy:
    """A copy of a file in memory, open at `fd` until nobody refers to it."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self) -> None:
        os.close(self.fd)

    @staticmethod
    def of(fd: int, size: int) -> MemoryCopy | None:
        """A copy of `size` bytes of the file open at `fd`; None where there can be none."""
        if not hasattr(os, "memfd_create"):
            return None
        try:
            copy = MemoryCopy(os.memfd_create("netd"))
            return copy if os.sendfile(copy.fd, fd, 0, size) == size else None
        except OSError:
            return None


@frozen
class CachedFile:
    """One file."""

    path: bytes
    stat: os.stat_result
    state: tuple[int, ...]
    expires: float
    headers: FileHeaders
    block: HeaderBlock
    """The fields of `headers`, made into lines once."""
    body: bytes | MemoryCopy | None
    """None for a file that is too large to be kept, or that is not small and not yet hot."""

    @property
    def weight(self) -> int:
        """The bytes that the file counts in a cache."""
        if isinstance(self.body, MemoryCopy):
            return COPY_BYTES + OVERHEAD_BYTES
        return len(self.body or b"") + OVERHEAD_BYTES

    def open(self) -> OpenFile:
        """The file, open for reading; Missing when it has changed or cannot be opened."""
        if isinstance(self.body, MemoryCopy):
            try:
                return OpenFile(self.stat, os.dup(self.body.fd))
            except OSError as error:
                raise Missing from error
        file = open_file(self.path)
        if _state(file.stat) != self.state:
            os.close(file.fd)
            raise Missing
        return file


# Whatever in an os.stat_result changes when a file does, as one tuple.
_state: Final[Callable[[os.stat_result], tuple[int, ...]]] = attrgetter(
    "st_ino", "st_dev", "st_size", "st_mtime_ns", "st_ctime_ns"
)


def cacheable(stat: os.stat_result, now: float) -> bool:
    """Whether the file's time stamp will tell the next write, at the time of day `now`."""
    return now - max(stat.st_mtime, stat.st_ctime) >= STRONG_AFTER_SECONDS


class FileCache:
    """Files by the URL path that they were requested by."""

    def __init__(self, seconds: Callable[[], float], max_bytes: int = MAX_BYTES) -> None:
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._files: dict[bytes, CachedFile] = {}
        self._bytes = 0

    def get(self, key: bytes) -> CachedFile | None:
        """The file cached for `key`; None when there is none or its body is stale."""
        file = self._files.get(key)
        if file is None:
            return None
        if self._seconds() < file.expires:
            try:
                if file.body is None or _state(os.stat(file.path)) == file.state:
                    return file
            except OSError:
                # The caller will open the file itself and meet the error again.
                pass
        self.drop(key)
        return None

    def put(
        self,
        key: bytes,
        path: bytes,
        stat: os.stat_result,
        headers: FileHeaders,
        body: bytes | None,
    ) -> None:
        """Cache the `cacheable` file at `path`, with its `body` unless that is None."""
        self.drop(key)
        expires, block = self._seconds() + MAX_AGE_SECONDS, HeaderBlock(headers.fields)
        self._add(key, CachedFile(path, stat, _state(stat), expires, headers, block, body))

    def keep(self, key: bytes, fd: int) -> None:
        """Keep a copy of the file that is cached for `key` and open at `fd`, if that can be."""
        file = self._files[key]
        copy = MemoryCopy.of(fd, file.stat.st_size)
        if copy is not None:
            self.drop(key)
            self._add(key, evolve(file, body=copy))

    def _add(self, key: bytes, file: CachedFile) -> None:
        self._files[key] = file
        self._bytes += file.weight
        while self._bytes > self._max_bytes:
            # A dict keeps insertion order: the first file is the oldest.
            self.drop(next(iter(self._files)))

    def drop(self, key: bytes) -> None:
        """Forget the file cached for `key`, if there is one."""
        file = self._files.pop(key, None)
        if file is not None:
            self._bytes -= file.weight
