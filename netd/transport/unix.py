"""
Sockets with a path instead of a port.

Rules: knows no protocol.  A path is taken over only when nobody answers there,
and removed only while it is still ours.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import Any, TypeAlias

from twisted.internet.unix import Port

Identity: TypeAlias = tuple[int, int]
"""Device and inode."""


def bind(sock: socket.socket, path: str, mode: int) -> Identity:
    """Bind `sock` to `path`, where `mode` says who may connect; OSError when it cannot be."""
    if len(os.fsencode(path)) > 107:
        # Python's own exception has no strerror.
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    _clear(path)
    # Nobody gets in before the mode is right.
    before = os.umask(0o777)
    try:
        sock.bind(path)
    finally:
        os.umask(before)
    os.chmod(path, mode)
    return _identity(path)


def port(
    sock: socket.socket, factory: Any, mode: int | None, backlog: int, reactor: Any
) -> Any:
    """
    A port of Twisted's on `sock`, which is bound, and of which it keeps a copy of its own.

    Without a mode the file is somebody else's, and stays as it is.

    Not by `adoptStreamPort`, which would open the file to everybody and
    shorten the queue.
    """
    made: Any = Port._fromListeningDescriptor(reactor, sock.fileno(), factory)
    if mode is None:
        # Under an abstract name, where there is no file, Twisted changes and removes none.
        made._bindPath = b"\0" + os.fsencode(made._bindPath)
        # Nor would others who have the socket get another connection.
        made._shouldShutdown = False
    else:
        made.mode = mode
    made.backlog = backlog
    made.startListening()
    return made


def remove(path: str, identity: Identity) -> None:
    """Remove `path`, unless it is somebody else's by now."""
    with contextlib.suppress(OSError):
        if _identity(path) == identity:
            os.unlink(path)


def _identity(path: str) -> Identity:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def _clear(path: str) -> None:
    """Remove a socket that was left behind."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
            except BlockingIOError:
                # Somebody listens, with a full queue.
                pass
