"""
What each process of a daemon with workers knows of the others.

Rules: made before the fork, when it is not known yet who is who; `role` is set after it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol

from attrs import define, evolve, field, frozen
from twisted.internet.interfaces import IReactorTime

from netd.lab.call import Call, Reply, ResumedCall
from netd.lab.counts import Later
from netd.lab.endpoints.probes import NO_STORE, Probes
from netd.parts import Shared
from netd.settings import Limits
from netd.workers.messages import Asked, Count, Expose, Read
from netd.workers.scoreboard import Column, Scoreboard


class Role(Protocol):
    """The supervisor, or a worker."""

    stopping: bool
    """Whether it takes no new work."""

    def role_name(self) -> str:
        """Its name for people."""

    def publish(self) -> None:
        """Bring its row of the scoreboard up to date."""

    def ask(self, message: Asked, done: Callable[[Any], object]) -> None:
        """Let the supervisor do what `message` asks for; `done` gets the response."""


@define(eq=False)
class Group:
    """The processes of one daemon."""

    workers: int
    unlimited: int
    """The connections that stand for no --connections: as many as one process may have."""
    clock: IReactorTime
    board: Scoreboard = field(init=False)
    made: float = field(init=False)
    """When the daemon was built, by the clock."""
    role: Role = field(init=False)
    index: int = field(init=False, default=-1)
    """The row of this process; -1: it has none."""

    def __attrs_post_init__(self) -> None:
        self.board = Scoreboard(self.workers)
        self.made = self.clock.seconds()

    def shared(self) -> Shared:
        """What the parts of the daemon take from here."""
        return Shared(
            GroupProbes(group=self),
            GroupCounts(self),
            lambda: self.index + 1,
            self._limits,
            lambda done: self.role.ask(Read(), done),
        )

    def up(self) -> int:
        """How many workers there are at the moment."""
        rows = range(self.workers)
        return sum(self.board.get(row, Column.HEARTBEAT) > 0 for row in rows)

    def crowded(self) -> bool:
        """Whether another worker that serves has far fewer connections."""
        self.role.publish()
        least = self.board.least(self.index, self.clock.seconds())
        return self.board.get(self.index, Column.LOAD) - least > max(4, least / 8)

    def _limits(self, limits: Limits) -> Limits:
        connections: int = limits.connections
        if connections < self.unlimited:
            connections = SharedLimit(connections, self, Column.HTTP)
        waiting = SharedLimit(limits.waiting, self, Column.WAITING)
        return evolve(limits, connections=connections, waiting=waiting)


@frozen
class GroupCounts:
    """The counts of requests for each key, which the supervisor has."""

    _group: Group

    def count(self, key: str) -> int:
        """Count a request for `key`: later."""
        raise Later(lambda done: self._group.role.ask(Count(key), done))

    def forget(self, key: str) -> int:
        """Count requests for `key` from 0 again: later."""
        raise Later(lambda done: self._group.role.ask(Count(key, forget=True), done))


class SharedLimit(int):
    """A limit that `number >= limit` compares with the sum over all workers."""

    _group: Group
    _column: Column

    def __new__(cls, limit: int, group: Group, column: Column) -> SharedLimit:
        self = super().__new__(cls, limit)
        self._group, self._column = group, column
        return self

    def __le__(self, own: int) -> bool:
        """Whether `own` and those of the others reach the limit; if not, one more is coming."""
        group, column = self._group, self._column
        group.role.publish()
        if own + group.board.others(group.index, column) >= int(self):
            return True
        group.board.set(group.index, column, group.board.get(group.index, column) + 1)
        return False


@frozen
class GroupProbes(Probes):
    """The probes of a daemon with workers."""

    group: Group = field(kw_only=True)

    def health(self, call: Call) -> Reply:
        """Return `ok` and who responds; 503 when no worker lives."""
        group = self.group
        up = group.up() > 0
        text = f"{'ok' if up else 'no'} {group.role.role_name()} pid {os.getpid()}\n"
        return Reply(text.encode(), 200 if up else 503, headers=NO_STORE, sandbox=False)

    def readiness(self, call: Call) -> Reply:
        """Return how many workers serve; 503 without any, and once this process stops."""
        group = self.group
        if group.role.stopping:
            return Reply(b"draining\n", 503, headers=NO_STORE, sandbox=False)
        text = f"ready {group.up()} of {group.workers}\n"
        status = 200 if group.up() else 503
        return Reply(text.encode(), status, headers=NO_STORE, sandbox=False)

    def exposition(self, call: Call) -> Reply:
        """Return the metrics of all processes together."""
        if not isinstance(call, ResumedCall):
            accept, role = call.header("accept") or "", self.group.role
            raise Later(lambda done: role.ask(Expose(accept), done))
        content_type, body = call.fetched
        return Reply(body, type=content_type, headers=NO_STORE, sandbox=False)
