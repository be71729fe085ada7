"""
The tree on the disk: names in, an open descriptor out, never one outside of the tree.

Rules: knows no HTTP.  The checked file is the opened file: each name is opened below the
descriptor of its parent, and no link is followed on the way.  Files that are moved
meanwhile change which file is opened, but never lead out of the tree.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EACCES, EINVAL, ELOOP, ENAMETOOLONG, ENODEV, ENOENT, ENOTDIR, ENXIO, EPERM
from itertools import islice
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import Final, TypeVar

from attrs import frozen

from netd.settings import Symlinks
from netd.static.listing import Entry, Listing
from netd.static.paths import Names, servable

_T = TypeVar("_T")

MAX_ENTRIES: Final = 10_000
"""Entries in the listing of one directory."""

# O_NONBLOCK: opening a FIFO would wait for a writer.
_FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_READ: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_DIRECTORY: Final = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
_ABSENT: Final = frozenset({ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EINVAL, ENXIO, ENODEV})


class Missing(Exception):
    """There is no file or directory that could be served."""


class Forbidden(Exception):
    """The kernel denies access."""


@frozen
class OpenFile:
    """A regular file, open for reading at `fd`, or a directory."""

    stat: os.stat_result
    fd: int = -1
    """The caller closes it; -1 for a directory."""

    @property
    def directory(self) -> bool:
        """Whether it is a directory."""
        return self.fd < 0


class Tree:
    """The files below `root`; `symlinks` says which links are followed."""

    def __init__(self, root: str | os.PathLike[str], symlinks: Symlinks = "inside") -> None:
        self._root = os.fsencode(root)
        self._symlinks = symlinks

    def path(self, names: Names) -> bytes:
        """The path of `names`, links not resolved."""
        return b"/".join((self._root, *names))

    def find(self, names: Names) -> OpenFile:
        """The file or directory `names`; Missing, Forbidden, or OSError for a disk fault."""
        with _translated():
            if self._symlinks == "all":
                return _open(self.path(names))
            return self._resolving(self._walk, names)

    def scan(self, names: Names) -> Listing:
        """The entries of the directory `names` that a URL can name; errors as for `find`."""
        with _translated():
            directory = self._readable(names)
            try:
                # One more than allowed tells whether the listing is complete.
                entries = tuple(islice(self._entries(directory, names), MAX_ENTRIES + 1))
                return Listing(entries[:MAX_ENTRIES], len(entries) <= MAX_ENTRIES)
            finally:
                os.close(directory)

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
        directory = os.open(self._root, _DIRECTORY)
        for name in names:
            try:
                child = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            finally:
                os.close(directory)
            directory = child
        return directory

    def _resolving(self, function: Callable[[Names], _T], names: Names) -> _T:
        """`function(names)`; again with all links resolved, if one is on the way."""
        try:
            return function(names)
        except OSError as error:
            if self._symlinks == "none" or error.errno not in (ELOOP, ENOTDIR):
                raise
            return function(self._real(names))

    def _real(self, names: Names) -> Names:
        """The names without links, to be walked again; Missing when they leave the root."""
        root = os.path.realpath(self._root).rstrip(b"/")
        real = os.path.realpath(self.path(names), strict=True)
        if real != root and not real.startswith(root + b"/"):
            raise Missing
        return tuple(real[len(root) + 1 :].split(b"/")) if real != root else ()

    def _readable(self, names: Names) -> int:
        """A readable descriptor of the directory `names`."""
        if self._symlinks == "all":
            return os.open(self.path(names), _READ)
        directory = self._resolving(self._descend, names)
        try:
            return os.open(b".", _READ, dir_fd=directory)
        finally:
            os.close(directory)

    def _entries(self, directory: int, names: Names) -> Iterator[Entry]:
        with os.scandir(directory) as entries:
            for entry in entries:
                name = os.fsencode(entry.name)
                if not servable(name, not names):
                    continue
                try:
                    stat = (
                        self._linked((*names, name))
                        if entry.is_symlink()
                        else entry.stat(follow_symlinks=False)
                    )
                except (OSError, Missing, Forbidden):
                    # Deleted meanwhile, or a link to nothing that may be listed.
                    continue
                if S_ISREG(stat.st_mode) or S_ISDIR(stat.st_mode):
                    yield Entry(name, S_ISDIR(stat.st_mode), stat.st_size, stat.st_mtime)

    def _linked(self, names: Names) -> os.stat_result:
        file = self.find(names)
        if not file.directory:
            os.close(file.fd)
        return file.stat


def _open(path: bytes, parent: int | None = None) -> OpenFile:
    """The file at `path` below `parent`; links are followed only without a `parent`."""
    follow = parent is None
    stat = os.stat(path, dir_fd=parent, follow_symlinks=follow)
    if S_ISLNK(stat.st_mode):
        raise OSError(ELOOP, os.strerror(ELOOP))
    if S_ISDIR(stat.st_mode):
        return OpenFile(stat)
    # Merely opening some devices has effects.
    if not S_ISREG(stat.st_mode):
        raise Missing
    fd = os.open(path, _FILE if follow else _FILE | os.O_NOFOLLOW, dir_fd=parent)
    # Another file may have taken its place since.
    stat = os.fstat(fd)
    if not S_ISREG(stat.st_mode):
        os.close(fd)
        raise Missing
    return OpenFile(stat, fd)


def open_file(path: bytes) -> OpenFile:
    """The file at `path`, links followed and nothing checked; Missing for every error."""
    try:
        fd = os.open(path, _FILE)
    except OSError as error:
        raise Missing from error
    return OpenFile(os.fstat(fd), fd)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn kernel errors that a client causes into Missing and Forbidden."""
    try:
        yield
    except OSError as error:
        if error.errno in _ABSENT:
            raise Missing from error
        if error.errno in (EACCES, EPERM):
            raise Forbidden from error
        raise
