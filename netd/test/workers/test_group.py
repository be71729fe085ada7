"""
Tests for netd.workers.group.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from math import inf
from sys import maxsize
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.http.server import HTTPServer
from netd.lab.counts import Later
from netd.settings import Limits
from netd.site import probes_only
from netd.test.lab.client import Client, configured, parse, request
from netd.workers.group import Group, SharedLimit
from netd.workers.messages import Asked, Count, Expose, Read
from netd.workers.scoreboard import Column


class FakeRole:
    """A worker of which only the numbers matter."""

    def __init__(self, group: Group, index: int) -> None:
        self.group = group
        self.stopping = False
        self.numbers: dict[Column, float] = {}
        self.asked: list[tuple[object, Callable[..., object]]] = []
        group.role, group.index = self, index

    def role_name(self) -> str:
        return "worker 2 of 3"

    def publish(self) -> None:
        for column, number in self.numbers.items():
            self.group.board.set(self.group.index, column, number)

    def ask(self, message: Asked, done: Callable[[Any], object]) -> None:
        self.asked.append((message, done))


class GroupCase(SynchronousTestCase):
    """One of three workers."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(100)
        self.group = Group(3, 1000, self.clock)
        self.role = FakeRole(self.group, 1)
        # Any: a group has all that is optional.
        self.shared: Any = self.group.shared()


class BalanceTests(GroupCase):
    """
    Whether another worker has far fewer connections.
    """

    def crowded(self, own: float, *others: tuple[int, float, float]) -> bool:
        """With `own` connections, and others with a load and a heartbeat of some age."""
        self.role.numbers = {Column.LOAD: own}
        for worker, load, age in others:
            self.group.board.set(worker, Column.LOAD, load)
            self.group.board.set(worker, Column.HEARTBEAT, 100 - age)
        return self.group.crowded()

    def test_crowded(self) -> None:
        """More than 4, or an eighth, above the least of those that live is crowded."""
        for own, crowded in ((4, False), (5, True)):
            self.assertEqual(self.crowded(own, (0, 0, 0), (2, 9, 0)), crowded)
        for own, crowded in ((90, False), (91, True)):
            self.assertEqual(self.crowded(own, (0, 80, 0), (2, 900, 0)), crowded)

    def test_alone(self) -> None:
        """A worker that stands still, or stops, is no reason to wait."""
        self.assertFalse(self.crowded(1000, (0, 0, 1), (2, 0, 1)))
        self.assertFalse(self.crowded(1000, (0, inf, 0), (2, 0, 1)))


class LimitTests(GroupCase):
    """
    Limits of all workers together.
    """

    def test_sum(self) -> None:
        """The others' count, and one that is allowed counts at once."""
        self.group.board.set(0, Column.HTTP, 3)
        self.group.board.set(2, Column.HTTP, 4)
        limit = SharedLimit(10, self.group, Column.HTTP)
        self.role.numbers = {Column.HTTP: 2}
        own = 2
        self.assertFalse(own >= limit)
        self.assertEqual(self.group.board.get(1, Column.HTTP), 3)
        own = 3
        self.assertTrue(own >= limit)
        self.assertEqual((int(limit), limit + 1), (10, 11))

    def test_given(self) -> None:
        """Waiting responses are limited together, connections when there is an option."""
        limits = self.shared.limits(Limits(connections=1000, waiting=5))
        self.assertNotIsInstance(limits.connections, SharedLimit)
        self.assertIsInstance(limits.waiting, SharedLimit)
        limits = self.shared.limits(Limits(connections=999, waiting=maxsize))
        self.assertIsInstance(limits.connections, SharedLimit)


class SharedTests(GroupCase):
    """
    What the daemon's parts get.
    """

    def test_count(self) -> None:
        """A count comes later, from the role; so does what is forgotten."""
        counts = self.shared.counts
        for ask, message in (
            (counts.count, Count("key")),
            (counts.forget, Count("key", forget=True)),
        ):
            caught = self.assertRaises(Later, ask, "key")
            found: list[object] = []
            caught.fetch(found.append)
            asked, done = self.role.asked.pop()
            done(7)
            self.assertEqual((asked, found), (message, [7]))

    def test_read(self) -> None:
        """Figures are those that the role reads."""
        found: list[object] = []
        self.shared.read(found.append)
        asked, done = self.role.asked.pop()
        done(7)
        self.assertEqual((asked, found), (Read(), [7]))

    def test_worker(self) -> None:
        """The number of the process counts from 1."""
        self.assertEqual(self.shared.worker(), 2)


class ProbesTests(GroupCase):
    """
    /healthz, /readyz and /metrics.
    """

    def setUp(self) -> None:
        super().setUp()
        counters, config = Counters(), configured()
        root = probes_only(config, self.clock, self.shared.probes)
        site = HTTPServer(root, self.clock, config.http.limits, counters)
        self.client = Client(config, self.clock, counters, site)

    def get(self, path: str) -> tuple[int, str]:
        """The response to a request."""
        response = self.client.request(f"GET {path}", "Accept: text/x")
        return response.status, response.body.decode()

    def test_health(self) -> None:
        """Who responds is said, and 503 when no worker lives."""
        text = f"worker 2 of 3 pid {os.getpid()}\n"
        self.assertEqual(self.get("/healthz"), (503, f"no {text}"))
        self.group.board.set(2, Column.HEARTBEAT, 1)
        self.assertEqual(self.get("/healthz"), (200, f"ok {text}"))

    def test_ready(self) -> None:
        """The number of workers is said; none, or a stop, is a 503."""
        self.assertEqual(self.get("/readyz"), (503, "ready 0 of 3\n"))
        self.group.board.set(2, Column.HEARTBEAT, 1)
        self.assertEqual(self.get("/readyz"), (200, "ready 1 of 3\n"))
        self.role.stopping = True
        self.assertEqual(self.get("/readyz"), (503, "draining\n"))

    def test_metrics(self) -> None:
        """The metrics come later, from the role."""
        line = request("GET /metrics", "Accept: text/x").replace(b"netd", b"localhost")
        self.assertEqual(self.client.send(line), b"")
        ((asked, done),) = self.role.asked
        done(("text/y", b"all\n"))
        response = parse(self.client.received())
        self.assertEqual((asked, response.body), (Expose("text/x"), b"all\n"))
        self.assertEqual(response.headers["content-type"], "text/y")
        self.assertEqual(response.headers["cache-control"], "no-store")
