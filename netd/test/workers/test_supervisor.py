"""
Tests for netd.workers.supervisor.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.application.service import Application
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, capturedLogs, formatEvent
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from netd import settings
from netd.counters import Counters
from netd.daemon import build_group
from netd.ops.logging.log_fields import event_fields
from netd.settings import Settings
from netd.test.stages import Reactor
from netd.test.workers.stages import FakeWorker
from netd.transport import temporary_certificate
from netd.transport.temporary_certificate import CertificateFile
from netd.values import Endpoint
from netd.workers import messages, supervisor, template
from netd.workers.messages import Prepared, Snapshot
from netd.workers.scoreboard import Column
from netd.workers.supervisor import (
    HURRY_SECONDS,
    OVERTIME_SECONDS,
    SHUT_SECONDS,
    Supervisor,
)

HERE = Endpoint("tcp", "127.0.0.1", 0)
SETTINGS = Settings(
    http=settings.HTTP(listen=(HERE,), access_log=None),
    udp=settings.UDP(Endpoint("udp", "127.0.0.1", 0)),
    monitoring=settings.Monitoring(listen=(HERE,)),
    workers=settings.Workers(2),
)
_TAKEN = Snapshot(Counters(sent=5), {"http": 3}, {}, 0, 0, {})


class FakeControl:
    """A template that does nothing by itself."""

    def __init__(
        self,
        reactor: object,
        sock: socket.socket,
        received: Callable[[list[str]], None],
        lost: Callable[[], None],
    ) -> None:
        sock.close()
        self.received = received
        self.lost = lost
        self.told: list[str] = []

    def send(self, message: str, descriptor: int | None = None) -> None:
        """Note it."""
        self.told.append(message)

    def close(self) -> None:
        """Note it."""
        self.told.append("")


class StopReactor(Reactor):
    """A reactor that notes that it was stopped."""

    running = False
    stopped = 0

    def stop(self) -> None:
        """Note it."""
        self.stopped += 1


class SupervisorCase(SynchronousTestCase):
    """A supervisor of two workers, of which only the links are real."""

    def setUp(self) -> None:
        self.reactor = StopReactor()
        self.settings = SETTINGS
        self.workers: list[FakeWorker] = []
        self.signals: dict[str, Callable[[], None]] = {}
        self.hurry: list[Callable[[], None]] = []
        self.sent: list[tuple[int, signal.Signals]] = []
        self.exits: list[Any] = []
        self.plans: list[template.Plan] = []
        self.patch(template, "fork", self.fork)
        self.patch(supervisor, "Control", FakeControl)
        self.patch(supervisor, "adopt", self.adopt)
        self.patch(
            supervisor, "on_signal", lambda _, name, call: self.signals.update({name: call})
        )
        self.patch(supervisor, "limit_stop", lambda _, grace: self.exits.append(grace()))
        self.patch(supervisor, "on_stop_signal", self.on_stop_signal)
        self.patch(os, "kill", lambda pid, number: self.sent.append((pid, number)))
        self.patch(os, "waitpid", lambda *_: (0, 0))
        self.patch(atexit, "register", lambda *call: self.exits.append(call))
        self.patch(threading, "active_count", lambda: 1)
        with capturedLogs() as self.events:
            made = build_group(SETTINGS, self.reactor, {}, lambda: self.settings)
            assert isinstance(made, Supervisor)
            self.tested: Any = made
            made.privilegedStartService()
        self.addCleanup(self.close)

    def close(self) -> None:
        """Close what was opened."""
        for listener in (*self.tested._shared, *self.tested._monitoring):
            listener.stopService()
        self.reactor.advance(0)

    def fork(self, plan: template.Plan) -> tuple[int, socket.socket]:
        """A template with the process id 50."""
        self.plans.append(plan)
        ours, theirs = socket.socketpair()
        theirs.close()
        return 50, ours

    def adopt(self, reactor: object, sock: socket.socket, link: Any) -> None:
        """Let the test be a worker."""
        sock.close()
        self.workers.append(FakeWorker(link))

    def on_stop_signal(
        self, reactor: object, hurry: Callable[[], None], limit: Callable[[], float]
    ) -> Any:
        """Let the test be the second signal."""
        self.hurry.append(hurry)
        self.limit = limit
        return lambda result: result

    @property
    def control(self) -> FakeControl:
        """The template."""
        control: FakeControl = self.tested._control
        return control

    def start(self) -> None:
        """Start, with both workers ready: 100 and 101."""
        with capturedLogs() as self.events:
            self.tested.startService()
            for index in range(2):
                self.forked(index, 100 + index)
                self.ready(index)

    def forked(self, index: int, pid: int) -> None:
        """The template has forked a worker."""
        self.control.received(["started", str(index), str(pid)])

    def ready(self, index: int, worker: int = -1) -> None:
        """A worker serves."""
        self.workers[worker if worker >= 0 else index].say(messages.Ready())

    def end(self, index: int, pid: int, status: int = 9, worker: int = -1) -> list[str]:
        """A worker ends; what is logged."""
        with capturedLogs() as events:
            self.control.received(["ended", str(index), str(pid), str(status), "0.5"])
            self.workers[worker if worker >= 0 else index].leave()
        return texts(events)


def texts(events: Any) -> list[str]:
    """The messages of events."""
    return [formatEvent(each) for each in events]


class StartTests(SupervisorCase):
    """
    The first start.
    """

    def test_order(self) -> None:
        """The template is forked with what workers need, and told to start all of them."""
        self.start()
        (plan,) = self.plans
        shared = {sock.fileno() for each in self.tested._shared for sock in each.sockets}
        self.assertEqual(set(plan.keep), shared)
        self.assertEqual(self.control.told, ["start 0", "start 1"])
        for worker in self.workers:
            (first,) = worker.hear()
            assert isinstance(first, messages.Start)
            self.assertEqual((first.settings.workers.count, first.generation), (2, 0))
        self.assertEqual([each.name for each in self.tested._shared], ["http", "udp"])
        self.assertEqual(self.exits, [10.0 + OVERTIME_SECONDS])

    def test_ready(self) -> None:
        """It is ready when the last worker is, and only once; --metrics-http is its own."""
        with capturedLogs() as events:
            self.tested.startService()
            self.ready(0)
            self.assertNotIn("ready: ", " ".join(texts(events)))
            self.ready(1)
            self.ready(1)
        ready = [each for each in texts(events) if each.startswith("ready: ")]
        self.assertEqual(len(ready), 1)
        self.assertIn("metrics-http=http://", ready[0])
        self.assertEqual(len(self.reactor.adopted), 1)

    def test_tooLate(self) -> None:
        """A reactor that runs, or a second thread, is a UsageError."""
        self.reactor.running = True
        self.assertRaises(UsageError, self.tested.startService)
        self.reactor.running = False
        self.patch(threading, "active_count", lambda: 2)
        self.assertRaises(UsageError, self.tested.startService)

    def test_closeCopies(self) -> None:
        """The template closes the sockets that it has."""
        self.start()
        self.plans[0].close()
        sockets = [sock.fileno() for each in self.tested._shared for sock in each.sockets]
        self.assertEqual(set(sockets), {-1})

    def test_fails(self) -> None:
        """A worker that ends before all are ready ends everything, with its reason."""
        self.tested.startService()
        self.workers[0].say(messages.Failed("--x: no"))
        logged = self.end(0, 100, 0)
        self.assertIn("cannot go on: --x: no", logged)
        self.assertEqual(self.exits[1:], [(os._exit, 1)])
        self.assertEqual(self.reactor.stopped, 1)
        self.end(1, 101, 0)
        self.assertEqual(self.reactor.stopped, 1)

    def test_abandoned(self) -> None:
        """What was bound is closed when the start fails elsewhere."""
        self.tested.abandon()
        self.assertEqual(self.tested._daemon.listening(), {})

    def test_log(self) -> None:
        """twistd's application gets the observer of the daemon's log."""
        daemon = self.tested._daemon
        observer = object()
        daemon.parts = evolve(daemon.parts, logs=evolve(daemon.parts.logs, observer=observer))
        self.tested._parts = daemon.parts
        application: Any = Application("netd")
        self.tested.setServiceParent(application)
        self.assertIs(application.getComponent(ILogObserver), observer)


class EndTests(SupervisorCase):
    """
    A worker ends.
    """

    def setUp(self) -> None:
        super().setUp()
        self.start()

    def test_replaced(self) -> None:
        """A worker that lived is replaced at once, one that did not waits; all is logged."""
        self.reactor.advance(10)
        self.workers[0].say(messages.Counted(_TAKEN))
        self.assertEqual(
            self.end(0, 100), ["worker 1 (pid 100): ended by SIGKILL; 3 connections were open"]
        )
        self.reactor.advance(0)
        self.assertEqual(self.control.told[2:], ["start 0"])
        self.forked(0, 102)
        self.end(0, 102, 0, 2)
        self.reactor.advance(0.09)
        self.assertEqual(len(self.control.told), 3)
        self.reactor.advance(0.02)
        self.assertEqual(len(self.control.told), 4)
        slot = self.tested._slots[0]
        self.assertEqual((slot.restarts, slot.cpu_seconds), ({"signal": 1, "exit": 1}, 1.0))
        self.assertEqual(self.tested._totals.total().counters.sent, 5)

    def test_alone(self) -> None:
        """Without another worker nobody waits long."""
        for worker in range(2, 12):
            self.end(0, 100, 0, worker - 2 if worker == 2 else worker - 1)
            self.reactor.advance(6)
        self.end(1, 101, 0, 1)
        self.reactor.advance(0.1)
        self.end(0, 100, 0, len(self.workers) - 2)
        self.reactor.advance(1.01)
        self.assertEqual(self.control.told[-1], "start 0")

    def test_bothEnds(self) -> None:
        """A worker has ended when its process has, and everything it sent is here."""
        self.group_row()
        self.control.received(["ended", "0", "100", "9", "0.0"])
        self.assertIsNotNone(self.tested._slots[0].link)
        self.workers[0].say(messages.Counted(_TAKEN))
        with capturedLogs():
            self.workers[0].leave()
        self.assertIsNone(self.tested._slots[0].link)
        self.assertEqual(self.tested._totals.total().counters.sent, 5)
        self.assertEqual(self.tested._group.board.get(0, Column.HTTP), 0)

    def group_row(self) -> None:
        """Something in the row of the first worker."""
        self.tested._group.board.set(0, Column.HTTP, 7)

    def test_template(self) -> None:
        """The end of the template ends everything with status 1."""
        with capturedLogs() as events:
            self.control.lost()
            for worker in self.workers:
                worker.leave()
        self.assertIn(
            "cannot go on: the process that workers are forked from has ended", texts(events)
        )
        self.assertEqual(self.exits[1:], [(os._exit, 1)])
        with capturedLogs():
            stopped = self.tested.stopService()
            self.reactor.advance(0)
        self.successResultOf(stopped)
        self.control.lost()
        self.assertEqual(self.reactor.stopped, 1)

    def test_orphans(self) -> None:
        """As process 1 it reaps what others have left behind, but for the template."""
        waiting = [7, 8, 50]
        reaped: list[int] = []

        def waitid(*_: object) -> Any:
            return type("Info", (), {"si_pid": waiting[0]}) if waiting else None

        def waitpid(pid: int, _: int) -> None:
            waiting.remove(pid)
            reaped.append(pid)

        self.patch(os, "waitid", waitid)
        self.patch(os, "waitpid", waitpid)
        self.end(0, 100)
        self.assertEqual(reaped, [])
        self.patch(os, "getpid", lambda: 1)
        self.reactor.advance(1)
        self.end(0, 102, 9, 2)
        self.assertEqual(reaped, [7, 8])
        waiting.clear()
        self.end(1, 101, 9, 1)


class WatchTests(SupervisorCase):
    """
    Heartbeats.
    """

    def test_watched(self) -> None:
        """A worker without a heartbeat is ended while the supervisor serves, and not later."""
        self.start()
        with capturedLogs() as events:
            for _ in range(32):
                self.reactor.advance(1)
        self.assertEqual(len(events), 2)
        self.assertEqual(self.sent[:2], [(100, signal.SIGQUIT), (101, signal.SIGQUIT)])
        with capturedLogs():
            self.tested.stopService()
        self.assertFalse(self.tested._watchdog._checks.running)


class MessageTests(SupervisorCase):
    """
    What workers say.
    """

    def setUp(self) -> None:
        super().setUp()
        self.start()
        for worker in self.workers:
            worker.hear()

    def test_count(self) -> None:
        """Counts are those of all workers, and of the supervisor."""
        for worker, number in ((0, 0), (1, 1), (0, 2)):
            self.workers[worker].say(messages.Count("a"), 5)
            self.assertEqual(self.workers[worker].hear(), [number])
        found: list[int] = []
        self.tested.ask(messages.Count("a"), found.append)
        self.assertEqual(found, [3])
        self.workers[0].say(messages.Count("a", forget=True), 5)
        self.assertEqual(self.workers[0].hear(), [4])
        self.tested.ask(messages.Count("a", forget=True), found.append)
        self.assertEqual(found, [3, 0])
        self.tested.publish()

    def test_expose(self) -> None:
        """Metrics are collected for a worker, and for the supervisor."""
        for worker in self.workers:
            worker.answers[messages.TakeSnapshot] = lambda _: _TAKEN
        self.workers[0].say(messages.Expose(""), 5)
        for worker in (*self.workers, *self.workers):
            worker.hear()
        exposed: Any = self.workers[0].told[-1]
        content_type, text = exposed
        self.assertTrue(content_type.startswith("text/plain"))
        self.assertIn(b"netd_http_response_bytes_total 10.0\n", text)
        found: list[object] = []
        self.tested.ask(messages.Expose(""), found.append)
        for worker in self.workers:
            worker.hear()
        self.assertEqual(len(found), 1)
        self.assertEqual(self.tested.role_name(), "supervisor of 2 workers")

    def test_read(self) -> None:
        """Figures are read for a worker, and for the supervisor."""
        for worker in self.workers:
            worker.answers[messages.TakeSnapshot] = lambda _: _TAKEN
        self.workers[0].say(messages.Read(), 5)
        for worker in (*self.workers, *self.workers):
            worker.hear()
        reading: Any = self.workers[0].told[-1]
        self.assertEqual(reading.counters.sent, 10)
        found: list[Any] = []
        self.tested.ask(messages.Read(), found.append)
        for worker in self.workers:
            worker.hear()
        self.assertEqual(found[0].counters.sent, 10)

    def test_watched(self) -> None:
        """A worker learns what others watch, and events go there."""
        for worker in self.workers:
            worker.hear()
        self.workers[0].say(messages.Watch(frozenset({"b-1"})))
        self.assertEqual(self.workers[1].hear(), [messages.Watch(frozenset({"b-1"}))])
        self.workers[0].hear()
        self.workers[1].say(seen := messages.Seen("b-1", (b"x",)))
        self.assertEqual(self.workers[0].hear(), [seen])

    def test_lines(self) -> None:
        """A line says whose it is, and keeps its level, its logger and its traceback."""
        with capturedLogs() as events:
            self.workers[1].say(messages.Line("warn", "a.b", "hello {x}"))
            self.workers[1].say(messages.Line("error", "a.b", "bug", "Traceback: x"))
        first, second = events
        self.assertEqual(formatEvent(first), "worker 2: hello {x}")
        self.assertEqual(
            (first["log_level"].name, first["log_namespace"], first["worker"]),
            ("warn", "a.b", 2),
        )
        self.assertEqual(formatEvent(second), "worker 2: bug\nTraceback: x")
        self.assertEqual(event_fields(second)["traceback"], "Traceback: x")

    def test_status(self) -> None:
        """SIGUSR2 shows all together, then each worker that responds."""
        for worker in self.workers:
            worker.answers[messages.TakeSnapshot] = lambda _: _TAKEN
        self.workers[0].answers[messages.Describe] = lambda _: ["one", "two"]
        with capturedLogs() as events:
            self.signals["SIGUSR2"]()
            for worker in 2 * self.workers:
                worker.hear()
            self.reactor.advance(1)
        lines = texts(events)
        self.assertIn("state: connections: 6 (http=6)", lines)
        self.assertEqual(lines[0], "state: processes: worker 1=100 worker 2=101")
        self.assertEqual(lines[-2:], ["state: worker 1: one", "state: worker 1: two"])
        self.tested._slots[1].ready = False
        with capturedLogs():
            self.signals["SIGUSR2"]()
            self.workers[0].hear()
        self.assertTrue(self.tested._summary().startswith("1 of 2 workers. Serving: "))

    def test_reopen(self) -> None:
        """SIGUSR1 opens logs again, in the supervisor first."""
        order: list[str] = []
        self.patch(type(self.tested._parts.logs), "reopen", lambda _: order.append("own"))
        self.patch(self.control, "send", order.append)
        self.signals["SIGUSR1"]()
        self.assertEqual(order, ["own", "reopen"])
        for worker in self.workers:
            self.assertEqual(worker.hear(), [messages.Reopen()])

    def reload(self) -> tuple[list[str], list[int]]:
        """Two requests at once; what was announced, and how often each worker was asked."""
        announced: list[str] = []
        self.patch(self.tested._notifier, "reloading", lambda: announced.append("..."))
        self.patch(self.tested._notifier, "reloaded", announced.append)
        for worker in self.workers:
            worker.returns(messages.Prepare, Prepared())
            worker.returns(messages.Commit, None)
        with capturedLogs():
            self.signals["SIGHUP"]()
            self.signals["SIGHUP"]()
            self.signals["SIGHUP"]()
            for worker in 4 * self.workers:
                worker.hear()
        asked = [
            sum(isinstance(each, messages.Prepare) for each in worker.told)
            for worker in self.workers
        ]
        return announced, asked

    def test_reload(self) -> None:
        """Requests that come during a reload are met by one more."""
        announced, asked = self.reload()
        self.assertEqual(announced, ["...", "Reloaded", "...", "Reloaded"])
        self.assertEqual(asked, [2, 2])
        self.assertEqual(self.tested._slots[0].generation, 2)

    def test_reloadStopping(self) -> None:
        """A daemon that stops reloads nothing."""
        with capturedLogs():
            self.tested.stopService()
        self.assertEqual(self.reload(), ([], [0, 0]))

    def test_bug(self) -> None:
        """A bug in a reload is logged."""
        self.patch(self.tested._two_phase, "_reload", None)
        self.signals["SIGHUP"]()
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)


class CertificateTests(SupervisorCase):
    """
    A certificate that is made at the start.
    """

    def test_file(self) -> None:
        """Its file is the supervisor's: there from the first worker to the last."""
        services = [
            CertificateFile(temporary_certificate.make((), 0.0), self.tested._parts.drain.over)
        ]
        self.tested._once = services
        self.start()
        (line,) = [each for each in texts(self.events) if "temporary certificate: " in each]
        path = Path(line.partition(": ")[2])
        self.assertTrue(path.exists())
        with capturedLogs():
            stopped = self.tested.stopService()
        self.end(0, 100, 0)
        self.assertTrue(path.exists())
        self.end(1, 101, 0)
        self.successResultOf(stopped)
        self.assertFalse(path.exists())


