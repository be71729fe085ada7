"""
The end of the daemon when its standard input ends (--until-eof).

A starter that holds the other end of a pipe cannot leave a daemon behind,
however it dies: the kernel closes the pipe.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from threading import Thread
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

_log = Logger()

_PIECE: Final = 65_536


@implementer(IReadDescriptor)
class UntilEOF(Service):
    """Reads and ignores the `descriptor`, and calls `end` once when it has no more."""

    def __init__(
        self,
        reactor: Any,
        end: Callable[[], object],
        *,
        descriptor: int = 0,
        # Windows polls sockets only.
        pollable: bool = sys.platform != "win32",
    ) -> None:
        self._reactor = reactor
        self._end = end
        self._descriptor = descriptor
        self._pollable = pollable

    def startService(self) -> None:
        """Watch the descriptor as soon as the reactor runs."""
        Service.startService(self)
        self._reactor.callWhenRunning(self._watch)

    def stopService(self) -> None:
        """Watch no more; a thread that reads ends with the process."""
        if self.running and self._pollable:
            self._reactor.removeReader(self)
        Service.stopService(self)

    def _watch(self) -> None:
        if not self.running:
            return
        if self._pollable:
            self._reactor.addReader(self)
        else:
            Thread(target=self._read_all, name="until-eof", daemon=True).start()

    def _read_all(self) -> None:
        while self._read():
            pass
        self._reactor.callFromThread(self._ended)

    def _read(self) -> bool:
        """Read what there is; whether there may be more."""
        try:
            return bool(os.read(self._descriptor, _PIECE))
        # A terminal that is gone, or an input that was never open, is at its end too.
        except OSError:
            return False

    def _ended(self) -> None:
        if self.running:
            _log.info("standard input has ended, and so does netd (--until-eof)")
            self._end()

    # IReadDescriptor

    def fileno(self) -> int:
        """The descriptor that is read."""
        return self._descriptor

    def logPrefix(self) -> str:
        """What Twisted's log calls it."""
        return "until-eof"

    def doRead(self) -> None:
        """Take what has arrived."""
        if not self._read():
            self._reactor.removeReader(self)
            self._ended()

    def connectionLost(self, reason: object) -> None:
        """The reactor can watch no more."""
        self._ended()
