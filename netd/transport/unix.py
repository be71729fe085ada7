"""
UNIX sockets, with a path instead of a port.

Rules: a path is replaced only if no process listens there, and removed only if it is ours.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import Any, Final, TypeAlias, cast

from twisted.internet.interfaces import IListeningPort, IProtocolFactory

FAMILY: Final[int] = getattr(socket, "AF_UNIX", -1)
"""The family of UNIX sockets; -1, which is none, where there are none."""

# Device and inode.
Identity: TypeAlias = tuple[int, int]


def bind(sock: socket.socket, path: str, mode: int) -> Identity:
    """Bind `sock` to `path` with file permissions `mode`; OSError when that fails."""
    if len(os.fsencode(path)) > 107:
        # The exception of `socket.bind` has no strerror.
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    _clear(path)
    # No client can connect before the mode is set.
    umask = os.umask(0o777)
    try:
        sock.bind(path)
    finally:
        os.umask(umask)
    os.chmod(path, mode)
    return _identity(path)


def port(
    sock: socket.socket,
    factory: IProtocolFactory,
    mode: int | None,
    backlog: int,
    reactor: object,
) -> IListeningPort:
    """Twisted's port on the bound `sock`; without `mode` the file is another process's."""
    # Not there on Windows.
    from twisted.internet.unix import Port

    # adoptStreamPort would let all users connect, and shorten the queue.
    listening: Any = Port._fromListeningDescriptor(reactor, sock.fileno(), factory)
    if mode is None:
        # Twisted neither changes nor removes a file with an abstract name.
        listening._bindPath = b"\0" + os.fsencode(listening._bindPath)
        # A shutdown would affect the other processes that have the socket.
        listening._shouldShutdown = False
    else:
        listening.mode = mode
    listening.backlog = backlog
    listening.startListening()
    return cast(IListeningPort, listening)


def remove(path: str, identity: Identity) -> None:
    """Remove `path`, unless another process has replaced it."""
    with contextlib.suppress(OSError):
        if _identity(path) == identity:
            os.unlink(path)


def _identity(path: str) -> Identity:
    status = os.lstat(path)
    return status.st_dev, status.st_ino


def _clear(path: str) -> None:
    """Remove a socket that no process listens on."""
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
                # A process listens, with a full queue.
                pass
