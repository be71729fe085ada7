"""
The epoll reactor's dispatch without a log context for each event, and with an outbox.

Rules: a switch that may be left off, or removed, without anything else
noticing.  It is for exactly the reactor it was written against; on any other,
and for anything but plain input, the stock dispatch does the work.

Stock wraps every event in `log.callWithLogger`, which is there to prefix lines
with the name of a transport; netd's lines carry what they mean in themselves.
What the events of a turn have to send leaves together at its end (`write_batch`).
"""

from __future__ import annotations

import sys
from select import EPOLLIN
from typing import Any, Final

from twisted.logger import Logger

from netd.transport.write_batch import WriteBatch

_log = Logger()

EVENTS: Final = 128
"""Descriptors served in one turn; those beyond come first in the next, timers in between."""
_PRIVATE = ("_poller", "_selectables", "_doReadOrWrite", "_disconnectSelectable", "doPoll")


def fast_dispatch(reactor: Any) -> bool:
    """Lighten `reactor` if it is the epoll reactor of Twisted 26.10; say whether it is."""
    try:
        from twisted.internet.epollreactor import EPollReactor
    except ImportError:
        return False
    if type(reactor) is not EPollReactor or not all(
        hasattr(reactor, each) for each in _PRIVATE
    ):
        return False

    wait = reactor._poller.poll
    selectables = reactor._selectables
    from twisted.python import log

    write_batch = WriteBatch()
    # Where transports look for it.
    vars(reactor)["write_batch"] = write_batch

    def turn(timeout: float | None) -> None:
        if write_batch.flush() and timeout != 0:
            # Whatever left may have called for something to be done soon.
            timeout = reactor.timeout()
        try:
            events = wait(-1 if timeout is None else timeout, EVENTS)
        except InterruptedError:
            return
        for descriptor, event in events:
            selectable = selectables.get(descriptor)
            if selectable is None:
                # Closed by an event of this same turn.
                continue
            if event != EPOLLIN:
                log.callWithLogger(
                    selectable, reactor._doReadOrWrite, selectable, descriptor, event
                )
                continue
            try:
                why = selectable.doRead()
            except Exception:
                _log.failure("while reading from {selectable!r}", selectable=selectable)
                why = sys.exc_info()[1]
            if why:
                reactor._disconnectSelectable(selectable, why, True)
        write_batch.flush()

    # Looked up on the instance at each turn of the main loop.
    reactor.doIteration = turn  # type: ignore[method-assign]  # as epollreactor does
    return True
