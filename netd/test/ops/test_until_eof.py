"""
Tests of netd.ops.until_eof.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from twisted.application.service import IService
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netd.ops.until_eof import UntilEOF
from netd.test.stages import NotRunning, Reactor


class UntilEOFTests(SynchronousTestCase):
    """
    A pipe, whose other end the starter holds.
    """

    def setUp(self) -> None:
        self.reactor = Reactor()
        self.ends: list[str] = []
        self.read, self.write = os.pipe()
        self.addCleanup(os.close, self.read)

    def service(self, reactor: Any = None, **traits: bool) -> UntilEOF:
        """One that watches the pipe and runs."""
        service = UntilEOF(
            reactor or self.reactor,
            lambda: self.ends.append("end"),
            descriptor=self.read,
            **traits,
        )
        service.startService()
        return service

    def test_interfaces(self) -> None:
        """It is a service, and what a reactor can read."""
        service = self.service()
        verifyObject(IService, service)
        verifyObject(IReadDescriptor, service)
        self.assertEqual((service.fileno(), service.logPrefix()), (self.read, "until-eof"))
        os.close(self.write)

    def test_end(self) -> None:
        """What comes is ignored; its end ends the daemon, once, and the log says so."""
        service = self.service()
        self.assertEqual(self.reactor.readers, [service])
        os.write(self.write, b"x" * 10)
        service.doRead()
        self.assertEqual(self.ends, [])
        os.close(self.write)
        with capturedLogs() as events:
            service.doRead()
        self.assertEqual((self.ends, self.reactor.readers), (["end"], []))
        self.assertIn("standard input has ended", str(events[0]["log_format"]))

    def test_stop(self) -> None:
        """After a stop nobody reads, and no end comes any more."""
        service = self.service()
        service.stopService()
        self.assertEqual(self.reactor.readers, [])
        service.connectionLost(None)
        self.assertEqual(self.ends, [])
        os.close(self.write)

    def test_lost(self) -> None:
        """A reactor that cannot watch any more ends the daemon, as nothing else would."""
        self.service().connectionLost(None)
        self.assertEqual(self.ends, ["end"])
        os.close(self.write)

    def test_never(self) -> None:
        """A daemon that stops before the reactor runs reads nothing."""
        reactor = NotRunning()
        self.service(reactor).stopService()
        reactor.run()
        self.assertEqual(reactor.readers, [])
        os.close(self.write)

    def test_broken(self) -> None:
        """A descriptor that cannot be read is at its end."""
        service = UntilEOF(self.reactor, lambda: self.ends.append("end"), descriptor=self.write)
        service.startService()
        service.doRead()
        self.assertEqual(self.ends, ["end"])
        os.close(self.write)

    def test_thread(self) -> None:
        """Where pipes cannot be polled a thread reads, and ends the daemon by the reactor."""
        before = set(threading.enumerate())
        service = self.service(pollable=False)
        (thread,) = set(threading.enumerate()) - before
        os.write(self.write, b"x")
        os.close(self.write)
        thread.join(60)
        self.assertEqual((self.ends, self.reactor.readers), ([], []))
        self.reactor.signals.run()
        self.assertEqual(self.ends, ["end"])
        service.stopService()
