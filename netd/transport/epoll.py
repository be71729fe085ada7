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
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import zip_longest
from time import monotonic
from typing import Any, Final, Protocol, TypeAlias

from twisted.logger import Logger
from twisted.python import log

from netd.transport import private

_log = Logger()

EVENTS: Final = 128
"""Descriptors served in one turn, besides those that waited since the one before."""
TURN_SECONDS: Final = 0.01
"""How long a turn serves descriptors; timers, and a share of newcomers, precede the rest."""
Event: TypeAlias = tuple[int, int]
"""A descriptor, and what it is ready for."""
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


def _in_order(events: Iterable[Event], left: Iterable[int]) -> list[Event]:
    """
    `events` of descriptors that were `left` over, in that order, and of others in between.

    So the others, most of which ask for little, are served before long.  The newest of
    them come first, for whoever asks again at once is older.
    """
    ready = dict(events)
    waited = [(descriptor, ready.pop(descriptor)) for descriptor in left if descriptor in ready]
    pairs = zip_longest(waited, reversed(ready.items()))
    return [event for pair in pairs for event in pair if event is not None]


def _left_over(
    events: Iterable[Event], rest: Iterable[Event], before: Mapping[int, None]
) -> Mapping[int, None]:
    """The descriptors of `rest`, those that waited `before` first, then the others."""
    waiting = sorted(
        (descriptor for descriptor, _ in rest), key=lambda number: number not in before
    )
    return dict.fromkeys([*waiting, *(descriptor for descriptor, _ in events)])


def _serving(epoll: Any) -> Callable[[Iterable[Event], Collection[int]], Sequence[Event]]:
    """
    A function that serves events until time is up, and returns the others.

    It serves one more if there are any `extra`.
    """
    from select import EPOLLIN

    selectables = epoll._selectables

    def serve(events: Iterable[Event], extra: Collection[int]) -> Sequence[Event]:
        until = monotonic() + TURN_SECONDS
        pending = iter(events)
        for descriptor, event in pending:
            selectable = selectables.get(descriptor)
            if selectable is None:
                # An earlier event of this turn closed the descriptor.
                continue
            if event != EPOLLIN:
                log.callWithLogger(
                    selectable, epoll._doReadOrWrite, selectable, descriptor, event
                )
            else:
                try:
                    reason = selectable.doRead()
                except Exception:
                    _log.failure("while reading from {selectable!r}", selectable=selectable)
                    reason = sys.exc_info()[1]
                if reason:
                    epoll._disconnectSelectable(selectable, reason, True)
            if monotonic() >= until:
                if not extra:
                    return list(pending)
                extra = ()
        return ()

    return serve


def fast_dispatch(reactor: object) -> bool:
    """Install the dispatch in `reactor` if that is an epoll reactor; returns whether it is."""
    try:
        from twisted.internet.epollreactor import EPollReactor
    except ImportError:
        return False
    if type(reactor) is not EPollReactor or private.DISPATCH.missing():
        return False
    epoll = reactor
    wait = epoll._poller.poll
    serve = _serving(epoll)
    write_batch = WriteBatch()
    # Transports look for the batch there.
    vars(epoll)["write_batch"] = write_batch
    left: Mapping[int, None] = {}

    def turn(timeout: float | None) -> None:
        nonlocal left
        if write_batch.flush() and timeout != 0:
            # A flush may have scheduled a call.
            timeout = epoll.timeout()
        try:
            # What is left over is ready still.
            events = wait(-1 if timeout is None else timeout, EVENTS + len(left))
            # One more than time allows, so that one that waited and another one are served.
            if left:
                events = _in_order(events, left)
            rest = serve(events, left)
            if timeout == 0 and events and not rest:
                # Calls that are due wait for the input of connections just accepted.
                events = wait(0, EVENTS)
                rest = serve(events, left)
        except InterruptedError:
            return
        if rest or left:
            left = _left_over(events, rest, left) if rest else {}
        write_batch.flush()

    # The main loop looks the method up on the instance at each turn.
    epoll.doIteration = turn  # type: ignore[method-assign]  # as epollreactor does
    return True
