"""
A faster dispatch of events for the epoll reactor, and one batch of writes a turn.

A new connection is read once before the kernel is asked to watch it: mostly its request is
there, and often the response ends the connection, which is then never watched.

Rules: optional; on other reactors, and for events other than plain input, Twisted's
own dispatch runs.

Twisted wraps every event in `log.callWithLogger`, for a prefix that netd's log lines do
not need.  A send that wakes a sleeping reader costs more than all other work for a small
response; several sends in a row wake the reader once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import chain
from typing import Any, Final, Protocol

from twisted.logger import Logger
from twisted.python import log

from netd.transport import private

_log = Logger()

EVENTS: Final = 128
"""
Descriptors served in one turn, besides as many new ones; the others come first in the next,
timers in between.
"""
BATCH: Final = 32
"""Writers in one batch; the first waits no longer than the work for this many takes."""


class Flushable(Protocol):
    """Something that has bytes to send."""

    def flush(self) -> None:
        """Send them."""


class Newcomer(Protocol):
    """The transport of a new connection."""

    disconnecting: bool | int

    def fileno(self) -> int:
        """The descriptor."""

    def doRead(self) -> object:
        """Read; why the connection is to be closed, or None."""


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


class _Newcomers:
    """New connections that the kernel does not watch yet; `epoll` reads them in this turn."""

    def __init__(self, epoll: Any, readable: int) -> None:
        self._epoll = epoll
        self._readable = readable
        self.events: list[tuple[int, int]] = []
        """What the kernel would say of them, if each has input."""
        self.by_descriptor: dict[int, Newcomer] = {}
        """Those that are neither closed nor paused."""
        self._remove_reader = epoll.removeReader

    def admit(self, transport: Newcomer) -> None:
        """Read `transport`; the first `EVENTS` of a turn without asking the kernel."""
        if len(self.events) >= EVENTS:
            self._epoll.addReader(transport)
            return
        descriptor = transport.fileno()
        self.by_descriptor[descriptor] = transport
        self.events.append((descriptor, self._readable))

    def removeReader(self, reader: Any) -> None:
        """Read `reader` no more; takes the place of the reactor's method."""
        if self.by_descriptor:
            self.by_descriptor.pop(reader.fileno(), None)
        self._remove_reader(reader)

    def watch(self) -> None:
        """Let the kernel watch those that are still open, at the end of a turn."""
        if not self.events:
            return
        transports = tuple(self.by_descriptor.values())
        self.by_descriptor.clear()
        self.events.clear()
        for transport in transports:
            if not transport.disconnecting:
                self._epoll.addReader(transport)


def _forgetting(epoll: Any, newcomers: dict[int, Newcomer]) -> Callable[[int], None]:
    """What lets `epoll` forget a descriptor."""
    selectables, reads, writes = epoll._selectables, epoll._reads, epoll._writes

    def forget(descriptor: int) -> None:
        """Dispatch nothing for `descriptor`, which is closed now: so the kernel forgets it."""
        newcomers.pop(descriptor, None)
        reads.discard(descriptor)
        writes.discard(descriptor)
        selectables.pop(descriptor, None)

    return forget


def _turn(
    epoll: Any, write_batch: WriteBatch, newcomers: _Newcomers, readable: int
) -> Callable[[float | None], None]:
    """What takes the place of the reactor's `doIteration`."""
    wait = epoll._poller.poll
    selectables = epoll._selectables
    newcomer, events_of_newcomers = newcomers.by_descriptor.get, newcomers.events

    def turn(timeout: float | None) -> None:
        if write_batch.flush() and timeout != 0:
            # A flush may have scheduled a call.
            timeout = epoll.timeout()
        if events_of_newcomers:
            timeout = 0
        try:
            events = wait(-1 if timeout is None else timeout, EVENTS)
        except InterruptedError:
            return
        # The list of the newcomers grows meanwhile.
        for descriptor, event in chain(events, events_of_newcomers):
            selectable = selectables.get(descriptor) or newcomer(descriptor)
            if selectable is None:
                # An earlier event of this turn closed the descriptor.
                continue
            if event != readable:
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
        newcomers.watch()
        write_batch.flush()

    return turn


def fast_dispatch(reactor: object) -> bool:
    """Install the dispatch in `reactor` if that is an epoll reactor; returns whether it is."""
    try:
        from select import EPOLLIN

        from twisted.internet.epollreactor import EPollReactor
    except ImportError:
        return False
    if type(reactor) is not EPollReactor or private.DISPATCH.missing():
        return False
    write_batch = WriteBatch()
    newcomers = _Newcomers(reactor, EPOLLIN)
    # Transports look for these there.
    vars(reactor).update(
        write_batch=write_batch,
        admit=newcomers.admit,
        removeReader=newcomers.removeReader,
        forget=_forgetting(reactor, newcomers.by_descriptor),
    )
    # The main loop looks the method up on the instance at each turn.
    reactor.doIteration = _turn(  # type: ignore[method-assign]  # as epollreactor does
        reactor, write_batch, newcomers, EPOLLIN
    )
    return True
