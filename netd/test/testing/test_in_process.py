"""
Tests of netd.testing.in_process; trial finds what a daemon leaves in the reactor.
"""

from __future__ import annotations

import signal
import urllib.request
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.internet.threads import deferToThread
from twisted.python.usage import UsageError
from twisted.trial.unittest import TestCase

from netd.testing.in_process import serve

reactor: Any = _reactor


class ServeTests(TestCase):
    """
    A daemon in the reactor of the test.
    """

    def get(self, url: str) -> Deferred[Any]:
        """The content at a URL."""
        return deferToThread(lambda: urllib.request.urlopen(url).read())

    async def test_serves(self) -> None:
        """It serves on addresses of its own, and a stop leaves nothing."""
        netd = await serve(reactor, "--service", "echo=tcp:0")
        self.addCleanup(netd.stop)
        self.assertEqual(await self.get(netd.echo(body="hi")), b"hi")
        self.assertNotEqual(netd.address("tcp-echo").port, netd.udp.port)

    async def test_cut(self) -> None:
        """A stop waits for no response that is on its way."""
        netd = await serve(reactor)
        lost = self.assertFailure(self.get(netd.fault("hang")), Exception)
        while not netd.url or not netd._daemon.parts.sites["http"].in_flight:
            await deferLater(reactor, 0.001, lambda: None)
        await netd.stop()
        await lost

    async def test_clock(self) -> None:
        """On a clock a delay takes no time, and a stop neither."""
        clock = Clock()
        netd = await serve(reactor, clock=clock)
        self.addCleanup(netd.stop)
        done: list[bytes] = []
        response = self.get(netd.echo(delay="50s", body="late")).addCallback(done.append)
        while not any(call.getTime() == 50.0 for call in clock.getDelayedCalls()):
            await deferLater(reactor, 0.001, lambda: None)
        clock.advance(49)
        await deferLater(reactor, 0.01, lambda: None)
        self.assertEqual(done, [])
        clock.advance(1)
        await response
        self.assertEqual(done, [b"late"])

    async def test_signals(self) -> None:
        """The signals of the process stay trial's, during and after."""
        numbers = (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM)
        # In its first turn a reactor installs handlers.
        await deferLater(reactor, 0, lambda: None)
        before = [signal.getsignal(each) for each in numbers]
        netd = await serve(reactor)
        self.assertEqual([signal.getsignal(each) for each in numbers], before)
        await netd.stop()
        self.assertEqual([signal.getsignal(each) for each in numbers], before)

    async def test_wrong(self) -> None:
        """A wrong option and a taken port are errors that name them, and leave nothing."""
        await self.assertFailure(serve(reactor, "--nope"), UsageError)
        netd = await serve(reactor)
        self.addCleanup(netd.stop)
        error = await self.assertFailure(serve(reactor, "--port", str(netd.port)), UsageError)
        self.assertIn(f"--port {netd.port}", str(error))
