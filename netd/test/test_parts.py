"""
Tests for netd.parts.
"""

from __future__ import annotations

import datetime
import importlib.util
import os
import signal
from pathlib import Path
from typing import Any

from attrs import evolve
from cryptography import x509
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from twisted.trial.unittest import SkipTest

from netd import settings
from netd.addresses import Network
from netd.daemon import Daemon, build
from netd.http.server import DeniedConnection
from netd.queue_url import QueueURL
from netd.settings import Settings
from netd.test.lab.client import Transport
from netd.test.stages import identity
from netd.test.test_daemon import ANY_PORT, DaemonCase, settings_with
from netd.transport.listener import Listener
from netd.values import Duration, Endpoint
from netd.xmlrpc import distributed
from netd.xmlrpc.distributed import DistributedPool
from netd.xmlrpc.pool import Pool


class CertificateTests(DaemonCase):
    """--certificate temporary."""

    def test_names(self) -> None:
        """The names are those of --host and of the listeners, without wildcards and ports."""
        listen = tuple(
            Endpoint(kind, host, 0)
            for kind, host in (("tcp", "127.0.0.7"), ("tcp", "*"), ("unix", "/a"))
        )
        config = settings_with(tls=settings.TLS(listen, settings.TEMPORARY))
        hosts = ("A.example:8443", "*", "::2", ":1")
        daemon = self.build(evolve(config, http=evolve(config.http, hosts=hosts)))
        assert daemon.parts.tls is not None
        pair = daemon.parts.tls.temporary
        assert pair is not None
        names = pair.chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName)
        self.assertEqual(
            [str(name.value) for name in names.value],
            ["localhost", "127.0.0.1", "::1", "127.0.0.7", "::2", "A.example"],
        )
        self.assertIn("temporary-certificate", [child.name for child in daemon])


class ProbeTests(DaemonCase):
    """The probes of one daemon."""

    def ask(self, factory: Any, path: str) -> bytes:
        """The answer of whom a port listens for."""
        channel = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 50000))
        transport = Transport()
        channel.makeConnection(transport)
        channel.dataReceived(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        said: bytes = transport.value()
        return said

    def test_metrics(self) -> None:
        """/metrics reports the counters and the gauges of this daemon."""
        daemon = self.start(settings_with(tls=self.secure(ANY_PORT)))
        daemon.parts.counters.drops["loop"] = 7
        said = self.ask(self.reactor.adopted[0].factory, "/metrics")
        for line in (
            b'netd_udp_drops_total{reason="loop"} 7.0\n',
            b'netd_connections_open{listener="http"} 1.0\n',
            b'netd_http_responses_waiting{site="http"} 0.0\n',
            b'netd_tls_certificate_left_seconds{certificate="default"} ',
            b"netd_rpc_calls_queued 0.0\n",
            b"netd_rpc_workers_busy 0.0\n",
        ):
            self.assertIn(line, said)

    def test_moved(self) -> None:
        """
        With --metrics-http the probes leave the web site and are not counted.
        """
        config = evolve(settings_with(), monitoring=settings.Monitoring((ANY_PORT,)))
        daemon = self.start(config)
        self.assertEqual(self.names(daemon), ["http", "metrics-http"])
        site, own = (each.factory for each in self.reactor.adopted)
        self.assertIn(b" 404 ", self.ask(site, "/metrics"))
        before = daemon.parts.counters.responses.copy()
        self.assertIn(b" 200 ", self.ask(own, "/metrics"))
        self.assertIn(b" 404 ", self.ask(own, "/"))
        self.assertEqual(daemon.parts.counters.responses, before)

    def test_outlast(self) -> None:
        """
        The probes stay open until the stop is over, and /readyz reports the stop.
        """
        daemon = self.start(
            evolve(settings_with(), monitoring=settings.Monitoring((ANY_PORT,)))
        )
        site, own = self.reactor.adopted
        waiting = site.factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 50000))
        waiting.makeConnection(Transport())
        waiting.dataReceived(b"GET / HTTP/1.0\r\n\r\n")
        self.assertIn(b" 200 ", self.ask(own.factory, "/readyz"))
        stopped = daemon.stopService()
        self.assertEqual((site.listening, own.listening), (False, True))
        self.assertIn(b" 503 ", self.ask(own.factory, "/readyz"))
        self.assertNoResult(stopped)
        self.reactor.advance(3)
        waiting.connectionLost(Failure(ConnectionDone()))
        self.assertFalse(own.listening)
        self.reactor.advance(0)
        self.successResultOf(stopped)

    def test_local(self) -> None:
        """
        Loopback that --allow leaves out gets the probes of the web site, also after a reload.
        """
        access = settings.Access(allow=(Network.parse("192.0.2.0/24"),))
        config = evolve(settings_with(), access=access)
        daemon = build(config, self.reactor, {}, lambda: evolve(config, files=files))
        files = settings.Files(Path.cwd())
        with capturedLogs():
            daemon.privilegedStartService()
            daemon.startService()
            site = self.reactor.adopted[0].factory
            for _ in range(2):
                for path, status in (
                    ("/readyz", b" 200 "),
                    ("/metrics", b" 200 "),
                    ("/", b" 403 "),
                ):
                    self.assertIn(status, self.ask(site, path))
                assert daemon.reloader is not None
                self.assertEqual(daemon.reloader(), "Reloaded")
        self.assertEqual(daemon.parts.counters.refusals, {"network": 2})
        for child in daemon:
            if isinstance(child, Listener):
                self.close(child)

    def test_localElsewhere(self) -> None:
        """With --metrics-http the web site has no probes for loopback either."""
        access = settings.Access(allow=(Network.parse("192.0.2.0/24"),))
        monitoring = settings.Monitoring((ANY_PORT,))
        self.start(evolve(settings_with(), access=access, monitoring=monitoring))
        self.assertIn(b" 403 ", self.ask(self.reactor.adopted[0].factory, "/healthz"))

    def test_reload(self) -> None:
        """A reload leaves the probes where they were, whatever the new configuration says."""
        fresh = evolve(
            settings_with(),
            monitoring=settings.Monitoring((ANY_PORT,)),
            files=settings.Files(Path.cwd()),
        )
        daemon = build(settings_with(), self.reactor, {}, lambda: fresh)
        with capturedLogs():
            daemon.privilegedStartService()
            daemon.startService()
            assert daemon.reloader is not None
            self.assertIn("--metrics-http", daemon.reloader())
        self.assertIn(b" 200 ", self.ask(self.reactor.adopted[0].factory, "/metrics"))
        for child in daemon:
            if isinstance(child, Listener):
                self.close(child)


