"""
A file's bytes on their way to a client: by the kernel alone where that is possible.

Rules: knows descriptors and one request, no names.  Exactly the bytes that were
promised leave, or the connection is cut; in the end the descriptor is closed
and no timer is left.

On plain TCP under netd's own engine `os.sendfile` moves the bytes, at most
`BURST` a reactor turn; elsewhere (TLS, a foreign site) they are read and written.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable
from errno import EHOSTUNREACH, EINVAL, ENETDOWN, ENETUNREACH, ENOSYS, ENOTSUP, EOPNOTSUPP
from fcntl import ioctl
from math import inf
from termios import TIOCOUTQ
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from netd.http.ranges import Part, Span
from netd.http.request import Request
from netd.transport.tcp import settled, unsent

_log = Logger()

BURST: Final = 2 * 1024 * 1024
"""Bytes of one transfer in one reactor turn, so that small answers beside it need not wait."""
_CHUNK: Final = 128 * 1024
"""Bytes that are read and written at a time where sendfile is not."""
# A file system may have no sendfile for its files.
_CANNOT: Final = frozenset({EINVAL, ENOSYS, ENOTSUP, EOPNOTSUPP})
_UNREACHABLE: Final = frozenset({EHOSTUNREACH, ENETUNREACH, ENETDOWN})


def read(fd: int, parts: Iterable[Part]) -> bytes | None:
    """All of `parts` at once; None when the file is shorter than they say."""
    pieces = []
    for part in parts:
        if isinstance(part, bytes):
            pieces.append(part)
        else:
            data = os.pread(fd, part.length, part.start)
            if len(data) < part.length:
                return None
            pieces.append(data)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def socket_of(request: Any) -> Connection | None:
    """The transport whose socket takes a file directly; None where that would be wrong."""
    if not isinstance(request, Request) or not hasattr(os, "sendfile"):
        return None
    transport = request.transport
    if isinstance(transport, Connection) and not transport.TLS:
        return transport
    return None


@implementer(IPushProducer)
class Sender:
    """
    Sends `parts` of the file open at `fd` as the body of `request`, and finishes it.

    The head has to be set, Content-Length included.  `fd` is taken over.  A
    client that takes nothing for `stall` seconds is cut off.
    """

    def __init__(
        self,
        request: Any,
        fd: int,
        parts: Iterable[Part],
        clock: IReactorTime,
        *,
        stall: float = inf,
        zero_copy: bool = True,
    ) -> None:
        self._request = request
        self._fd = fd
        self._parts = list(reversed(list(parts)))
        self._clock = clock
        self._stall = stall
        self._zero_copy = zero_copy
        self._socket: Connection | None = None
        self._sent = 0
        self._taken: int | None = None
        self._paused = False
        self._running = False
        self._stands_in = False
        self._next: IDelayedCall | None = None
        self._watch: IDelayedCall | None = None

    def start(self) -> None:
        """Send the head and what the client takes at once; the rest follows by itself."""
        request = self._request
        request.notifyFinish().addErrback(self._left)
        request.registerProducer(self, True)
        request.write(b"")
        if self._zero_copy:
            self._socket = socket_of(request)
        self._run()
        if self._fd >= 0 and self._socket is not None and self._stall < inf:
            self._watch = self._clock.callLater(self._stall, self._look)

    def pauseProducing(self) -> None:
        """The client is slower than we are."""
        self._paused = True

    def resumeProducing(self) -> None:
        """The client has caught up."""
        self._paused = False
        if self._next is None:
            self._run()

    def stopProducing(self) -> None:
        """The client is gone."""
        self._close()

    def _left(self, _: Failure) -> None:
        self._close()

    def _run(self) -> None:
        # A write may pause or resume us before it returns.
        if self._running or self._fd < 0:
            return
        self._running = True
        try:
            self._turn()
        except OSError as error:
            self._broke(error)
        finally:
            self._running = False

    def _turn(self) -> None:
        """At most a burst; ends with the answer done, or with a way to be called again."""
        room = BURST
        while self._parts and room > 0 and not self._paused:
            part = self._parts.pop()
            if isinstance(part, bytes):
                self._request.write(part)
            else:
                moved = self._move(part, room)
                room = room - moved if moved else 0
                if moved < part.length:
                    self._parts.append(Span(part.start + moved, part.stop))
            # Whatever was called may have found the client gone.
            if self._fd < 0:
                return
        if not self._parts:
            self._finish()
        elif self._socket is not None:
            self._wait(self._socket)
        elif not self._paused:
            self._next = self._clock.callLater(0, self._again)

    def _wait(self, socket: Connection) -> None:
        """Be called again as soon as the socket takes more."""
        if unsent(socket):
            # By the transport, once it has nothing left of its own.
            self._stand_down()
            socket.producerPaused = True
            socket.startWriting()
        elif not self._stands_in:
            # By the reactor, in the transport's place: saves it an empty write and two
            # changes of what it waits for, each time.
            self._stands_in = True
            socket.__dict__["doWrite"] = self._run
            socket.startWriting()

    def _stand_down(self) -> None:
        """Give the transport its place back."""
        if self._stands_in and self._socket is not None:
            self._stands_in = False
            del self._socket.__dict__["doWrite"]
            self._socket.stopWriting()

    def _again(self) -> None:
        self._next = None
        if not self._paused:
            self._run()

    def _move(self, span: Span, room: int) -> int:
        """Send the beginning of `span`; how much of it, 0 when the client takes nothing now."""
        if self._socket is None:
            data = os.pread(self._fd, min(span.length, room, _CHUNK), span.start)
            if data:
                self._request.write(data)
            moved = len(data)
        else:
            # Nothing may overtake what the transport still holds.
            self._request.flush()
            if not settled(self._socket):
                return 0
            try:
                moved = os.sendfile(
                    self._socket.fileno(), self._fd, span.start, min(span.length, room)
                )
            except BlockingIOError:
                return 0
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
                self._stand_down()
                self._socket = None
                return self._move(span, room)
            self._request.sentOutside(moved)
        if not moved:
            self._cut()
        self._sent += moved
        return moved

    def _finish(self) -> None:
        request = self._request
        self._close()
        request.unregisterProducer()
        request.finish()

    def _cut(self) -> None:
        """The file is shorter than was promised: only the end of the connection can say so."""
        self._close()
        self._request.transport.abortConnection()

    def _broke(self, error: OSError) -> None:
        socket = self._socket
        if socket is not None and (
            isinstance(error, (ConnectionError, TimeoutError)) or error.errno in _UNREACHABLE
        ):
            # The reactor notices as well, and knows how to tell everyone.
            self._close()
            socket.startWriting()
            return
        _log.error("while sending a file: {error}", error=error)
        self._cut()

    def _look(self) -> None:
        """Whether the client has taken anything since the last look."""
        self._watch = None
        socket = self._socket
        if socket is None:
            # What is written instead has its own watch.
            return
        queued = _queued(socket)
        taken = None if queued is None else self._sent - queued
        if taken is not None and taken == self._taken:
            self._cut()
            return
        self._taken = taken
        self._watch = self._clock.callLater(self._stall, self._look)

    def _close(self) -> None:
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        self._stand_down()
        for timer in (self._next, self._watch):
            if timer is not None:
                timer.cancel()
        self._next = self._watch = None


def _queued(socket: Connection) -> int | None:
    """Bytes in the kernel that the client has not acknowledged; None where nobody knows."""
    found = array("i", [0])
    try:
        ioctl(socket.fileno(), TIOCOUTQ, found)
    except OSError:
        return None
    return found[0]