class StopTests(SupervisorCase):
    """
    The end of all.
    """

    def setUp(self) -> None:
        super().setUp()
        self.start()
        for worker in self.workers:
            worker.hear()

    def stop(self) -> Deferred[None]:
        """Begin to stop."""
        with capturedLogs():
            stopped: Deferred[None] = self.tested.stopService()
        return stopped

    def open(self) -> list[str]:
        """The shared listeners that are open."""
        return [each.name for each in self.tested._shared if each.sockets]

    def test_order(self) -> None:
        """Workers stop, sockets close with the last of theirs, metrics with the last worker."""
        stopped = self.stop()
        self.assertEqual(self.control.told[2:], ["close"])
        for worker in self.workers:
            self.assertEqual(worker.hear(), [messages.Stop()])
        self.workers[0].say(messages.Closed())
        self.assertEqual(self.open(), ["http", "udp"])
        self.workers[1].say(messages.Closed())
        self.assertEqual(self.open(), [])
        self.assertEqual(self.end(0, 100, 0), [])
        self.assertTrue(self.reactor.adopted[0].listening)
        self.assertNoResult(stopped)
        self.assertEqual(self.end(1, 101, 0), [])
        self.successResultOf(stopped)
        self.assertFalse(self.reactor.adopted[0].listening)
        self.assertEqual(self.control.told[-1], "")
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.control.lost()
        self.assertEqual(self.reactor.stopped, 0)

    def test_shut(self) -> None:
        """Newcomers are refused soon although a worker does not close its sockets."""
        self.stop()
        self.workers[0].say(messages.Closed())
        address = self.tested._shared[0].sockets[0].getsockname()
        copy = self.tested._shared[0].sockets[0].dup()
        self.addCleanup(copy.close)
        socket.create_connection(address).close()
        with capturedLogs():
            self.reactor.advance(SHUT_SECONDS)
        self.assertRaises(ConnectionRefusedError, socket.create_connection, address)
        self.assertEqual(self.open(), [])

    def test_killed(self) -> None:
        """Who is left soon after the grace is killed."""
        self.stop()
        self.end(0, 100, 0)
        self.reactor.advance(10)
        self.assertEqual(self.sent, [])
        self.reactor.advance(OVERTIME_SECONDS)
        self.assertEqual(self.sent, [(101, signal.SIGKILL)])

    def test_hurry(self) -> None:
        """A second signal is passed on, and who is left is killed soon."""
        self.stop()
        self.hurry[0]()
        for worker in self.workers:
            self.assertEqual(worker.hear(), [messages.Stop(), messages.Hurry()])
        self.reactor.advance(HURRY_SECONDS)
        self.assertEqual([pid for pid, _ in self.sent], [100, 101])

    def test_drain(self) -> None:
        """Sockets stay open for the drain, which comes before the grace."""
        self.tested._parts.drain.change(10.0, 5.0)
        stopped = self.stop()
        for worker in self.workers:
            self.assertEqual(worker.hear(), [messages.Stop()])
        self.assertEqual(self.limit(), 10.0 + OVERTIME_SECONDS)
        self.reactor.advance(4.0)
        self.assertEqual(self.control.told[2:], [])
        self.assertEqual(self.open(), ["http", "udp"])
        self.reactor.advance(1.0)
        self.assertEqual(self.control.told[2:], ["close"])
        self.assertEqual(self.limit(), OVERTIME_SECONDS)
        self.end(0, 100, 0)
        self.reactor.advance(10.0)
        self.assertEqual(self.sent, [])
        self.reactor.advance(OVERTIME_SECONDS)
        self.assertEqual(self.sent, [(101, signal.SIGKILL)])
        self.end(1, 101)
        self.successResultOf(stopped)

    def test_hurryDrain(self) -> None:
        """A second signal ends the drain and kills nobody; a third one ends the grace."""
        self.tested._parts.drain.change(10.0, 5.0)
        self.stop()
        self.hurry[0]()
        self.reactor.advance(0)
        self.assertEqual(self.control.told[2:], ["close"])
        self.reactor.advance(HURRY_SECONDS)
        self.assertEqual(self.sent, [])
        self.hurry[0]()
        self.reactor.advance(HURRY_SECONDS)
        self.assertEqual([pid for pid, _ in self.sent], [100, 101])

    def test_endedInDrain(self) -> None:
        """When no worker is left the drain is over."""
        self.tested._parts.drain.change(10.0, 5.0)
        stopped = self.stop()
        self.end(0, 100)
        self.end(1, 101)
        self.successResultOf(stopped)
        told = list(self.control.told)
        self.reactor.advance(5.0)
        self.assertEqual(self.control.told, told)

    def test_duringDelay(self) -> None:
        """A worker that waits for its start is not started any more."""
        self.end(0, 100, 0)
        stopped = self.stop()
        self.end(1, 101, 0)
        self.successResultOf(stopped)
        self.assertNotIn("start 0", self.control.told[2:])