class PoolTests(DaemonCase):
    """Where offloaded calls go."""

    def with_queue(self, **rpc: Any) -> Settings:
        """Settings of a daemon with a queue."""
        plain = settings_with()
        return evolve(
            plain, rpc=evolve(plain.rpc, queue=QueueURL.parse("redis://:pw@h"), **rpc)
        )

    def test_local(self) -> None:
        """Without --rpc-queue to netd's own processes, of whose queue there are no figures."""
        daemon = self.start(settings_with())
        self.assertIsInstance(daemon.parts.pool, Pool)
        self.assertIsNone(daemon.parts.gauges.queue_up())
        self.assertIsNone(daemon.parts.gauges.queue_workers())

    def test_queue(self) -> None:
        """With --rpc-queue to workers elsewhere, whose figures are at hand."""
        if importlib.util.find_spec("celery") is None:
            raise SkipTest("celery is not installed")
        parts = build(self.with_queue(backlog=3), self.reactor).parts
        self.assertIsInstance(parts.pool, DistributedPool)
        self.assertEqual(parts.gauges.queue_workers(), 0)
        self.assertIsNone(parts.gauges.queue_up(), "is not started")
        self.assertEqual(parts.gauges.queue_depth(), {})

    def test_missing(self) -> None:
        """Without Celery the refusal names the option, and masks the password."""

        def refuse(*_: object) -> None:
            raise ValueError("needs netd-workbench[celery]")

        self.patch(distributed, "build", refuse)
        wrong = self.assertRaises(UsageError, build, self.with_queue(), self.reactor)
        self.assertEqual(str(wrong), "--rpc-queue redis://***@h: needs netd-workbench[celery]")


