"""
Tests of netd.ops.systemd.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.application.service import IService
from twisted.logger import LogEvent, capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netd.ops.systemd import STATUS_SECONDS, Notifier, notify, watchdog_seconds
from netd.test.stages import Reactor


class Managed(SynchronousTestCase):
    """
    A service manager.
    """

    def manager(self, address: str | None = None) -> tuple[dict[str, str], Callable[[], bytes]]:
        """An environment with a NOTIFY_SOCKET, and a function that reads a datagram from it."""
        if address is None:
            # Not mktemp(), whose path may be too long for the address of a socket.
            room = tempfile.mkdtemp()
            self.addCleanup(shutil.rmtree, room)
            address = f"{room}/s"
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(listening.close)
        listening.bind(address.replace("@", "\0", 1))
        listening.setblocking(False)
        return {"NOTIFY_SOCKET": address}, lambda: listening.recv(65536)

    def quiet(self, receive: Callable[[], bytes]) -> None:
        """Check that nothing more has come."""
        with self.assertRaises(BlockingIOError):
            receive()

    def warned(self, environ: Mapping[str, str]) -> Sequence[LogEvent]:
        """The log events of a notification in `environ`."""
        with capturedLogs() as events:
            notify(environ, "READY=1")
        return events


class NotifyTests(Managed):
    """
    One datagram to NOTIFY_SOCKET.
    """

    def test_path(self) -> None:
        """The assignments are the lines of one datagram."""
        environ, receive = self.manager()
        notify(environ, "READY=1", "STATUS=Serving")
        self.assertEqual(receive(), b"READY=1\nSTATUS=Serving")
        self.quiet(receive)

    def test_abstract(self) -> None:
        """An address with @ is in the abstract namespace."""
        # The process id keeps two runs apart, as no file system does.
        environ, receive = self.manager(f"@netd-test-{os.getpid()}-{id(self)}")
        notify(environ, "STOPPING=1")
        self.assertEqual(receive(), b"STOPPING=1")

    def test_unicode(self) -> None:
        """Text is sent as UTF-8."""
        environ, receive = self.manager()
        notify(environ, "STATUS=é")
        self.assertEqual(receive(), "STATUS=é".encode())

    def test_silent(self) -> None:
        """Without an address, or with one of another kind, nothing is sent or logged."""
        for environ in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}):
            self.assertEqual(self.warned(environ), [])

    def test_dead(self) -> None:
        """A manager that does not listen is one warning."""
        environ, _ = self.manager()
        path = environ["NOTIFY_SOCKET"]
        self.doCleanups()
        for address in (path, "/", "/nonexistent/s", "@nobody-listens", "/" + "x" * 200):
            events = self.warned({"NOTIFY_SOCKET": address})
            self.assertEqual([event["address"] for event in events], [address])

    def test_stream(self) -> None:
        """A manager that listens for streams is one warning."""
        room = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, room)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(f"{room}/s")
            listening.listen()
            self.assertEqual(len(self.warned({"NOTIFY_SOCKET": f"{room}/s"})), 1)

    def test_deaf(self) -> None:
        """A manager that does not read is a warning, and nothing waits."""
        environ, receive = self.manager()
        for _ in range(100_000):
            if self.warned(environ):
                break
        else:
            self.fail("the queue never filled")
        self.assertEqual(receive(), b"READY=1")

    def test_noDescriptorLeft(self) -> None:
        """No descriptor stays open."""
        environ, _ = self.manager()
        before = len(os.listdir("/dev/fd"))
        notify(environ, "READY=1")
        self.warned({"NOTIFY_SOCKET": "/nonexistent"})
        self.assertEqual(len(os.listdir("/dev/fd")), before)


class NotifierTests(Managed):
    """
    READY, STOPPING and the log line.
    """

    def test_notBefore(self) -> None:
        """Nothing is sent before the reactor runs, nor after an earlier stop."""

        class Later(Reactor):
            """A reactor that runs when the test says so."""

            def callWhenRunning(self, call: Any, *rest: Any, **named: Any) -> None:
                """Keep `call`."""
                calls.append(call)

        calls: list[Any] = []
        with capturedLogs() as events:
            service = Notifier(Later(), dict, {})
            service.startService()
            self.assertEqual(events, [])
            service.stopService()
            calls[0]()
            self.assertEqual(events, [])
            service.startService()
            calls[1]()
        self.assertEqual([event["log_format"] for event in events], ["ready: {places}"])

    def test_interface(self) -> None:
        """A Notifier is a service."""
        self.assertTrue(verifyObject(IService, Notifier(Reactor(), dict, {})))

    def test_ready(self) -> None:
        """READY has the endpoints that the listeners have at the start; the log has places."""
        environ, receive = self.manager()
        listening: dict[str, str] = {}
        service = Notifier(Reactor(), lambda: listening, environ, places=lambda: "http://a:80/")
        self.quiet(receive)
        listening.update({"http": "tcp:80:interface=a", "udp": "udp:7:interface=a"})
        with capturedLogs() as events:
            service.startService()
        listeners = "http=tcp:80:interface=a udp=udp:7:interface=a"
        self.assertEqual(
            receive().decode(),
            f"READY=1\nSTATUS=Serving {listeners}\nX_NETD_LISTEN={listeners}",
        )
        self.quiet(receive)
        self.assertTrue(service.running)
        self.assertEqual([event["places"] for event in events], ["http://a:80/"])

    def test_stopping(self) -> None:
        """A stop sends STOPPING once."""
        environ, receive = self.manager()
        service = Notifier(Reactor(), dict, environ)
        service.startService()
        receive()
        service.stopService()
        self.assertEqual(receive(), b"STOPPING=1\nSTATUS=Finishing responses in flight")
        service.stopService()
        self.quiet(receive)
        self.assertFalse(service.running)

    def test_lines(self) -> None:
        """Every line of a notification is an assignment."""
        environ, receive = self.manager()
        Notifier(
            Reactor(), lambda: {"http": r"tcp6:80:interface=\:\:1"}, environ
        ).startService()
        for line in receive().decode().split("\n"):
            self.assertRegex(line, r"\A[A-Z_]+=")

    def test_unmanaged(self) -> None:
        """Without a manager only the ready line is logged."""
        service = Notifier(Reactor(), dict, {})
        with capturedLogs() as events:
            service.startService()
            service.stopService()
        self.assertEqual(len(events), 1)


class WatchdogTests(SynchronousTestCase):
    """
    The watchdog interval.
    """

    def test_interval(self) -> None:
        """WATCHDOG_USEC is converted to seconds."""
        self.assertEqual(watchdog_seconds({"WATCHDOG_USEC": "2500000"}, 7), 2.5)
        self.assertEqual(
            watchdog_seconds({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "7"}, 7), 1.0
        )

    def test_none(self) -> None:
        """Without a number for this process there is no watchdog."""
        for environ in (
            {},
            {"WATCHDOG_USEC": ""},
            {"WATCHDOG_USEC": "-1"},
            {"WATCHDOG_USEC": "x"},
            {"WATCHDOG_USEC": "0"},
            {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "8"},
        ):
            self.assertEqual(watchdog_seconds(environ, 7), 0.0)


class RunningTests(Managed):
    """
    Notifications while the daemon runs.
    """

    def started(self, **environ: str) -> tuple[Notifier, Reactor, Callable[[], bytes]]:
        """A Notifier that has sent READY."""
        managed, receive = self.manager()
        reactor = Reactor()
        statuses = iter(f"Serving {number}" for number in range(99))
        service = Notifier(reactor, dict, {**managed, **environ}, lambda: next(statuses))
        with capturedLogs():
            service.startService()
        self.assertTrue(receive().startswith(b"READY=1"))
        return service, reactor, receive

    def test_watchdog(self) -> None:
        """WATCHDOG=1 is sent at half the interval."""
        _, reactor, receive = self.started(WATCHDOG_USEC="2000000")
        reactor.advance(0.999)
        self.quiet(receive)
        for _ in range(3):
            reactor.advance(0.001)
            self.assertEqual(receive(), b"WATCHDOG=1")
            reactor.advance(0.999)
            self.quiet(receive)

    def test_noWatchdog(self) -> None:
        """Without a watchdog for this process WATCHDOG=1 is not sent."""
        for environ in ({}, {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}):
            _, reactor, receive = self.started(**environ)
            reactor.advance(STATUS_SECONDS - 0.001)
            self.quiet(receive)

    def test_status(self) -> None:
        """The status is sent regularly."""
        _, reactor, receive = self.started()
        for number in range(3):
            reactor.advance(STATUS_SECONDS)
            self.assertEqual(receive(), f"STATUS=Serving {number}".encode())
        self.quiet(receive)

    def test_emptyStatus(self) -> None:
        """An empty status is not sent."""
        environ, receive = self.manager()
        reactor = Reactor()
        Notifier(reactor, dict, environ).startService()
        receive()
        reactor.advance(STATUS_SECONDS)
        self.quiet(receive)

    def test_stopping(self) -> None:
        """During a stop the status stays, and WATCHDOG=1 is sent until `close`."""
        service, reactor, receive = self.started(WATCHDOG_USEC="20000000")
        service.stopService()
        self.assertTrue(receive().startswith(b"STOPPING=1"))
        reactor.advance(STATUS_SECONDS)
        self.assertEqual(receive(), b"WATCHDOG=1")
        self.quiet(receive)
        service.close()
        self.assertEqual(reactor.getDelayedCalls(), [])

    def test_closeTwice(self) -> None:
        """`close` may be called before the start, and twice."""
        service = Notifier(Reactor(), dict, {})
        service.close()
        service.close()

    def test_unmanaged(self) -> None:
        """Without a manager there is no timer."""
        reactor = Reactor()
        with capturedLogs():
            Notifier(reactor, dict, {"WATCHDOG_USEC": "1000000"}).startService()
        self.assertEqual(reactor.getDelayedCalls(), [])

    def test_reload(self) -> None:
        """A reload begins with the monotonic time and ends with READY and its result."""
        service, _, receive = self.started()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        service.reloading()
        first, second = receive().decode().split("\n")
        self.assertEqual(first, "RELOADING=1")
        name, _, usec = second.partition("=")
        self.assertEqual(name, "MONOTONIC_USEC")
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.assertTrue(before <= int(usec) <= after)
        service.reloaded("Reloaded")
        self.assertEqual(receive(), b"READY=1\nSTATUS=Reloaded")
