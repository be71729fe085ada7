"""
The tree on the disk: names in, an open descriptor out, nothing outside ever touched.

Rules: knows no HTTP.  What is opened is what was checked: each name is opened
below the descriptor of its parent and no link is followed on the way, so that
whoever moves files about meanwhile changes what is found, never where.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EINVAL, ELOOP, ENAMETOOLONG, ENODEV, ENOENT, ENOTDIR, ENXIO, EPERM
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import Final

from attrs import frozen

from netd.settings import Symlinks
from netd.static.listing import Entry, Listing
from netd.static.paths import Names, servable

MOST_ENTRIES: Final = 10_000
"""Entries of one directory that are listed."""

# Not blocking: the open of a FIFO would wait for a writer.
_FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_READ: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FOLDER: Final = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
_ABSENT: Final = frozenset({ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EINVAL, ENXIO, ENODEV})


class Missing(Exception):
    """There is nothing here that could be served."""


class Forbidden(Exception):
    """The kernel does not let us."""


@frozen
class OpenFile:
    """A regular file, open for reading at `fd`, or a directory."""

    stat: os.stat_result
    fd: int = -1
    """The file's, and the caller's to close; -1 for a directory."""

    @property
    def folder(self) -> bool:
        """Whether it is a directory."""
        return self.fd < 0


class Tree:
    """The files below `root`, with `symlinks` followed or not."""

    def __init__(self, root: str | os.PathLike[str], symlinks: Symlinks = "inside") -> None:
        self._root = os.fsencode(root)
        self._symlinks = symlinks

    def path(self, names: Names) -> bytes:
        """Where `names` would be, if no link stood in between."""
        return b"/".join((self._root, *names))

    def find(self, names: Names) -> OpenFile:
        """What `names` lead to; Missing, Forbidden, or OSError for a fault of the disk."""
        with _reasons():
            if self._symlinks == "all":
                return _open(self.path(names))
            try:
                return self._walk(names)
            except OSError as error:
                if not self._follows(error):
                    raise
                return self._walk(self._real(names))

    def scan(self, names: Names) -> Listing:
        """The entries of the directory `names` that can be asked for; errors as for `find`."""
        with _reasons():
            folder = self._folder(names)
            try:
                found: list[Entry] = []
                for entry in self._entries(folder, names):
                    if len(found) == MOST_ENTRIES:
                        return Listing(tuple(found), False)
                    found.append(entry)
                return Listing(tuple(found), True)
            finally:
                os.close(folder)

    def _walk(self, names: Names) -> OpenFile:
        if not names:
            return _open(self._root)
        parent = self._descend(names[:-1])
        try:
            return _open(names[-1], parent)
        finally:
            os.close(parent)

    def _descend(self, names: Names) -> int:
        """A descriptor of the directory `names`; a link on the way is ENOTDIR or ELOOP."""
        folder = os.open(self._root, _FOLDER)
        for name in names:
            try:
                inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            finally:
                os.close(folder)
            folder = inner
        return folder

    def _follows(self, error: OSError) -> bool:
        """Whether `error` may be a link on the way, and links are followed."""
        return self._symlinks != "none" and error.errno in (ELOOP, ENOTDIR)

    def _real(self, names: Names) -> Names:
        """
        Where `names` lead once all links are followed; Missing when that is not below the root.

        To be walked again: what it says may be wrong by the time it is used.
        """
        root = os.path.realpath(self._root).rstrip(b"/")
        real = os.path.realpath(self.path(names), strict=True)
        if real != root and not real.startswith(root + b"/"):
            raise Missing
        return tuple(real[len(root) + 1 :].split(b"/")) if real != root else ()

    def _folder(self, names: Names) -> int:
        """A descriptor of the directory `names` that can be read from."""
        if self._symlinks == "all":
            return os.open(self.path(names), _READ)
        try:
            folder = self._descend(names)
        except OSError as error:
            if not self._follows(error):
                raise
            folder = self._descend(self._real(names))
        try:
            return os.open(b".", _READ, dir_fd=folder)
        finally:
            os.close(folder)

    def _entries(self, folder: int, names: Names) -> Iterator[Entry]:
        with os.scandir(folder) as entries:
            for each in entries:
                name = os.fsencode(each.name)
                if not servable(name, not names):
                    continue
                try:
                    stat = (
                        self._linked((*names, name))
                        if each.is_symlink()
                        else each.stat(follow_symlinks=False)
                    )
                except (OSError, Missing, Forbidden):
                    # Gone meanwhile, or a link to nowhere that may be shown.
                    continue
                if S_ISREG(stat.st_mode) or S_ISDIR(stat.st_mode):
                    yield Entry(name, S_ISDIR(stat.st_mode), stat.st_size, stat.st_mtime)

    def _linked(self, names: Names) -> os.stat_result:
        found = self.find(names)
        if not found.folder:
            os.close(found.fd)
        return found.stat


def _open(path: bytes, parent: int | None = None) -> OpenFile:
    """What is at `path` below `parent`; links are followed only without a `parent`."""
    follow = parent is None
    stat = os.stat(path, dir_fd=parent, follow_symlinks=follow)
    if S_ISLNK(stat.st_mode):
        raise OSError(ELOOP, os.strerror(ELOOP))
    if S_ISDIR(stat.st_mode):
        return OpenFile(stat)
    # Opening some devices does things to them.
    if not S_ISREG(stat.st_mode):
        raise Missing
    fd = os.open(path, _FILE if follow else _FILE | os.O_NOFOLLOW, dir_fd=parent)
    # By now it may be another one: what counts is what is open.
    stat = os.fstat(fd)
    if not S_ISREG(stat.st_mode):
        os.close(fd)
        raise Missing
    return OpenFile(stat, fd)


def open_file(path: bytes) -> OpenFile:
    """What is at `path`, links followed, unseen; Missing for whatever goes wrong."""
    try:
        fd = os.open(path, _FILE)
    except OSError as error:
        raise Missing from error
    return OpenFile(os.fstat(fd), fd)


@contextmanager
def _reasons() -> Iterator[None]:
    """Errors of the kernel by what they mean to a client; what is left is the disk's own."""
    try:
        yield
    except OSError as error:
        if error.errno in _ABSENT:
            raise Missing from error
        if error.errno in (EACCES, EPERM):
            raise Forbidden from error
        raise
