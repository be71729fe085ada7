"""
One end of the socket between the supervisor and a worker.

Rules: knows neither; `handle` says what a message means.
"""

from __future__ import annotations

import itertools
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import Int32StringReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from netd.workers import messages
from netd.workers.messages import Envelope, Response

_log = Logger()

MAX_WAITING: Final = 256 * 1024
"""Bytes of log lines that wait for the other end; further ones are lost."""


@implementer(IPushProducer)
class Link(Int32StringReceiver):
    """
    Sends messages and takes those of the other end.

    `handle` gets each message; what it returns, or what its Deferred fires with, goes
    back to an `ask`.  `lost` is called once when the other end is gone.
    """

    transport: Any
    MAX_LENGTH = messages.MAX_BYTES

    def __init__(self, handle: Callable[[object], object], lost: Callable[[], object]) -> None:
        self._handle = handle
        self._lost = lost
        self._numbers = itertools.count(1)
        self._asked: dict[int, Deferred[object]] = {}
        self._paused = True
        self._closed = False
        self._waiting: deque[bytes] = deque()
        self._size = 0

    def connectionMade(self) -> None:
        """Send what waits."""
        self.transport.registerProducer(self, True)
        self.resumeProducing()

    def send(self, message: object) -> None:
        """Send a message that asks for nothing."""
        self._send(messages.pack(Envelope(message)))

    def offer(self, message: object) -> bool:
        """Send a message, now or soon; False when it is lost, as too much waits."""
        if not self._paused:
            self.send(message)
            return True
        data = messages.pack(Envelope(message))
        if self._size + len(data) > MAX_WAITING:
            return False
        self._waiting.append(data)
        self._size += len(data)
        return True

    def ask(self, message: object) -> Deferred[object]:
        """Send a message; fires with what the other end returns, fails when that is gone."""
        if self._closed:
            return fail(ConnectionLost())
        number = next(self._numbers)
        self._asked[number] = asked = Deferred[object]()
        self._send(messages.pack(Envelope(message, number)))
        return asked

    def stringReceived(self, string: bytes) -> None:
        """Give a message to `handle`, or a response to who asked."""
        received = messages.unpack(string)
        if isinstance(received, Response):
            asked = self._asked.pop(received.number, None)
            if asked is not None:
                asked.callback(received.value)
            return
        done = maybeDeferred(self._handle, received.message)
        if received.number:
            done.addCallback(self._respond, received.number)
        done.addErrback(lambda failure: _log.failure("a message failed", failure))

    def _respond(self, value: object, number: int) -> None:
        if not self._closed:
            self._send(messages.pack(Response(value, number)))

    def _send(self, data: bytes) -> None:
        self.sendString(data)  # type: ignore[no-untyped-call]  # Twisted has no types there

    def pauseProducing(self) -> None:
        """Keep log lines: the other end is slow."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Send the lines that wait."""
        self._paused = False
        while self._waiting and not self._paused:
            data = self._waiting.popleft()
            self._size -= len(data)
            self._send(data)

    def stopProducing(self) -> None:
        """No-op: `connectionLost` follows."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fail what was asked."""
        self._closed = True
        self._lost()
        asked, self._asked = self._asked, {}
        for each in asked.values():
            each.errback(ConnectionLost())


class _Factory(Factory):
    """Builds the one link that it was given."""

    noisy = False

    def __init__(self, link: Link) -> None:
        self._link = link

    def buildProtocol(self, addr: object) -> Link:
        return self._link


def adopt(reactor: Any, sock: socket.socket, link: Link) -> None:
    """Let `link` use `sock`, one end of a pair of stream sockets, which is closed."""
    sock.setblocking(False)
    reactor.adoptStreamConnection(sock.fileno(), socket.AF_UNIX, _Factory(link))
    sock.close()
