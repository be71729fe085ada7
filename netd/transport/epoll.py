"""
A faster dispatch of events for the epoll reactor, and one batch of writes a turn.

Rules: optional; on other reactors, and for events other than plain input, Twisted's
own dispatch runs.

Twisted wraps every event in `log.callWithLogger`, for a prefix that netd's log lines do
not need.  A send that wakes a sleeping reader costs more than all other work for a small
response; several sends in a row wake the reader once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.logger import Logger
from twisted.python import log

from netd.transport import private

_log = Logger()

EVENTS: Final = 128
"""Descriptors served in one turn; the others come first in the next, timers in between."""
BATCH: Final = 32
"""Writers in one batch; the first waits no longer than the work for this many takes."""


class Flushable(Protocol):
    """Something that has bytes to send."""

    def flush(self) -> None:
        """Send them."""


class WriteBatch:
    """The writers of one turn; a reactor has one as its attribute `write_batch`."""

    __slots__ = ("_writers",)

    def __init__(self) -> None:
        self._writers: list[Flushable] = []

    def add(self, writer: Flushable) -> None:
        """Flush `writer` once, at the end of this turn or after `BATCH` others."""
        self._writers.append(writer)
        if len(self._writers) >= BATCH:
            self.flush()

    def flush(self) -> bool:
        """Flush every writer, whatever exception one raises; returns whether there was any."""
        if not self._writers:
            return False
        while self._writers:
            writers, self._writers = self._writers, []
            for writer in writers:
                try:
                    writer.flush()
                except Exception:
                    _log.failure("while sending for {writer!r}", writer=writer)
        return True


def _forgetting(epoll: Any) -> Callable[[int], None]:
    """What lets `epoll` forget a descriptor."""
    selectables, reads, writes = epoll._selectables, epoll._reads, epoll._writes

    def forget(descriptor: int) -> None:
        """Dispatch nothing for `descriptor`, which is closed now: so the kernel forgets it."""
        reads.discard(descriptor)
        writes.discard(descriptor)
        selectables.pop(descriptor, None)

    return forget


def fast_dispatch(reactor: object) -> bool:
    """Install the dispatch in `reactor` if that is an epoll reactor; returns whether it is."""
    try:
        from select import EPOLLIN

        from twisted.internet.epollreactor import EPollReactor
    except ImportError:
        return False
    if type(reactor) is not EPollReactor or private.DISPATCH.missing():
        return False
    epoll = reactor
    wait = epoll._poller.poll
    selectables = epoll._selectables
    write_batch = WriteBatch()
    # Transports look for these there.
    vars(epoll).update(write_batch=write_batch, forget=_forgetting(epoll))

    def turn(timeout: float | None) -> None:
        if write_batch.flush() and timeout != 0:
            # A flush may have scheduled a call.
            timeout = epoll.timeout()
        try:
            events = wait(-1 if timeout is None else timeout, EVENTS)
        except InterruptedError:
            return
        for descriptor, event in events:
            selectable = selectables.get(descriptor)
            if selectable is None:
                # An earlier event of this turn closed the descriptor.
                continue
            if event != EPOLLIN:
                log.callWithLogger(
                    selectable, epoll._doReadOrWrite, selectable, descriptor, event
                )
                continue
            try:
                reason = selectable.doRead()
            except Exception:
                _log.failure("while reading from {selectable!r}", selectable=selectable)
                reason = sys.exc_info()[1]
            if reason:
                epoll._disconnectSelectable(selectable, reason, True)
        write_batch.flush()

    # The main loop looks the method up on the instance at each turn.
    epoll.doIteration = turn  # type: ignore[method-assign]  # as epollreactor does
    return True
