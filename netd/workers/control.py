"""
The supervisor's end of the control socket, over which a template starts workers.

Rules: knows the words of `netd.workers.template`, and not what is to be done about them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

_MAX_BYTES = 4096


@implementer(IReadDescriptor)
class Control:
    """
    Gives each message of the template to `received`, word by word.

    `lost` is called once, when the template is gone.
    """

    def __init__(
        self,
        reactor: Any,
        sock: socket.socket,
        received: Callable[[list[str]], object],
        lost: Callable[[], object],
    ) -> None:
        self._reactor = reactor
        self._sock = sock
        self._received = received
        self._lost = lost
        reactor.addReader(self)

    def send(self, message: str, descriptor: int | None = None) -> None:
        """Send a message, with a descriptor or without; a template that is gone gets none."""
        try:
            socket.send_fds(
                self._sock, [message.encode()], [] if descriptor is None else [descriptor]
            )
        except OSError:
            # `lost` follows.
            return

    def close(self) -> None:
        """End the template; `lost` follows."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def fileno(self) -> int:
        """The descriptor."""
        return self._sock.fileno()

    def logPrefix(self) -> str:
        """For Twisted's log lines."""
        return "template"

    def doRead(self) -> None:
        """Take the messages that have come."""
        while True:
            try:
                message = self._sock.recv(_MAX_BYTES)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self.connectionLost()
                return
            self._received(message.decode().split())

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The template is gone."""
        if self._sock.fileno() >= 0:
            self._reactor.removeReader(self)
            self._sock.close()
            self._lost()


def reap_orphans(template_pid: int) -> None:
    """As process 1 of a container, wait for processes whose parents are gone."""
    if os.getpid() != 1:
        return
    with suppress(ChildProcessError):
        while True:
            info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if info is None or info.si_pid == template_pid:
                return
            os.waitpid(info.si_pid, 0)