class ReloadTests(DaemonCase):
    """A new configuration in a running daemon."""

    def setUp(self) -> None:
        super().setUp()
        self.now = settings_with()

    def running(self, config: Settings, **environ: str) -> Daemon:
        """A daemon that reads `self.now` when it is reloaded."""
        self.now = config
        daemon = build(config, self.reactor, environ, lambda: self.now)
        for child in daemon:
            if isinstance(child, Listener):
                self.addCleanup(self.close, child)
        with capturedLogs():
            daemon.privilegedStartService()
            daemon.startService()
        return daemon

    def reload(self, daemon: Daemon, config: Settings) -> list[str]:
        """Reload; what the log says of it."""
        self.now = config
        with capturedLogs() as events:
            os.kill(os.getpid(), signal.SIGHUP)
            self.reactor.signals.run()
        return [str(formatEvent(each)) for each in events]

    def ask(
        self,
        number: int,
        path: str,
        method: str = "GET",
        body: str = "",
        local: str = "192.0.2.1",
    ) -> bytes:
        """What the listener `number` at the address `local` answers, after a second."""
        channel = self.reactor.adopted[number].factory.buildProtocol(
            IPv4Address("TCP", "127.0.0.1", 50000)
        )
        transport = Transport(hostAddress=IPv4Address("TCP", local, 8000))
        channel.makeConnection(transport)
        head = f"{method} {path} HTTP/1.0\r\nHost: a\r\nContent-Type: text/xml\r\n"
        channel.dataReceived(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        self.reactor.advance(1)
        channel.connectionLost(Failure(ConnectionDone()))
        said: bytes = transport.value()
        return said

    def http(self, **changes: Any) -> Settings:
        """The settings with another HTTP group."""
        return evolve(
            settings_with(), http=evolve(settings_with().http, fast_dispatch=False, **changes)
        )

    def test_certificates(self) -> None:
        """
        A reload reads new certificates from the same files; a broken file changes nothing.
        """
        config = settings_with(tls=self.secure(ANY_PORT))
        daemon = self.running(config)
        before = daemon.parts.gauges.certificates()
        assert config.tls.certificate is not None
        room = config.tls.certificate.parent
        identity(ends=datetime.datetime(2090, 1, 1, tzinfo=datetime.UTC)).write(room)
        self.assertEqual(self.reload(daemon, config), ["reloaded"])
        self.assertLess(
            daemon.parts.gauges.certificates()["default"], before["default"] - 86_400
        )
        config.tls.certificate.write_text("x")
        (said,) = self.reload(daemon, config)
        self.assertIn(f"--certificate {config.tls.certificate}: not a certificate", said)

    def test_noMoreHttps(self) -> None:
        """
        Without HTTPS in the new configuration its listener stays until a restart.
        """
        daemon = self.running(settings_with(tls=self.secure(ANY_PORT)))
        before = daemon.parts.gauges.certificates().keys()
        said = self.reload(daemon, settings_with())
        self.assertEqual(said[-1], "only a restart changes --https")
        self.assertEqual(daemon.parts.gauges.certificates().keys(), before)

    def test_delay(self) -> None:
        """A new delay applies to requests that arrive after the reload."""
        daemon = self.running(self.http(delay=Duration.parse("5s")))
        self.assertEqual(self.ask(0, "/"), b"")
        self.assertEqual(
            self.reload(daemon, self.http(delay=Duration.parse("1s"))), ["reloaded"]
        )
        self.assertIn(b" 200 OK", self.ask(0, "/"))

    def test_redirects(self) -> None:
        """After a reload, too, /redirect-to leads to the other listeners of the daemon."""
        both = self.http(listen=(ANY_PORT, ANY_PORT))
        daemon = self.running(both)
        self.reload(daemon, evolve(both, http=evolve(both.http, hosts=("x",))))
        port = Endpoint.parse(daemon.listening()["http-2"]).port
        said = self.ask(0, f"/redirect-to?url=http://a:{port}/")
        self.assertIn(f"Location: http://a:{port}/\r\n".encode(), said)

    def test_exact(self) -> None:
        """No reload turns --httpbin-exact on; it says so."""
        daemon = self.running(self.http())
        lab = evolve(self.http().http.lab, httpbin_exact=True)
        said = self.reload(daemon, self.http(lab=lab))
        self.assertIn("only a restart changes --httpbin-exact", said)
        self.assertNotIn(b"Allow-Credentials", self.ask(0, "/get"))

    def test_limits(self) -> None:
        """New limits apply after the reload."""
        daemon = self.running(self.http())
        self.assertIn(b" 200 OK", self.ask(0, "/get"))
        limits = evolve(settings_with().http.limits, max_target=3)
        self.reload(daemon, self.http(limits=limits))
        self.assertIn(b" 414 ", self.ask(0, "/get"))
        self.reload(daemon, self.http())
        self.assertIn(b" 200 OK", self.ask(0, "/get"))

    def test_hosts(self) -> None:
        """New names of --host are names on every listener, that of the metrics too."""
        config = evolve(
            self.http(),
            files=settings.Files(None, (ANY_PORT,)),
            rpc=settings.RPC((ANY_PORT,)),
            monitoring=settings.Monitoring((ANY_PORT,)),
        )
        daemon = self.running(config)
        paths = ((0, "/files/"), (0, "/RPC2"), (1, "/"), (2, "/"), (3, "/metrics"))
        for hosts, status in (((), b" 421 "), (("a",), b" 200 OK"), ((), b" 421 ")):
            changed = evolve(config, http=evolve(config.http, hosts=hosts))
            self.assertEqual(self.reload(daemon, changed)[-1], "reloaded")
            for number, path in paths:
                self.assertIn(status, self.ask(number, path, local="127.0.0.1"), path)
                self.assertIn(b" 200 OK", self.ask(number, path), path)

    def test_files(self) -> None:
        """A new file tree is served on every listener that serves files."""
        room = Path(self.mktemp())
        room.mkdir()
        (room / "a").write_text("here")
        config = evolve(self.http(), files=settings.Files(None, (ANY_PORT,)))
        daemon = self.running(config)
        self.assertIn(b" 404 ", self.ask(1, "/a"))
        self.reload(daemon, evolve(config, files=settings.Files(room, (ANY_PORT,))))
        self.assertIn(b" 200 OK", self.ask(1, "/a"))
        self.assertIn(b" 200 OK", self.ask(0, "/files/a"))

    def test_calls(self) -> None:
        """New XML-RPC methods are published on every listener that takes calls."""
        call = "<methodCall><methodName>m.sqrt</methodName><params><param><value><int>4</int>"
        call += "</value></param></params></methodCall>"
        config = evolve(self.http(), rpc=settings.RPC((ANY_PORT,)))
        daemon = self.running(config)
        self.assertIn(b"faultCode", self.ask(1, "/", "POST", call))
        self.reload(daemon, evolve(config, rpc=settings.RPC((ANY_PORT,), ("m=math:sqrt",))))
        for number, path in ((1, "/"), (0, "/RPC2")):
            self.assertIn(b"<double>2.0</double>", self.ask(number, path, "POST", call))

    def test_networks(self) -> None:
        """New access lists apply to the connections that follow."""
        daemon = self.running(self.http())
        denied = settings.Access(deny=(Network.parse("127.0.0.1"),))
        self.reload(daemon, evolve(self.http(), access=denied))
        address = IPv4Address("TCP", "127.0.0.1", 50000)
        build = self.reactor.adopted[0].factory.buildProtocol
        self.assertIsInstance(build(address), DeniedConnection)
        self.reload(daemon, self.http())
        self.assertNotIsInstance(build(address), DeniedConnection)

    def test_unchanged(self) -> None:
        """
        A part whose settings did not change is not made anew: retry counts and rates go on.
        """
        daemon = self.running(self.http())
        before = {name: each.resource for name, each in daemon.parts.sites.items()}
        self.reload(daemon, evolve(self.http(), grace=Duration.parse("1s")))
        self.assertEqual(
            {name: each.resource for name, each in daemon.parts.sites.items()}, before
        )

    def test_wrong(self) -> None:
        """One wrong setting changes nothing, and one log line names it."""
        daemon = self.running(self.http(delay=Duration.parse("1s")))
        nobody = settings.Access(deny=(Network.parse("0.0.0.0/0"),))
        for changes, said in (
            ({"files": settings.Files(Path("/nonexistent"))}, "--files /nonexistent: "),
            ({"rpc": settings.RPC(publish=("nothing.here:x",))}, "--rpc nothing.here:x: "),
        ):
            bad = evolve(self.http(delay=Duration.parse("9s")), access=nobody, **changes)
            (line,) = self.reload(daemon, bad)
            self.assertTrue(line.startswith(f"not reloaded, all stays as it was: {said}"), line)
            self.assertIn(b" 200 OK", self.ask(0, "/"))

    def test_listeners(self) -> None:
        """A new listener needs a restart, and a removed one keeps serving until then."""
        config = evolve(self.http(), files=settings.Files(None, (ANY_PORT,)))
        daemon = self.running(config)
        self.assertEqual(
            self.reload(daemon, self.http(listen=(ANY_PORT, ANY_PORT))),
            ["reloaded", "only a restart changes --port, --bind or --http; --files-http"],
        )
        self.assertIn(b" 200 OK", self.ask(1, "/"))

    def test_grace(self) -> None:
        """A new grace and a new drain apply to the next stop."""
        daemon = self.running(self.http(delay=Duration.parse("50s")))
        self.reload(
            daemon, evolve(self.now, grace=Duration.parse("2s"), drain=Duration.parse("1s"))
        )
        channel = self.reactor.adopted[0].factory.buildProtocol(
            IPv4Address("TCP", "127.0.0.1", 50000)
        )
        transport = Transport()
        channel.makeConnection(transport)
        channel.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with capturedLogs():
            stopped = daemon.stopService()
            self.reactor.advance(1)
            self.reactor.advance(1.9)
            self.assertFalse(transport.disconnected)
            self.reactor.advance(0.1)
        self.assertTrue(transport.disconnected)
        channel.connectionLost(Failure(ConnectionDone()))
        self.reactor.advance(0)
        self.successResultOf(stopped)
