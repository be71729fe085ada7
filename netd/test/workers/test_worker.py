"""
Tests for netd.workers.worker.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
from collections.abc import Callable
from math import inf
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.logger import ILogObserver, Logger, globalLogPublisher
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from netd import settings
from netd.daemon import Daemon, build
from netd.lab.watchers import Watcher
from netd.settings import Settings
from netd.test.stages import Reactor
from netd.test.workers.stages import FakeWorker
from netd.transport import temporary_certificate
from netd.transport.listener import Listener
from netd.transport.temporary_certificate import CertificateFile
from netd.transport.tls import TICKET_KEY_SECONDS
from netd.turns import Turns
from netd.values import Duration, Endpoint
from netd.workers import messages, worker
from netd.workers.group import Group
from netd.workers.messages import Prepared, Snapshot
from netd.workers.scoreboard import Column
from netd.workers.worker import Worker, forget_log, main

HERE = Endpoint("tcp", "127.0.0.1", 0)
SETTINGS = Settings(
    http=settings.HTTP(listen=(HERE,), access_log=None),
    udp=settings.UDP(Endpoint("udp", "127.0.0.1", 0)),
    monitoring=settings.Monitoring(listen=(HERE,)),
    services=(settings.Service("echo", Endpoint("udp", "127.0.0.1", 0)),),
)


class WorkerReactor(Reactor):
    """A reactor that runs only as far as the test lets it, and may be made anew."""

    made = 0

    def __init__(self) -> None:
        super().__init__()
        self.made += 1
        self.events: list[str] = []
        self.triggers: list[Callable[[], Any]] = []

    def addSystemEventTrigger(self, phase: str, event: str, call: Callable[[], Any]) -> None:
        """Note it."""
        self.triggers.append(call)

    def run(self) -> None:
        """Note it."""
        self.events.append("run")

    def stop(self) -> None:
        """Note it."""
        self.events.append("stop")


class WorkerCase(SynchronousTestCase):
    """A worker in this process."""

    def setUp(self) -> None:
        self.reactor = WorkerReactor()
        self.group = Group(2, 10**6, self.reactor)
        self.settings = SETTINGS
        self.daemon: Daemon = build(
            SETTINGS, self.reactor, {}, lambda: self.settings, shared=self.group.shared()
        )
        self.daemon.privilegedStartService()
        self.addCleanup(self.close, self.daemon, self.daemon.listeners())
        for observer in tuple(globalLogPublisher._observers):
            self.addCleanup(globalLogPublisher.addObserver, observer)
        self.exits: list[int] = []
        self.patch(os, "_exit", self.exits.append)
        self.handlers: dict[int, object] = {}
        self.patch(signal, "signal", self.handlers.__setitem__)
        self.patch(faulthandler, "register", lambda *_, **__: None)
        self.patch(worker, "adopt", self.adopt)
        self.before = set(globalLogPublisher._observers)
        self.addCleanup(self.forget)

    def close(self, daemon: Daemon, listeners: list[Listener]) -> None:
        """Close what a daemon has opened."""
        for listener in listeners:
            listener.stopService()
        daemon.abandon()
        self.reactor.advance(0)

    def forget(self) -> None:
        """Remove the observers that a worker has added."""
        for observer in set(globalLogPublisher._observers) - self.before:
            globalLogPublisher.removeObserver(observer)

    def adopt(self, reactor: object, sock: socket.socket, link: Any) -> None:
        """Let the test be the supervisor."""
        sock.close()
        self.supervisor = FakeWorker(link)

    def worker(self, index: int = 0, generation: int = 0) -> Worker:
        """A worker that serves."""
        tested = Worker(self.daemon, self.group, index)
        tested.prepare(messages.Start(self.settings, generation))
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        tested.run(theirs)
        return tested

    def heard(self, kind: type[object]) -> list[Any]:
        """The messages of a type that the supervisor got since the last call."""
        return [each for each in self.supervisor.hear() if isinstance(each, kind)]


class ServeTests(WorkerCase):
    """
    What a worker serves.
    """

    def test_listeners(self) -> None:
        """Each has the web site; a datagram port has one reader; nobody has --metrics-http."""
        for index, udp in ((0, ["udp"]), (1, ["udp-echo"])):
            WorkerCase.setUp(self)
            self.worker(index)
            names = [each.name for each in self.daemon.listeners()]
            self.assertEqual(names, ["http", *udp])
            self.assertTrue(all(each.inherited for each in self.daemon.listeners()))
            self.assertNotIn("ready", [each.name for each in self.daemon])

    def test_ownPorts(self) -> None:
        """The ports of the daemon are those of all processes, before and after a close."""
        ports = self.daemon.parts.own_ports()
        self.assertEqual(len(ports), 2)
        self.worker()
        self.assertEqual(self.daemon.parts.own_ports(), ports)

    def test_certificateFile(self) -> None:
        """The file of a certificate that was made at the start is the supervisor's."""
        pair = temporary_certificate.make((), 0.0)
        file = CertificateFile(pair, self.daemon.parts.drain.over)
        file.setServiceParent(self.daemon)
        self.worker()
        self.assertFalse(file.running)
        self.assertEqual(self.daemon.once(), [])

    def test_turns(self) -> None:
        """What waits for its turn proceeds in the reactor that is made anew."""
        turns = Turns.of(self.reactor)
        self.assertIs(turns, self.daemon.parts.sites["http"].context.turns)
        self.reactor.__init__()  # type: ignore[misc]  # as in a worker
        self.assertTrue(turns.in_time())
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)
        self.reactor.advance(0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_crowded(self) -> None:
        """Stream listeners leave newcomers to others."""
        self.worker()
        self.assertEqual(
            [each.crowded for each in self.daemon.listeners()], [self.group.crowded, None]
        )

    def test_ready(self) -> None:
        """It says so when it serves, and beats from then on."""
        self.worker()
        self.assertEqual(self.reactor.events, ["run"])
        self.assertEqual(self.heard(messages.Ready), [messages.Ready()])
        self.reactor.advance(0.05)
        self.assertEqual(self.group.board.get(0, Column.HEARTBEAT), 0.05)
        self.supervisor.hear()
        self.reactor.advance(1.0)
        (counted,) = self.heard(messages.Counted)
        self.assertEqual(counted.snapshot.connections, {"http": 0})

    def test_later(self) -> None:
        """One that starts after a reload has the settings of that."""
        self.settings = evolve(SETTINGS, grace=Duration.parse("3s"))
        self.worker(generation=1)
        self.assertEqual(self.daemon.parts.drain.grace, 3.0)

    def test_ticketKeys(self) -> None:
        """Keys of session tickets that are new are kept, old ones are not used."""
        rotated: list[int] = []
        tls: Any = type("TLS", (), {"rotate": lambda _: rotated.append(1)})()
        self.daemon.parts = evolve(self.daemon.parts, tls=tls)
        self.reactor.advance(TICKET_KEY_SECONDS - 1)
        self.worker()
        self.assertEqual(rotated, [])
        WorkerCase.setUp(self)
        self.daemon.parts = evolve(self.daemon.parts, tls=tls)
        self.reactor.advance(TICKET_KEY_SECONDS)
        self.worker()
        self.assertEqual(rotated, [1])

    def test_row(self) -> None:
        """The row has the open connections and the waiting responses."""
        tested = self.worker()
        site = self.daemon.parts.sites["http"]
        for _ in range(3):
            connection: Any = type("C", (), {"client": None})()
            site.connections.add(connection)
        site.context.in_flight = 2
        tested.publish()
        row = [self.group.board.get(0, column) for column in Column][1:]
        self.assertEqual(row, [3, 3, 2])
        tested.stopping = True
        tested.publish()
        self.assertEqual(self.group.board.get(0, Column.LOAD), inf)

    def test_role(self) -> None:
        """Counts and metrics are the supervisor's."""
        tested = self.worker(1)
        self.assertEqual(tested.role_name(), "worker 2 of 2")
        found: list[object] = []
        self.supervisor.answers = {
            messages.Count: lambda asked: len(asked.key),
            messages.Expose: lambda asked: (asked.accept, b"all"),
            messages.Read: lambda _: "figures",
        }
        tested.ask(messages.Count("abc"), found.append)
        tested.ask(messages.Expose("text/x"), found.append)
        tested.ask(messages.Read(), found.append)
        self.supervisor.hear()
        self.assertEqual(found, [3, ("text/x", b"all"), "figures"])
        tested.ask(messages.Count("abc"), found.append)
        tested.stopping = True
        self.supervisor.leave()
        self.assertEqual(len(found), 3)


class LogTests(WorkerCase):
    """
    The lines of a worker.
    """

    def test_lines(self) -> None:
        """Lines go to the supervisor, with the traceback of a failure."""
        self.worker()
        self.supervisor.hear()
        log = Logger("some.room")
        log.error("a {word}", word="b")
        log.failure("c", Failure(ZeroDivisionError()))
        log.info("")
        first, second = self.heard(messages.Line)
        self.assertEqual(first, messages.Line("error", "some.room", "a b"))
        self.assertEqual((second.level, second.text), ("critical", "c"))
        self.assertIn("ZeroDivisionError", second.traceback)
        self.flushLoggedErrors(ZeroDivisionError)

    def test_refusal(self) -> None:
        """The line of a refusal has its fields."""
        self.worker()
        self.supervisor.hear()
        Logger("a").warn("no", refusal="rate", peer="::1", listener="http", other=1)
        (line,) = self.heard(messages.Line)
        self.assertEqual(line.refusal, {"refusal": "rate", "peer": "::1", "listener": "http"})

    def test_lost(self) -> None:
        """Lines that find no room are counted."""
        self.worker()
        self.supervisor.link.pauseProducing()
        before = self.daemon.parts.counters.log_drops
        for _ in range(20):
            Logger("a").info("{text}", text=30_000 * "x")
        self.assertGreater(self.daemon.parts.counters.log_drops, before)


class MessageTests(WorkerCase):
    """
    What the supervisor asks for.
    """

    def setUp(self) -> None:
        super().setUp()
        self.tested = self.worker()
        self.supervisor.hear()

    def test_watched(self) -> None:
        """The supervisor learns what is watched here, and events come from there."""
        watchers, watcher = self.tested._parts.watchers, Watcher(("b-1",))
        watchers.enter(watcher)
        self.assertEqual(self.supervisor.hear()[-1], messages.Watch(frozenset({"b-1"})))
        self.supervisor.say(messages.Seen("b-1", (b"data: 1\n\n",)))
        self.assertEqual(watcher.take(), [b"data: 1\n\n"])
        watchers.leave(watcher)

    def ask(self, message: object) -> Any:
        """What is returned to a question."""
        self.supervisor.say(message, 9)
        return self.supervisor.hear()[-1]

    def test_questions(self) -> None:
        """A snapshot and the status are those of the daemon."""
        self.daemon.parts.counters.sent = 7
        found = self.ask(messages.TakeSnapshot())
        assert isinstance(found, Snapshot)
        self.assertEqual(found.counters.sent, 7)
        self.assertIn("counters: sent=7", self.ask(messages.Describe()))

    def test_reopen(self) -> None:
        """The logs are opened again."""
        reopened: list[int] = []
        self.patch(type(self.daemon.parts.logs), "reopen", lambda _: reopened.append(1))
        self.supervisor.say(messages.Reopen())
        self.assertEqual(reopened, [1])

    def test_reload(self) -> None:
        """Settings are prepared, and used only after the commit."""
        fresh = evolve(SETTINGS, grace=Duration.parse("3s"))
        self.assertEqual(self.ask(messages.Prepare(fresh)), Prepared())
        self.assertEqual(self.daemon.parts.drain.grace, 10.0)
        self.supervisor.say(messages.Commit())
        self.assertEqual(self.daemon.parts.drain.grace, 3.0)
        # A second one changes nothing.
        self.supervisor.say(messages.Commit())

    def test_aborted(self) -> None:
        """What was prepared and aborted is never used."""
        fresh = evolve(SETTINGS, grace=Duration.parse("3s"))
        self.ask(messages.Prepare(fresh))
        self.supervisor.say(messages.Abort())
        self.supervisor.say(messages.Commit())
        self.assertEqual(self.daemon.parts.drain.grace, 10.0)

    def test_refused(self) -> None:
        """Settings that cannot be met are refused with the reason."""
        bad = evolve(SETTINGS, rpc=settings.RPC(publish=("no.such:thing",)))
        self.assertIn("--rpc no.such:thing", self.ask(messages.Prepare(bad)).error)

    def test_certificates(self) -> None:
        """The fingerprints are those of the files that were read."""

        class TLS:
            def fingerprints(self) -> tuple[str, ...]:
                return ("default ab",)

        tls: Any = TLS()
        self.tested._parts = evolve(self.daemon.parts, tls=tls)
        self.assertEqual(self.ask(messages.Prepare(SETTINGS)).certificates, ("default ab",))


class StopTests(WorkerCase):
    """
    The end of a worker.
    """

    def test_stop(self) -> None:
        """It closes, drains, sends what it has counted, and is gone when that is sent."""
        self.worker()
        self.supervisor.hear()
        self.supervisor.say(messages.Stop())
        self.supervisor.say(messages.Stop())
        self.assertEqual(self.reactor.events, ["run", "stop"])
        (stop,) = self.reactor.triggers
        stopped: Deferred[None] = stop()
        # The daemon would have taken a signal for the second one.
        ignored = {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: signal.SIG_IGN}
        self.assertEqual(self.handlers, ignored)
        self.reactor.advance(0)
        told = [type(each) for each in self.supervisor.hear()]
        told = [each for each in told if each is not messages.Line]
        self.assertEqual(told, [messages.Closed, messages.Counted])
        self.assertNoResult(stopped)
        self.assertTrue(self.supervisor.transport.disconnecting)
        self.supervisor.leave()
        self.successResultOf(stopped)
        self.assertEqual(self.exits, [])

    def test_signal(self) -> None:
        """SIGTERM stops it, once, and whatever the supervisor says meanwhile."""
        self.worker()
        handle: Any = self.handlers[signal.SIGTERM]
        handle(signal.SIGTERM, None)
        self.supervisor.say(messages.Stop())
        self.reactor.signals.run()
        self.assertEqual(self.reactor.events, ["run", "stop"])

    def test_drain(self) -> None:
        """With a drain it serves on; others learn of it when all stop, not of it alone."""
        self.daemon.parts.drain.change(10.0, 5.0)
        tested = self.worker()
        handle: Any = self.handlers[signal.SIGTERM]
        handle(signal.SIGTERM, None)
        self.reactor.signals.run()
        (stop,) = self.reactor.triggers
        stop()
        self.supervisor.hear()
        self.assertFalse(tested.stopping)
        self.supervisor.say(messages.Stop())
        self.assertTrue(tested.stopping)
        self.reactor.advance(4.0)
        self.assertEqual(self.heard(messages.Closed), [])
        self.assertEqual(len(self.daemon.listening()), 2)
        self.reactor.advance(1.0)
        self.reactor.advance(0)
        self.assertEqual(self.heard(messages.Closed), [messages.Closed()])
        self.assertEqual(self.reactor.events, ["run", "stop"])

    def test_signalAlone(self) -> None:
        """One that ends alone takes no newcomers from the others once it closes."""
        tested = self.worker()
        handle: Any = self.handlers[signal.SIGTERM]
        handle(signal.SIGTERM, None)
        self.reactor.signals.run()
        self.assertFalse(tested.stopping)
        self.reactor.triggers[0]()
        self.assertTrue(tested.stopping)

    def test_hurry(self) -> None:
        """It cuts what is left when it is told to."""
        self.worker()
        hurried: list[int] = []
        self.patch(self.daemon.parts.drain, "hurry", lambda: hurried.append(1))
        self.supervisor.say(messages.Hurry())
        self.assertEqual(hurried, [1])

    def test_alone(self) -> None:
        """Without a supervisor it ends at once."""
        self.worker()
        self.supervisor.link.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.exits, [1])


