"""
One of the places that workers take, and the worker that has it now.

Rules: no decision is made here.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from netd.counters import Tally
from netd.workers.backoff import Backoff
from netd.workers.link import Link
from netd.workers.messages import Snapshot


@define(eq=False)
class Slot:
    """A worker's place, and its state."""

    index: int
    backoff: Backoff = field(factory=Backoff)
    restarts: Tally[str] = field(factory=Tally)
    """Replaced workers by reason."""
    cpu_seconds: float = 0.0
    """CPU time of the workers that are gone."""
    timer: IDelayedCall | None = None
    """Starts the next worker."""

    # Of the present worker
    link: Link | None = None
    """None: there is no worker."""
    pid: int = 0
    """0: the template has not forked it yet."""
    started: float = 0.0
    ready: bool = False
    closed: bool = False
    """Whether its listeners are closed."""
    generation: int = 0
    """The reload whose settings it has."""
    snapshot: Snapshot | None = None
    """What it has counted, as far as is known."""
    failure: str = ""
    """Why it could not start."""
    killed: str = ""
    """Why the supervisor ended it."""
    ended: int | None = None
    """Its wait status; None: it lives."""
    linked: bool = False
    """Whether more may come over the link."""

    @property
    def name(self) -> str:
        """Its number for people, from 1."""
        return str(self.index + 1)

    def clear(self) -> None:
        """Forget the worker, which is gone."""
        self.link, self.pid, self.ready, self.closed = None, 0, False, False
        self.snapshot, self.failure, self.killed, self.ended = None, "", "", None

    def send(self, message: object) -> None:
        """Send a message, if there is a worker."""
        if self.link is not None and self.linked:
            self.link.send(message)

    def offer(self, message: object) -> None:
        """Send a message, unless there is no worker or too much waits for it."""
        if self.link is not None and self.linked:
            self.link.offer(message)

    def ask(self, message: object, seconds: float, clock: IReactorTime) -> Deferred[Any]:
        """Ask the worker, which must be there; fails after `seconds`, or when it is gone."""
        assert self.link is not None  # noqa: S101 - for the type checker
        return self.link.ask(message).addTimeout(seconds, clock)

    def kill(self, number: signal.Signals) -> None:
        """Send the worker a signal, if there is one."""
        if self.pid and self.ended is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def description(self) -> str:
        """How the worker ended, in a few words."""
        status = self.ended or 0
        if self.failure:
            return self.failure
        if os.WIFSIGNALED(status):
            return f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
        return f"ended with status {os.waitstatus_to_exitcode(status)}"

    def reason(self) -> str:
        """The same as the value of a label: hung, start, failed, signal or exit."""
        if self.killed or self.failure:
            return self.killed or "failed"
        return "signal" if os.WIFSIGNALED(self.ended or 0) else "exit"

    def open_connections(self) -> int:
        """The connections it had open when it was last heard of."""
        connections: Mapping[str, int] = (
            {} if self.snapshot is None else self.snapshot.connections
        )
        return sum(connections.values())
