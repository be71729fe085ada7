"""
Tests for netd.house.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.application.service import Application, MultiService
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, capturedLogs, formatEvent

from netd.counters import Counters
from netd.daemon import build
from netd.house import Daemon
from netd.ops.logging.access_log import Text
from netd.ops.logging.line_writer import LineWriter
from netd.settings import TLS, Monitoring, Service, Settings
from netd.test.ops.test_systemd import Managed
from netd.test.stages import Reactor, identity
from netd.test.test_daemon import HERE, asked


class HouseTests(Managed):
    """
    A daemon that hears signals.
    """

    def setUp(self) -> None:
        self.reactor = Reactor()
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        self.environ, self.receive = self.manager()

    def start(self, config: Settings) -> Daemon:
        """It runs, and has said READY."""
        house = build(config, self.reactor, self.environ, lambda: config)
        self.addCleanup(self.end, house)
        with capturedLogs():
            house.startService()
        self.assertTrue(self.receive().startswith(b"READY=1"))
        return house

    def end(self, house: Daemon) -> None:
        """Close what the test has not."""
        if house.running:
            house.abandon()

    def signal(self, number: signal.Signals) -> list[str]:
        """What the log says after this signal."""
        with capturedLogs() as events:
            os.kill(os.getpid(), number)
            self.reactor.signals.run()
        return [str(formatEvent(each)) for each in events]

    def logging(self, path: Path) -> Settings:
        """Settings of a daemon that logs to `path`."""
        return evolve(
            asked(), http=evolve(asked().http, access_log=str(path), fast_dispatch=False)
        )

    def test_reload(self) -> None:
        """
        SIGHUP reloads and opens the log anew, and the service manager hears of both ends.
        """
        path = Path(self.mktemp())
        self.start(self.logging(path))
        path.unlink()
        self.assertEqual(self.signal(signal.SIGHUP), ["reloaded"])
        self.assertTrue(path.exists())
        self.assertTrue(self.receive().startswith(b"RELOADING=1\nMONOTONIC_USEC="))
        self.assertEqual(self.receive(), b"READY=1\nSTATUS=Reloaded")

    def test_ready(self) -> None:
        """
        New work is welcome from the start until a stop begins.
        """
        house = build(asked(), self.reactor, {})
        self.assertFalse(house.ready())
        with capturedLogs():
            house.startService()
        self.assertTrue(house.ready())
        stopped = house.stopService()
        self.assertFalse(house.ready())
        self.reactor.advance(60)
        self.successResultOf(stopped)

    def test_certificates(self) -> None:
        """
        It tells how long its certificates are good, when it has some.
        """
        self.assertEqual(build(asked(), self.reactor, {}).certificates(), {})
        files = identity().write(Path(self.mktemp()))
        house = build(asked(tls=TLS((HERE,), *files)), self.reactor, {})
        self.assertGreater(house.certificates()["default"], 86_400)

    def test_application(self) -> None:
        """
        twistd's application logs in the daemon's form, unless it has one of its own.
        """
        config = evolve(asked(), monitoring=Monitoring(log="json"))
        for observer in (None, Text(LineWriter(1, Clock(), Counters()))):
            application: Any = Application("netd")
            if observer is not None:
                application.setComponent(ILogObserver, observer)
            house = build(config, self.reactor, {})
            house.setServiceParent(application)
            found = application.getComponent(ILogObserver)
            self.assertIs(found, observer or house.logs.observer)
        bare: Any = Application("netd")
        build(asked(), self.reactor, {}).setServiceParent(bare)
        self.assertIsNone(bare.getComponent(ILogObserver, None))
        build(config, self.reactor, {}).setServiceParent(MultiService())

    def test_reopen(self) -> None:
        """
        SIGUSR1 opens the log anew, and does no more.
        """
        path = Path(self.mktemp())
        self.start(self.logging(path))
        path.unlink()
        self.assertEqual(self.signal(signal.SIGUSR1), [])
        self.assertTrue(path.exists())
        self.quiet(self.receive)

    def test_no_log(self) -> None:
        """
        Where there is no log SIGUSR1 ends nothing.
        """
        self.start(asked())
        self.assertEqual(self.signal(signal.SIGUSR1), [])

    def test_dump(self) -> None:
        """
        SIGUSR2 logs who is there: services, connections, waiting answers, timers, counters.
        """
        house = self.start(evolve(asked(), services=(Service("echo", HERE),)))
        house.counters.answers[200] += 1
        lines = self.signal(signal.SIGUSR2)
        self.assertEqual(len(lines), 5)
        self.assertRegex(lines[0], r"^state: services: http=tcp:\d+:.* tcp-echo=tcp:\d+:")
        self.assertEqual(lines[1], "state: connections: 0 (http=0 tcp-echo=0)")
        self.assertEqual(lines[2], "state: waiting answers: 0 (http=0)")
        self.assertIn("answers[200]=1", lines[4])

    def test_first(self) -> None:
        """
        Signals are heard by the time that READY tells others that they may send them.
        """
        heard: list[object] = []
        config = asked()
        house = build(config, self.reactor, self.environ)
        self.addCleanup(self.end, house)
        ready = house.getServiceNamed("ready")

        def announce() -> None:
            heard.append(signal.getsignal(signal.SIGHUP))

        self.patch(ready, "startService", announce)
        with capturedLogs():
            house.startService()
        self.assertTrue(callable(heard[0]))

    def test_stopped(self) -> None:
        """
        While it stops, and after, nothing is reloaded, and no timer is left.
        """
        house = self.start(self.logging(Path(self.mktemp())))
        with capturedLogs():
            stopped = house.stopService()
            self.reactor.advance(2)
        self.successResultOf(stopped)
        self.assertTrue(self.receive().startswith(b"STOPPING=1"))
        self.assertEqual(self.signal(signal.SIGHUP), [])
        self.assertEqual(self.signal(signal.SIGUSR1), [])
        self.quiet(self.receive)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_nothing_to_read(self) -> None:
        """
        A daemon that has no configuration to read again ignores SIGHUP.
        """
        house = build(asked(), self.reactor, self.environ)
        self.addCleanup(self.end, house)
        with capturedLogs():
            house.startService()
        self.receive()
        self.assertEqual(self.signal(signal.SIGHUP), [])
        self.quiet(self.receive)
        self.assertIsInstance(self.reactor, Clock)