@implementer(ILogObserver)
class Observer:
    """An observer of the daemon's."""

    def __call__(self, event: object) -> None:
        """Not called in a worker."""


class MainTests(WorkerCase):
    """
    From the fork on.
    """

    def main(self, *data: bytes) -> list[object]:
        """Be a worker that gets `data`; what it says before it serves."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        for each in data:
            ours.sendall(each)
        ours.shutdown(socket.SHUT_WR)
        main(self.daemon, self.group, 1, theirs)
        theirs.close()
        received = b""
        while more := ours.recv(65_536):
            received += more
        if not received:
            return []
        envelope = messages.unpack(received[4:])
        assert isinstance(envelope, messages.Envelope)
        return [envelope.message]

    def start(self) -> tuple[bytes, bytes]:
        """The first message, in two pieces."""
        data = messages.pack(messages.Envelope(messages.Start(SETTINGS, 0)))
        return len(data).to_bytes(4, "big") + data[:5], data[5:]

    def test_serves(self) -> None:
        """It serves in a reactor that is like new."""
        self.assertEqual(self.main(*self.start()), [])
        self.assertEqual(self.reactor.events, ["run"])
        self.assertEqual(self.reactor.made, 2)
        self.assertEqual(self.group.index, 1)

    def test_noLog(self) -> None:
        """The observers of the daemon are forgotten."""
        globalLogPublisher.addObserver(Observer())
        forget_log()
        self.assertEqual(globalLogPublisher._observers, [])

    def test_refuses(self) -> None:
        """Settings that cannot be met are told in one line."""

        def refuse(*_: object) -> None:
            raise UsageError("--x:\n no")

        self.patch(Worker, "prepare", refuse)
        self.assertEqual(self.main(*self.start()), [messages.Failed("--x: no")])

    def test_bug(self) -> None:
        """A bug is told with its traceback."""
        self.patch(Worker, "prepare", lambda *_: 1 // 0)
        (failed,) = self.main(*self.start())
        assert isinstance(failed, messages.Failed)
        self.assertIn("ZeroDivisionError", failed.reason)

    def test_cut(self) -> None:
        """A supervisor that is gone before its first message is complete ends it."""
        (failed,) = self.main(self.start()[0])
        assert isinstance(failed, messages.Failed)
        self.assertIn("the supervisor is gone", failed.reason)
