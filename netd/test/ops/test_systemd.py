"""
Tests for netd.ops.systemd.
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

from netd.ops.systemd import STATUS_SECONDS, Ready, notify, watchdog_seconds
from netd.test.stages import Reactor


class Managed(SynchronousTestCase):
    """
    A service manager that listens.
    """

    def manager(self, address: str | None = None) -> tuple[dict[str, str], Callable[[], bytes]]:
        """An environment with a NOTIFY_SOCKET, and what reads the next datagram from it."""
        if address is None:
            # Not mktemp(): its path may be longer than a socket's address can be.
            room = tempfile.mkdtemp()
            self.addCleanup(shutil.rmtree, room)
            address = f"{room}/s"
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(listening.close)
        listening.bind(address.replace("@", "\0", 1))
        listening.setblocking(False)
        return {"NOTIFY_SOCKET": address}, lambda: listening.recv(65536)

    def quiet(self, receive: Callable[[], bytes]) -> None:
        """Nothing more has come."""
        with self.assertRaises(BlockingIOError):
            receive()

    def warned(self, environ: Mapping[str, str]) -> Sequence[LogEvent]:
        """What a notification in `environ` writes into the log."""
        with capturedLogs() as events:
            notify(environ, "READY=1")
        return events


class NotifyTests(Managed):
    """
    One datagram to whoever NOTIFY_SOCKET names.
    """

    def test_path(self) -> None:
        """
        The assignments arrive in one datagram, a line each.
        """
        environ, receive = self.manager()
        notify(environ, "READY=1", "STATUS=Serving")
        self.assertEqual(receive(), b"READY=1\nSTATUS=Serving")
        self.quiet(receive)

    def test_abstract(self) -> None:
        """
        An address with an @ is one in the abstract namespace.
        """
        # The process's number keeps two runs apart: no file system does here.
        environ, receive = self.manager(f"@netd-test-{os.getpid()}-{id(self)}")
        notify(environ, "STOPPING=1")
        self.assertEqual(receive(), b"STOPPING=1")

    def test_unicode(self) -> None:
        """
        Text goes as UTF-8.
        """
        environ, receive = self.manager()
        notify(environ, "STATUS=é")
        self.assertEqual(receive(), "STATUS=é".encode())

    def test_silent(self) -> None:
        """
        Without an address, or with one of another kind, nothing is sent, raised or logged.
        """
        for environ in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}):
            self.assertEqual(self.warned(environ), [])

    def test_dead(self) -> None:
        """
        A manager that is gone, was never there or cannot be there is one warning.
        """
        environ, _ = self.manager()
        path = environ["NOTIFY_SOCKET"]
        self.doCleanups()
        for address in (path, "/", "/nonexistent/s", "@nobody-listens", "/" + "x" * 200):
            events = self.warned({"NOTIFY_SOCKET": address})
            self.assertEqual([event["address"] for event in events], [address])

    def test_stream(self) -> None:
        """
        So is a manager that listens for streams.
        """
        room = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, room)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(f"{room}/s")
            listening.listen()
            self.assertEqual(len(self.warned({"NOTIFY_SOCKET": f"{room}/s"})), 1)

    def test_deaf(self) -> None:
        """
        A manager that does not read is not waited for.
        """
        environ, receive = self.manager()
        for _ in range(100_000):
            if self.warned(environ):
                break
        else:
            self.fail("the queue never filled")
        self.assertEqual(receive(), b"READY=1")

    def test_no_descriptor_left(self) -> None:
        """
        Neither success nor failure leaves a descriptor open.
        """
        environ, _ = self.manager()
        before = len(os.listdir("/dev/fd"))
        notify(environ, "READY=1")
        self.warned({"NOTIFY_SOCKET": "/nonexistent"})
        self.assertEqual(len(os.listdir("/dev/fd")), before)


class ReadyTests(Managed):
    """
    The service that stands last in the house.
    """

    def test_not_before(self) -> None:
        """
        Nothing is said before the reactor runs, nor after a stop that came first.
        """

        class Later(Reactor):
            """Runs when the test says so."""

            def callWhenRunning(self, call: Any, *rest: Any, **named: Any) -> None:
                """Keep it."""
                calls.append(call)

        calls: list[Any] = []
        with capturedLogs() as said:
            service = Ready(Later(), dict, {})
            service.startService()
            self.assertEqual(said, [])
            service.stopService()
            calls[0]()
            self.assertEqual(said, [])
            service.startService()
            calls[1]()
        self.assertEqual([each["log_format"] for each in said], ["ready: {said}"])

    def test_interface(self) -> None:
        """
        It is a service.
        """
        self.assertTrue(verifyObject(IService, Ready(Reactor(), dict, {})))

    def test_ready(self) -> None:
        """
        Starting says READY and where every listener is, as of that moment.
        """
        environ, receive = self.manager()
        listening: dict[str, str] = {}
        service = Ready(Reactor(), lambda: listening, environ)
        self.quiet(receive)
        listening.update({"http": "tcp:80:interface=a", "udp": "udp:7:interface=a"})
        with capturedLogs() as events:
            service.startService()
        said = "http=tcp:80:interface=a udp=udp:7:interface=a"
        self.assertEqual(
            receive().decode(), f"READY=1\nSTATUS=Serving {said}\nX_NETD_LISTEN={said}"
        )
        self.quiet(receive)
        self.assertTrue(service.running)
        self.assertEqual([event["said"] for event in events], [said])

    def test_stopping(self) -> None:
        """
        Stopping says so, once.
        """
        environ, receive = self.manager()
        service = Ready(Reactor(), dict, environ)
        service.startService()
        receive()
        service.stopService()
        self.assertEqual(receive(), b"STOPPING=1\nSTATUS=Finishing answers in flight")
        self.quiet(receive)
        self.assertFalse(service.running)

    def test_lines(self) -> None:
        """
        Every line of a notification is an assignment, whatever a listener is called.
        """
        environ, receive = self.manager()
        Ready(Reactor(), lambda: {"http": r"tcp6:80:interface=\:\:1"}, environ).startService()
        for line in receive().decode().split("\n"):
            self.assertRegex(line, r"\A[A-Z_]+=")

    def test_unmanaged(self) -> None:
        """
        Without a manager both are silent, but for the line that tells the operator.
        """
        service = Ready(Reactor(), dict, {})
        with capturedLogs() as events:
            service.startService()
            service.stopService()
        self.assertEqual(len(events), 1)


class WatchdogTests(SynchronousTestCase):
    """
    What the manager wants to hear, and how often.
    """

    def test_asked(self) -> None:
        """
        Microseconds become seconds.
        """
        self.assertEqual(watchdog_seconds({"WATCHDOG_USEC": "2500000"}, 7), 2.5)
        self.assertEqual(
            watchdog_seconds({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "7"}, 7), 1.0
        )

    def test_not_asked(self) -> None:
        """
        Nothing, nonsense, and what is meant for another process ask for nothing.
        """
        for environ in (
            {},
            {"WATCHDOG_USEC": ""},
            {"WATCHDOG_USEC": "-1"},
            {"WATCHDOG_USEC": "x"},
            {"WATCHDOG_USEC": "0"},
            {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "8"},
        ):
            self.assertEqual(watchdog_seconds(environ, 7), 0.0)


class PulseTests(Managed):
    """
    What is told while the daemon runs.
    """

    def started(self, **environ: str) -> tuple[Ready, Reactor, Callable[[], bytes]]:
        """A service that has said READY."""
        managed, receive = self.manager()
        reactor = Reactor()
        doing = iter(f"Serving {number}" for number in range(99))
        service = Ready(reactor, dict, {**managed, **environ}, lambda: next(doing))
        with capturedLogs():
            service.startService()
        self.assertTrue(receive().startswith(b"READY=1"))
        return service, reactor, receive

    def test_watchdog(self) -> None:
        """
        A sign of life goes out at half the interval, as long as time passes for the reactor.
        """
        _, reactor, receive = self.started(WATCHDOG_USEC="2000000")
        reactor.advance(0.999)
        self.quiet(receive)
        for _ in range(3):
            reactor.advance(0.001)
            self.assertEqual(receive(), b"WATCHDOG=1")
            reactor.advance(0.999)
            self.quiet(receive)

    def test_no_watchdog(self) -> None:
        """
        None goes out that was not asked for, or was asked of another process.
        """
        for environ in ({}, {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}):
            _, reactor, receive = self.started(**environ)
            reactor.advance(STATUS_SECONDS - 0.001)
            self.quiet(receive)

    def test_status(self) -> None:
        """
        The status is refreshed again and again.
        """
        _, reactor, receive = self.started()
        for number in range(3):
            reactor.advance(STATUS_SECONDS)
            self.assertEqual(receive(), f"STATUS=Serving {number}".encode())
        self.quiet(receive)

    def test_nothing_to_say(self) -> None:
        """
        An empty status is not sent.
        """
        environ, receive = self.manager()
        reactor = Reactor()
        Ready(reactor, dict, environ).startService()
        receive()
        reactor.advance(STATUS_SECONDS)
        self.quiet(receive)

    def test_stopping(self) -> None:
        """
        While the stop lasts the status stays what it is, and signs of life go on to its end.
        """
        service, reactor, receive = self.started(WATCHDOG_USEC="20000000")
        service.stopService()
        self.assertTrue(receive().startswith(b"STOPPING=1"))
        reactor.advance(STATUS_SECONDS)
        self.assertEqual(receive(), b"WATCHDOG=1")
        self.quiet(receive)
        service.close()
        self.assertEqual(reactor.getDelayedCalls(), [])

    def test_close_twice(self) -> None:
        """
        Closing is possible before the start, and twice.
        """
        service = Ready(Reactor(), dict, {})
        service.close()
        service.close()

    def test_unmanaged(self) -> None:
        """
        Without a manager there are no timers.
        """
        reactor = Reactor()
        with capturedLogs():
            Ready(reactor, dict, {"WATCHDOG_USEC": "1000000"}).startService()
        self.assertEqual(reactor.getDelayedCalls(), [])

    def test_reload(self) -> None:
        """
        A reload begins with the time that systemd compares, and ends with READY and a result.
        """
        service, _, receive = self.started()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        service.reloading()
        one, two = receive().decode().split("\n")
        self.assertEqual(one, "RELOADING=1")
        name, _, said = two.partition("=")
        self.assertEqual(name, "MONOTONIC_USEC")
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.assertTrue(before <= int(said) <= after)
        service.reloaded("Reloaded")
        self.assertEqual(receive(), b"READY=1\nSTATUS=Reloaded")
