"""
Tests for netd.workers.totals.
"""

from __future__ import annotations

import os
from typing import Any

from attrs import evolve
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.ops.status import resident_bytes
from netd.parts import Parts
from netd.settings import Settings
from netd.test.stages import Reactor
from netd.test.workers.stages import FakeWorker
from netd.workers import messages
from netd.workers.link import Link
from netd.workers.messages import Snapshot
from netd.workers.slot import Slot
from netd.workers.totals import PATIENCE_SECONDS, Totals


def taken(sent: int, connections: int = 0) -> Snapshot:
    """A snapshot with these numbers."""
    counters = Counters(sent=sent, worst_lag=float(sent))
    return Snapshot(counters, {"http": connections}, {"http": 0}, 0, 0, {})


class TotalsTests(SynchronousTestCase):
    """
    Sums over two workers.
    """

    def setUp(self) -> None:
        self.reactor = Reactor()
        settings = Settings(http=evolve(Settings().http, access_log=None))
        self.parts = Parts.build(settings, self.reactor, {})
        self.slots = [Slot(0), Slot(1)]
        self.workers = [FakeWorker.of(slot) for slot in self.slots]
        self.totals = Totals(self.parts, self.slots)
        self.exposed: list[tuple[str, bytes]] = []

    def expose(self, *snapshots: Snapshot | None) -> None:
        """Ask for the metrics; the workers return these snapshots, or None: nothing."""
        for worker, each in zip(self.workers, snapshots, strict=True):
            worker.answers.clear()
            if each is not None:
                worker.returns(messages.TakeSnapshot, each)
        self.totals.collect(messages.Expose("")).addCallback(self.exposed.append)
        for worker in self.workers:
            worker.hear()

    def lines(self) -> list[str]:
        """The metrics."""
        ((content_type, text),) = self.exposed
        self.exposed.clear()
        self.assertTrue(content_type.startswith("text/plain"))
        return text.decode().splitlines()

    def test_expose(self) -> None:
        """Metrics are made when every worker has responded."""
        self.parts.counters.log_drops = 4
        self.expose(taken(10, 1), None)
        self.assertEqual(self.exposed, [])
        self.workers[1].link._asked.pop(1).callback(taken(20, 2))
        lines = self.lines()
        for line in (
            "netd_http_response_bytes_total 30.0",
            "netd_log_drops_total 4.0",
            'netd_connections_open{listener="http"} 3.0',
            'netd_worker_connections_open{worker="2"} 2.0',
            "netd_reactor_lag_worst_seconds 20.0",
        ):
            self.assertIn(line, lines)

    def test_busy(self) -> None:
        """A worker that does not respond is represented by its last snapshot, in time."""
        self.slots[1].snapshot = taken(5)
        self.expose(taken(10), None)
        self.reactor.advance(PATIENCE_SECONDS)
        self.assertIn("netd_http_response_bytes_total 15.0", self.lines())

    def test_none(self) -> None:
        """Without a worker there are metrics all the same."""
        for slot in self.slots:
            slot.ready = False
        self.totals.collect(messages.Expose("")).addCallback(self.exposed.append)
        self.assertIn('netd_worker_up{worker="1"} 0.0', self.lines())

    def test_read(self) -> None:
        """Figures are sums over all, with the memory of every process."""
        slot = self.slots[0]
        slot.pid = os.getpid()
        for worker, each in zip(self.workers, (taken(10, 1), taken(5, 2)), strict=True):
            worker.returns(messages.TakeSnapshot, each)
        found = self.totals.collect(messages.Read())
        self.assertNoResult(found)
        for worker in self.workers:
            worker.hear()
        reading = self.successResultOf(found)
        self.assertEqual((reading.counters.sent, reading.connections), (15, 3))
        self.assertEqual(round(reading.memory / resident_bytes(), 1), 2.0)

    def test_gone(self) -> None:
        """What a worker has counted stays when it is gone, but for its lag."""
        self.slots[0].snapshot = taken(7, 3)
        self.totals.settle(self.slots[0])
        self.slots[0].clear()
        self.totals.settle(self.slots[0])
        total = self.totals.total()
        self.assertEqual((total.counters.sent, total.counters.worst_lag), (7, 0.0))
        self.assertEqual(total.connections, {"http": 0})

    def test_successor(self) -> None:
        """The late snapshot of a worker that is gone is not its successor's."""
        self.expose(None, taken(0))
        asked = self.workers[0].link._asked.pop(1)
        self.slots[0].link = Link(lambda _: None, lambda: None)
        asked.callback(taken(7))
        self.assertIsNone(self.slots[0].snapshot)

    def test_status(self) -> None:
        """The status is that of all."""
        self.slots[0].snapshot, self.slots[1].snapshot = taken(1, 2), taken(1, 3)
        status = self.totals.status(lambda: {"http": "here"})
        self.assertIn("5 connections", status.summary())
        with capturedLogs() as events:
            status.dump()
        texts: list[Any] = [event["line"] for event in events]
        self.assertIn("connections: 5 (http=5)", texts)
        self.assertIn("waiting responses: 0 (http=0)", texts)
        self.assertIn("services: http=here", texts)
