"""
The producer of a response body that is a file, sent by the kernel where that is possible.

Rules: knows descriptors and one request, no names.  Exactly the promised bytes are sent,
or the connection is aborted; in the end the descriptor is closed and no timer is left.

Over plain TCP `os.sendfile` moves at most `BURST` bytes a reactor turn; over TLS the file
is read and written.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Sequence
from errno import EHOSTUNREACH, EINVAL, ENETDOWN, ENETUNREACH, ENOSYS, ENOTSUP, EOPNOTSUPP
from fcntl import ioctl
from math import inf
from termios import TIOCOUTQ
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from zope.interface import implementer

from netd.http.ranges import ByteRange, Part, length
from netd.http.request import Request
from netd.transport import private
from netd.transport.tcp import TCPTransport, bytes_unsent, flush

_log = Logger()

BURST: Final = 2 * 1024 * 1024
"""Bytes of one transfer in one reactor turn, so that small responses need not wait for it."""
_CHUNK: Final = 128 * 1024
"""Bytes of one read without sendfile."""
# A file system may not support sendfile.
_UNSUPPORTED: Final = frozenset({EINVAL, ENOSYS, ENOTSUP, EOPNOTSUPP})
_SUPPORTED: Final = hasattr(os, "sendfile") and private.SENDFILE.missing() is None
_UNREACHABLE: Final = frozenset({EHOSTUNREACH, ENETUNREACH, ENETDOWN})


def read(fd: int, parts: Sequence[Part]) -> bytes | None:
    """The bytes of `parts`; None when the file is too short for them."""
    pieces = [
        part if isinstance(part, bytes) else os.pread(fd, part.length, part.start)
        for part in parts
    ]
    body = b"".join(pieces)
    return body if len(body) == length(parts) else None


def send_at_once(request: Request, fd: int, size: int) -> int:
    """Send the header, which has begun, and what the kernel takes of `size` bytes at `fd`."""
    transport = request.transport
    if not _SUPPORTED or request.isSecure() or not isinstance(transport, TCPTransport):
        return 0
    if not flush(transport):
        return 0
    try:
        sent = os.sendfile(transport.fileno(), fd, 0, size)
    except OSError:
        # The producer of the rest meets the same error, or the socket was only full.
        return 0
    request.sentOutside(sent)
    return sent


@implementer(IPushProducer)
class FileProducer:
    """
    Sends `parts` of the file open at `fd` as the body of `request`, and finishes it.

    The caller has set status and fields, Content-Length included, and gives up `fd`.  A
    client that acknowledges nothing for `stall` seconds is disconnected.
    """

    def __init__(
        self,
        request: Request,
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
        self._zero_copy = zero_copy and _SUPPORTED
        self._socket: Connection | None = None
        self._sent = 0
        self._acknowledged: int | None = None
        self._paused = False
        self._running = False
        self._replaces_writer = False
        self._next_turn: IDelayedCall | None = None
        self._stall_check: IDelayedCall | None = None

    def start(self) -> None:
        """Send the head and what the client takes at once; the rest follows by itself."""
        request = self._request
        request.write(b"")
        transport = request.transport
        # The kernel may write a file to the socket of plain TCP only.
        if self._zero_copy and isinstance(transport, Connection) and not request.isSecure():
            self._socket = transport
            # Often it takes everything, and there is nothing to pace.
            self._run()
            if self._fd < 0:
                return
        request.notifyFinish().addErrback(lambda _: self._close())
        request.registerProducer(self, True)
        if self._socket is None:
            self._run()
        elif self._stall < inf:
            self._stall_check = self._clock.callLater(self._stall, self._check_progress)

    def pauseProducing(self) -> None:
        """Send nothing until `resumeProducing`."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Go on sending."""
        self._paused = False
        if self._next_turn is None:
            self._run()

    def stopProducing(self) -> None:
        """Close the file: the client has disconnected."""
        self._close()

    def _run(self) -> None:
        # A write may pause or resume this producer before it returns.
        if self._running or self._fd < 0:
            return
        self._running = True
        self._next_turn = None
        try:
            self._send_burst()
        except OSError as error:
            self._failed(error)
        finally:
            self._running = False

    def _send_burst(self) -> None:
        """Send at most a burst; then finish, or arrange for the next call."""
        room = BURST
        while self._parts and room > 0 and not self._paused:
            part = self._parts.pop()
            if isinstance(part, bytes):
                self._request.write(part)
            else:
                sent = self._send(part, room)
                room = room - sent if sent else 0
                if sent < part.length:
                    self._parts.append(ByteRange(part.start + sent, part.stop))
            # A write may have closed the file, if the client has disconnected.
            if self._fd < 0:
                return
        if not self._parts:
            self._close()
            self._request.unregisterProducer()
            self._request.finish()
        elif self._socket is not None:
            self._wait_until_writable(self._socket)
        elif not self._paused:
            self._next_turn = self._clock.callLater(0, self._run)

    def _wait_until_writable(self, socket: Connection) -> None:
        """Arrange for a call when the socket takes more."""
        if bytes_unsent(socket):
            # The transport calls resumeProducing once its own buffer is empty.
            self._restore_writer()
            socket.producerPaused = True
            socket.startWriting()
        elif not self._replaces_writer:
            # The reactor calls _run in place of the transport, which saves an empty write
            # and two changes of the descriptor's interest set each time.
            self._replaces_writer = True
            socket.__dict__["doWrite"] = self._run
            socket.startWriting()

    def _restore_writer(self) -> None:
        """Let the reactor call the transport's own doWrite again."""
        if self._replaces_writer and self._socket is not None:
            self._replaces_writer = False
            del self._socket.__dict__["doWrite"]
            self._socket.stopWriting()

    def _send(self, part: ByteRange, room: int) -> int:
        """Send the beginning of `part`; the number of bytes, 0 when the socket is full."""
        count = min(part.length, room)
        if self._socket is None:
            data = os.pread(self._fd, min(count, _CHUNK), part.start)
            if data:
                self._request.write(data)
            sent = len(data)
        else:
            # The kernel must not overtake bytes that the transport still holds.
            self._request.flush()
            if not flush(self._socket):
                return 0
            try:
                sent = os.sendfile(self._socket.fileno(), self._fd, part.start, count)
            except BlockingIOError:
                return 0
            except OSError as error:
                if error.errno not in _UNSUPPORTED:
                    raise
                self._restore_writer()
                self._socket = None
                return 0
            self._request.sentOutside(sent)
        if not sent:
            # The file has become shorter: only an aborted connection can say so.
            self._abort()
        self._sent += sent
        return sent

    def _abort(self) -> None:
        self._close()
        self._request.transport.abortConnection()

    def _failed(self, error: OSError) -> None:
        """Close the file after a socket error; abort the connection after a disk error."""
        socket = self._socket
        if socket is not None and (
            isinstance(error, (ConnectionError, TimeoutError)) or error.errno in _UNREACHABLE
        ):
            self._close()
            # The transport meets the same error and reports the lost connection.
            socket.startWriting()
            return
        _log.error("while sending a file: {error}", error=error)
        self._abort()

    def _check_progress(self) -> None:
        """Abort if the client has acknowledged nothing since the last check."""
        self._stall_check = None
        socket = self._socket
        if socket is None:
            # The connection's own time limit covers bytes that are written to it.
            return
        queued = _unacknowledged(socket)
        acknowledged = None if queued is None else self._sent - queued
        if acknowledged is not None and acknowledged == self._acknowledged:
            self._abort()
            return
        self._acknowledged = acknowledged
        self._stall_check = self._clock.callLater(self._stall, self._check_progress)

    def _close(self) -> None:
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        self._restore_writer()
        for timer in (self._next_turn, self._stall_check):
            if timer is not None:
                timer.cancel()
        self._next_turn = self._stall_check = None


def _unacknowledged(socket: Connection) -> int | None:
    """Sent bytes that the client has not acknowledged; None where the kernel cannot tell."""
    count = array("i", [0])
    try:
        ioctl(socket.fileno(), TIOCOUTQ, count)
    except OSError:
        return None
    return count[0]
