"""
Tests for netd.ops.systemd.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.application.service import IService
from twisted.logger import LogEvent, capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netd.ops.systemd import Ready, notify
from netd.test.stages import Reactor


class _Managed(SynchronousTestCase):
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


class NotifyTests(_Managed):
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


class ReadyTests(_Managed):
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
