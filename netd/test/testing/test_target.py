"""
Tests of netd.testing.target.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from netd.test.stages import identity
from netd.testing.in_process import serve
from netd.testing.target import Address, Target, address_of

LISTEN = {
    "http": "tcp:1:interface=127.0.0.1",
    "https": r"tcp6:2:interface=\:\:1",
    "udp": "udp:3",
    "files-http": "unix:/run/x",
}


class AddressTests(SynchronousTestCase):
    """
    What a daemon announces.
    """

    def test_forms(self) -> None:
        """Addresses of both families; a wildcard is reached by loopback."""
        for endpoint, address in (
            (LISTEN["http"], ("127.0.0.1", 1)),
            (LISTEN["https"], ("::1", 2)),
            ("udp:3", ("127.0.0.1", 3)),
            ("tcp:4:interface=0.0.0.0", ("127.0.0.1", 4)),
            (r"udp6:5:interface=\:\:", ("::1", 5)),
        ):
            self.assertEqual(address_of(endpoint), address)

    def test_names(self) -> None:
        """A target has the addresses of its listeners by name, and names them."""
        target = Target("http://127.0.0.1:1", LISTEN)
        self.assertEqual(target.udp, Address("127.0.0.1", 3))
        self.assertEqual(target.secure.url, "https://[::1]:2")
        with self.assertRaisesRegex(LookupError, "ftp: not one of http, https, udp"):
            target.address("ftp")
        with self.assertRaisesRegex(LookupError, "none known"):
            Target("http://127.0.0.1:1").secure  # noqa: B018
        with self.assertRaisesRegex(ValueError, "unix:/run/x: no address"):
            target.address("files-http")


class AskTests(TestCase):
    """
    Questions to a daemon that runs.
    """

    async def ask(self, target: Target) -> None:
        """The counters and the attempts, as the daemon has them."""
        metrics = await deferToThread(target.metrics)
        self.assertIn("netd_http_connections_total", metrics)
        self.assertTrue(any(name.startswith("netd_build_info{") for name in metrics))
        self.assertEqual(await deferToThread(target.attempts, "k / ?"), [])
        retry = target.retry(1, "k / ?").removeprefix(target.url)
        with self.assertRaisesRegex(OSError, "503 Service Unavailable"):
            await deferToThread(target._fetch, retry)
        (attempt,) = await deferToThread(target.attempts, "k / ?")
        self.assertEqual((attempt.at, attempt.method, attempt.status), (0.0, "GET", 503))

    async def test_plain(self) -> None:
        """Over plain HTTP."""
        target = await serve(reactor)
        self.addCleanup(target.stop)
        await self.ask(target)

    async def test_secure(self) -> None:
        """Over TLS, with the context that the target was given."""
        certificate, key = identity().write(Path(self.mktemp()))
        options = ("--https", "0", "--certificate", str(certificate), "--private-key", str(key))
        served = await serve(reactor, *options)
        self.addCleanup(served.stop)
        context = ssl.create_default_context(cafile=certificate)
        url = f"https://localhost:{served.secure.port}"
        await self.ask(Target(url, context=context))
        with self.assertRaises(ssl.SSLError):
            await deferToThread(Target(url).metrics)
