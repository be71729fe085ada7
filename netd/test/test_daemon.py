"""
Tests for netd.daemon.
"""

from __future__ import annotations

import datetime
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any
from unittest import mock

from attrs import evolve
from twisted.application.service import IService
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.logger import capturedLogs, formatEvent
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netd import settings
from netd.addresses import Network
from netd.daemon import build
from netd.house import Daemon
from netd.http.context import AccessRecord
from netd.http.server import DeniedConnection
from netd.ops import metrics
from netd.ops.inherited import Inherited
from netd.settings import Service, Settings
from netd.test.lab.conversation import Transport
from netd.test.stages import Adopted, Reactor, identity
from netd.transport.listener import Listener
from netd.values import Duration, Endpoint

HERE = Endpoint("tcp", "127.0.0.1", 0, option="--port 0")


def asked(
    *more: Endpoint,
    udp: Endpoint | None = None,
    tls: settings.TLS | None = None,
    files: Path | None = None,
) -> Settings:
    """Settings of a daemon on ports that the kernel chooses."""
    return Settings(
        http=settings.HTTP(
            listen=(HERE, *more),
            delay=Duration.parse("3s"),
            limits=settings.Limits(max_delay=60.0, max_body=1 << 20),
        ),
        tls=tls or settings.TLS((), None, None),
        files=settings.Files(files),
        udp=settings.UDP(udp),
        grace=Duration.parse("10s"),
    )


class _Houses(SynchronousTestCase):
    """
    Daemons on a reactor that only notes what it is told.
    """

    def setUp(self) -> None:
        self.reactor = Reactor()
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            self.addCleanup(signal.signal, number, signal.getsignal(number))

    def build(self, config: Settings, **environ: str) -> Daemon:
        """The daemon; what it bound is closed when the test is over."""
        house = build(config, self.reactor, environ)
        for child in house:
            if isinstance(child, Listener):
                self.addCleanup(self.close, child)
        return house

    def close(self, listener: Listener) -> None:
        """Close what is still open, and let the reactor do it."""
        listener.stopService()
        self.reactor.advance(0)

    def start(self, config: Settings) -> Daemon:
        """The daemon, running."""
        house = self.build(config)
        with capturedLogs():
            house.privilegedStartService()
            house.startService()
        return house

    def names(self, house: Daemon) -> list[str]:
        """What its listeners are called, in their order."""
        return [str(child.name) for child in house if isinstance(child, Listener)]

    def secure(self, *listen: Endpoint) -> settings.TLS:
        """HTTPS with a fresh certificate."""
        return settings.TLS(listen, *identity().write(Path(self.mktemp())))


class BuildTests(_Houses):
    """
    The daemon is a list of services.
    """

    def test_services(self) -> None:
        """
        Listeners come first, then who drains them, and last who says that all is ready.
        """
        house = self.build(asked(udp=Endpoint("udp", "127.0.0.1", 0)))
        names = [child.name for child in house]
        self.assertEqual(self.names(house), ["http", "udp"])
        self.assertGreater(names.index("drain"), names.index("udp"))
        self.assertEqual(names[-1], "ready")
        self.assertTrue(verifyObject(IService, house))

    def test_every_service(self) -> None:
        """
        Each address has a name of its own.
        """
        house = self.build(
            asked(HERE, HERE, udp=Endpoint("udp", "::1", 0), tls=self.secure(HERE, HERE))
        )
        self.assertEqual(
            self.names(house),
            ["http", "http-2", "http-3", "https", "https-2", "udp"],
        )

    def test_nothing_bound(self) -> None:
        """
        Building binds nothing and schedules nothing.
        """
        house = self.build(asked())
        self.assertEqual(house.listening(), {})
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.reactor.adopted, [])

    def test_small_services(self) -> None:
        """
        Each small service has a name of its own, after what it is and over what.
        """
        house = self.build(
            evolve(
                asked(),
                services=(
                    Service("time", HERE),
                    Service("echo", HERE),
                    Service("echo", Endpoint("udp", "127.0.0.1", 0)),
                    Service("echo", HERE),
                ),
            )
        )
        self.assertEqual(
            self.names(house),
            ["http", "udp-echo", "tcp-echo", "tcp-echo-2", "tcp-time"],
        )

    def test_wrong(self) -> None:
        """
        What cannot be built is a UsageError that names the option.
        """
        missing = Path(self.mktemp())
        for config, said in (
            (asked(files=missing), f"--files {missing}"),
            (asked(Endpoint("tcp", "a..b", 80, option="--http a..b")), "--http a..b"),
            (asked(tls=settings.TLS((HERE,), missing, None)), f"--certificate {missing}"),
            (asked(udp=Endpoint("udp6", "127.0.0.1", 0, option="--udp x")), "--udp x"),
            (
                evolve(asked(), rpc=settings.RPC(publish=("no.such:thing",))),
                "--rpc no.such:thing",
            ),
        ):
            with self.assertRaises(UsageError) as caught:
                self.build(config)
            self.assertIn(said, str(caught.exception))

    def test_own_counters(self) -> None:
        """
        Two daemons in one process share no tally.
        """
        one, other = self.build(asked()), self.build(asked())
        self.assertIsNot(one.counters, other.counters)


class WatchTests(_Houses):
    """
    What watches the daemon asks it.
    """

    def ask(self, factory: Any, path: str) -> bytes:
        """The answer of whom a port listens for."""
        channel = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 50000))
        transport = Transport()
        channel.makeConnection(transport)
        channel.dataReceived(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        said: bytes = transport.value()
        return said

    def test_metrics(self) -> None:
        """
        /metrics tells what this daemon has counted, and its gauges.
        """
        house = self.start(asked(tls=self.secure(HERE)))
        house.counters.drops["loop"] = 7
        said = self.ask(self.reactor.adopted[0].factory, "/metrics")
        for line in (
            b'netd_udp_drops_total{reason="loop"} 7.0\n',
            b'netd_connections_open{listener="http"} 1.0\n',
            b'netd_http_answers_waiting{site="http"} 0.0\n',
            b'netd_tls_certificate_left_seconds{certificate="default"} ',
            b"netd_rpc_calls_queued 0.0\n",
            b"netd_rpc_workers_busy 0.0\n",
        ):
            self.assertIn(line, said)

    def test_without(self) -> None:
        """
        Without prometheus-client everything but /metrics is served.
        """
        missing: Any = None
        self.enterContext(mock.patch.dict(sys.modules, {"prometheus_client": missing}))
        del sys.modules[metrics.__name__]
        self.start(asked())
        (site,) = (each.factory for each in self.reactor.adopted)
        self.assertIn(b" 501 ", self.ask(site, "/metrics"))
        self.assertIn(b" 200 ", self.ask(site, "/readyz"))

    def test_moved(self) -> None:
        """
        With a listener of their own they are there and not on the site, and count nothing.
        """
        config = evolve(asked(), watch=settings.Watch((HERE,)))
        house = self.start(config)
        self.assertEqual(self.names(house), ["http", "metrics-http"])
        site, own = (each.factory for each in self.reactor.adopted)
        self.assertIn(b" 404 ", self.ask(site, "/metrics"))
        before = house.counters.answers.copy()
        self.assertIn(b" 200 ", self.ask(own, "/metrics"))
        self.assertIn(b" 404 ", self.ask(own, "/"))
        self.assertEqual(house.counters.answers, before)

    def test_outlast(self) -> None:
        """
        That listener stays until the stop is over, and says that it stops.
        """
        house = self.start(evolve(asked(), watch=settings.Watch((HERE,))))
        site, own = self.reactor.adopted
        waiting = site.factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 50000))
        waiting.makeConnection(Transport())
        waiting.dataReceived(b"GET / HTTP/1.0\r\n\r\n")
        self.assertIn(b" 200 ", self.ask(own.factory, "/readyz"))
        stopped = house.stopService()
        self.assertEqual((site.listening, own.listening), (False, True))
        self.assertIn(b" 503 ", self.ask(own.factory, "/readyz"))
        self.assertNoResult(stopped)
        self.reactor.advance(3)
        waiting.connectionLost(Failure(ConnectionDone()))
        self.assertFalse(own.listening)
        self.reactor.advance(0)
        self.successResultOf(stopped)

    def test_reload(self) -> None:
        """
        A reload leaves them where they were, whatever the new configuration says.
        """
        fresh = evolve(asked(), watch=settings.Watch((HERE,)), files=settings.Files(Path.cwd()))
        house = build(asked(), self.reactor, {}, lambda: fresh)
        with capturedLogs():
            house.privilegedStartService()
            house.startService()
            assert house.fresh is not None
            self.assertIn("--metrics-http", house.fresh())
        self.assertIn(b" 200 ", self.ask(self.reactor.adopted[0].factory, "/metrics"))
        for child in house:
            if isinstance(child, Listener):
                self.close(child)


class StartTests(_Houses):
    """
    The daemon starts.
    """

    def test_listening(self) -> None:
        """
        Once bound it tells by name where each listener is, as an endpoint.
        """
        house = self.build(
            asked(
                Endpoint("tcp6", "::1", 0),
                udp=Endpoint("udp", "127.0.0.1", 0),
                tls=self.secure(HERE),
            )
        )
        house.privilegedStartService()
        listening = house.listening()
        self.assertEqual(list(listening), ["http", "http-2", "https", "udp"])
        for text in listening.values():
            where = Endpoint.parse(text, text[:3])
            self.assertGreater(where.port, 0)
        self.assertIn(r"interface=\:\:1", listening["http-2"])

    def test_one_site(self) -> None:
        """
        Behind their doors every HTTP address leads to the same site, the secure ones by TLS.
        """
        self.start(asked(HERE, tls=self.secure(HERE)))
        first, second, third = [adopted.factory.inner for adopted in self.reactor.adopted]
        self.assertIs(first, second)
        self.assertIsInstance(third, TLSMemoryBIOFactory)
        self.assertIs(third.wrappedFactory, first)

    def test_datagrams(self) -> None:
        """
        The datagram echo answers what comes to its port, and its counters are the daemon's.
        """
        house = self.start(asked(udp=Endpoint("udp", "127.0.0.1", 0)))
        (port,) = self.reactor.readers
        listener: Any = house.getServiceNamed("udp")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.sendto(b"hello", ("127.0.0.1", listener.bound.port))
            port.doRead()
            self.assertEqual(client.recv(100), b"hello")
        self.assertEqual(house.counters.echoes, 1)

    def ask(self, adopted: Adopted, head: bytes) -> bytes:
        """What the first port's site answers to a request."""
        channel = adopted.factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 50000))
        transport = Transport()
        channel.makeConnection(transport)
        channel.dataReceived(head + b"\r\nHost: a\r\nConnection: close\r\n\r\n")
        self.reactor.pump([0, 0, 0])
        said: bytes = transport.value()
        channel.connectionLost(Failure(ConnectionDone()))
        return said

    def test_alone(self) -> None:
        """
        The files and the calls may have addresses of their own, where nothing else is.
        """
        room = Path(self.mktemp())
        room.mkdir()
        (room / "a.txt").write_text("hello")
        config = asked(files=room)
        config = evolve(
            config,
            files=evolve(config.files, listen=(HERE,)),
            rpc=settings.RPC(listen=(HERE, HERE)),
        )
        house = self.start(config)
        self.assertEqual(self.names(house), ["http", "files-http", "rpc-http", "rpc-http-2"])
        http, files, rpc, again = self.reactor.adopted
        self.assertIs(rpc.factory.inner, again.factory.inner)
        self.assertIn(b" 200 ", self.ask(files, b"HEAD /a.txt HTTP/1.1"))
        self.assertIn(b" 404 ", self.ask(files, b"HEAD /RPC2 HTTP/1.1"))
        self.assertIn(b" 404 ", self.ask(rpc, b"HEAD /files/a.txt HTTP/1.1"))
        self.assertNotIn(b" 404 ", self.ask(rpc, b"GET /RPC2 HTTP/1.1"))
        self.assertIn(b" 200 ", self.ask(http, b"HEAD /files/a.txt HTTP/1.1"))

    def test_denied(self) -> None:
        """
        Who is denied is turned away by every listener, streams and datagrams alike.
        """
        config = asked(HERE, udp=Endpoint("udp", "127.0.0.1", 0), tls=self.secure(HERE))
        access = settings.Access(deny=(Network.parse("127.0.0.0/8"),))
        services = (Service("echo", HERE), Service("echo", Endpoint("udp", "127.0.0.1", 0)))
        house = self.start(evolve(config, access=access, services=services))
        client = IPv4Address("TCP", "127.0.0.1", 50000)
        self.assertEqual(len(self.reactor.adopted), 4)
        made = [each.factory.buildProtocol(client) for each in self.reactor.adopted]
        # HTTP hears why, within TLS where there is that; echo is closed without a word.
        told = [getattr(each, "wrappedProtocol", each) for each in made]
        self.assertEqual(
            [type(each).__name__ for each in told], ["DeniedConnection"] * 3 + ["NoneType"]
        )
        self.assertEqual(sum(house.counters.refusals.values()), 4)
        self.assertEqual(len(self.reactor.readers), 2)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for port in self.reactor.readers:
                sock.sendto(b"hello", port.socket.getsockname())
                port.doRead()
        self.assertEqual((house.counters.echoes, sum(house.counters.drops.values())), (0, 2))

    def test_rate(self) -> None:
        """
        Connections above the rate are turned away, over all listeners together.
        """
        access = settings.Access(connect_rate=1)
        self.start(evolve(asked(HERE), access=access))
        client = IPv4Address("TCP", "192.0.2.1", 50000)
        built = [
            adopted.factory.buildProtocol(client) is not None
            for _ in range(5)
            for adopted in self.reactor.adopted
        ]
        self.assertEqual(built, [True, True] + [False] * 8)

    def test_lost(self) -> None:
        """
        Datagrams have the fate that was asked for.
        """
        udp = settings.UDP(Endpoint("udp", "127.0.0.1", 0), settings.Impairment(loss=1.0))
        house = self.start(evolve(asked(), udp=udp))
        (port,) = self.reactor.readers
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"hello", port.socket.getsockname())
            port.doRead()
        self.assertEqual((house.counters.datagrams, house.counters.echoes), (1, 0))

    def test_ready(self) -> None:
        """
        READY is said when all are bound, and names them all.
        """
        room = Path(self.mktemp())
        with capturedLogs() as events:
            house = self.build(asked(HERE), NOTIFY_SOCKET=f"/{room}/nobody")
            house.privilegedStartService()
            self.assertEqual(events, [])
            house.startService()
        said = " ".join(f"{name}={where}" for name, where in house.listening().items())
        self.assertEqual([event["said"] for event in events if "said" in event], [said])
        # The environment that was given is the one that is used.
        self.assertEqual(len([event for event in events if "address" in event]), 1)

    def test_taken(self) -> None:
        """
        A port that somebody has stops the start.
        """
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            house = self.build(
                asked(Endpoint("tcp", "127.0.0.1", port, option=f"--http {port}"))
            )
            with self.assertRaises(UsageError) as caught:
                house.privilegedStartService()
        self.assertTrue(str(caught.exception).startswith(f"--http {port}: "))


class LogTests(_Houses):
    """
    The access log.
    """

    def logging(self, where: str) -> Settings:
        """Settings of a daemon that logs to `where`."""
        config = asked(HERE)
        return evolve(config, http=evolve(config.http, access_log=where, fast_dispatch=False))

    def test_file(self) -> None:
        """
        It is opened when the daemon is built, anew at SIGUSR1, and closed with the daemon.
        """
        path = Path(self.mktemp())
        house = self.start(self.logging(str(path)))
        path.unlink()
        os.kill(os.getpid(), signal.SIGUSR1)
        self.reactor.signals.run()
        self.assertTrue(path.exists())
        assert house.logs.access is not None
        house.logs.access.record(AccessRecord(b"127.0.0.1", b"GET /", 200, 1, b"-", b"-"))
        house.abandon()
        self.assertIn('"GET /" 200 1', path.read_text())

    def test_refused(self) -> None:
        """
        A file that cannot be opened is refused by name.
        """
        with self.assertRaises(UsageError) as caught:
            build(self.logging("/nonexistent/log"), self.reactor, {})
        said = "--access-log /nonexistent/log: No such file or directory"
        self.assertEqual(str(caught.exception), said)


class ReloadTests(_Houses):
    """
    A new configuration in a daemon that runs.
    """

    def setUp(self) -> None:
        super().setUp()
        self.now = asked()

    def running(self, config: Settings, **environ: str) -> Daemon:
        """A daemon that reads `self.now` when it is reloaded."""
        self.now = config
        house = build(config, self.reactor, environ, lambda: self.now)
        for child in house:
            if isinstance(child, Listener):
                self.addCleanup(self.close, child)
        with capturedLogs():
            house.privilegedStartService()
            house.startService()
        return house

    def reload(self, house: Daemon, config: Settings) -> list[str]:
        """Reload; what the log says of it."""
        self.now = config
        with capturedLogs() as events:
            os.kill(os.getpid(), signal.SIGHUP)
            self.reactor.signals.run()
        return [str(formatEvent(each)) for each in events]

    def ask(self, number: int, path: str, method: str = "GET", body: str = "") -> bytes:
        """What the listener `number` answers, after a second."""
        channel = self.reactor.adopted[number].factory.buildProtocol(
            IPv4Address("TCP", "127.0.0.1", 50000)
        )
        transport = Transport()
        channel.makeConnection(transport)
        head = f"{method} {path} HTTP/1.0\r\nHost: a\r\nContent-Type: text/xml\r\n"
        channel.dataReceived(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        self.reactor.advance(1)
        channel.connectionLost(Failure(ConnectionDone()))
        said: bytes = transport.value()
        return said

    def http(self, **changes: Any) -> Settings:
        """The settings with another HTTP group."""
        return evolve(asked(), http=evolve(asked().http, fast_dispatch=False, **changes))

    def test_certificates(self) -> None:
        """
        New certificates in old files are read; a broken one keeps all as it was.
        """
        config = asked(tls=self.secure(HERE))
        house = self.running(config)
        before = house.certificates()
        assert config.tls.certificate is not None
        room = config.tls.certificate.parent
        identity(ends=datetime.datetime(2090, 1, 1, tzinfo=datetime.UTC)).write(room)
        self.assertEqual(self.reload(house, config), ["reloaded"])
        self.assertLess(house.certificates()["default"], before["default"] - 86_400)
        config.tls.certificate.write_text("x")
        (said,) = self.reload(house, config)
        self.assertIn(f"--certificate {config.tls.certificate}: not a certificate", said)

    def test_no_more_https(self) -> None:
        """
        A configuration without HTTPS leaves its listener, with what it had, to the restart.
        """
        house = self.running(asked(tls=self.secure(HERE)))
        before = house.certificates().keys()
        said = self.reload(house, asked())
        self.assertEqual(said[-1], "only a restart changes --https")
        self.assertEqual(house.certificates().keys(), before)

    def test_delay(self) -> None:
        """
        Another delay holds for what is asked from then on.
        """
        house = self.running(self.http(delay=Duration.parse("5s")))
        self.assertEqual(self.ask(0, "/"), b"")
        self.assertEqual(
            self.reload(house, self.http(delay=Duration.parse("1s"))), ["reloaded"]
        )
        self.assertIn(b" 200 OK", self.ask(0, "/"))

    def test_limits(self) -> None:
        """
        So do other limits.
        """
        house = self.running(self.http())
        self.assertIn(b" 200 OK", self.ask(0, "/get"))
        limits = evolve(asked().http.limits, max_target=3)
        self.reload(house, self.http(limits=limits))
        self.assertIn(b" 414 ", self.ask(0, "/get"))
        self.reload(house, self.http())
        self.assertIn(b" 200 OK", self.ask(0, "/get"))

    def test_files(self) -> None:
        """
        So do other files, on every listener that has them.
        """
        room = Path(self.mktemp())
        room.mkdir()
        (room / "a").write_text("here")
        config = evolve(self.http(), files=settings.Files(None, (HERE,)))
        house = self.running(config)
        self.assertIn(b" 404 ", self.ask(1, "/a"))
        self.reload(house, evolve(config, files=settings.Files(room, (HERE,))))
        self.assertIn(b" 200 OK", self.ask(1, "/a"))
        self.assertIn(b" 200 OK", self.ask(0, "/files/a"))

    def test_calls(self) -> None:
        """
        So do other methods.
        """
        call = "<methodCall><methodName>m.sqrt</methodName><params><param><value><int>4</int>"
        call += "</value></param></params></methodCall>"
        config = evolve(self.http(), rpc=settings.RPC((HERE,)))
        house = self.running(config)
        self.assertIn(b"faultCode", self.ask(1, "/", "POST", call))
        self.reload(house, evolve(config, rpc=settings.RPC((HERE,), ("m=math:sqrt",))))
        for number, path in ((1, "/"), (0, "/RPC2")):
            self.assertIn(b"<double>2.0</double>", self.ask(number, path, "POST", call))

    def test_networks(self) -> None:
        """
        So do other networks, for datagrams too.
        """
        house = self.running(self.http())
        denied = settings.Access(deny=(Network.parse("127.0.0.1"),))
        self.reload(house, evolve(self.http(), access=denied))
        address = IPv4Address("TCP", "127.0.0.1", 50000)
        build = self.reactor.adopted[0].factory.buildProtocol
        self.assertIsInstance(build(address), DeniedConnection)
        self.reload(house, self.http())
        self.assertNotIsInstance(build(address), DeniedConnection)

    def test_unchanged(self) -> None:
        """
        What is as it was is not made anew: counted retries and rates go on.
        """
        house = self.running(self.http())
        before = {name: each.resource for name, each in house.sites.items()}
        self.reload(house, evolve(self.http(), grace=Duration.parse("1s")))
        self.assertEqual({name: each.resource for name, each in house.sites.items()}, before)

    def test_wrong(self) -> None:
        """
        When one thing is wrong all stays as it was, and one line says what.
        """
        house = self.running(self.http(delay=Duration.parse("1s")))
        nobody = settings.Access(deny=(Network.parse("0.0.0.0/0"),))
        for changes, said in (
            ({"files": settings.Files(Path("/nonexistent"))}, "--files /nonexistent: "),
            ({"rpc": settings.RPC(publish=("nothing.here:x",))}, "--rpc nothing.here:x: "),
        ):
            bad = evolve(self.http(delay=Duration.parse("9s")), access=nobody, **changes)
            (line,) = self.reload(house, bad)
            self.assertTrue(line.startswith(f"not reloaded, all stays as it was: {said}"), line)
            self.assertIn(b" 200 OK", self.ask(0, "/"))

    def test_listeners(self) -> None:
        """
        Another listener waits for a restart, and one that is gone stays as it was.
        """
        config = evolve(self.http(), files=settings.Files(None, (HERE,)))
        house = self.running(config)
        self.assertEqual(
            self.reload(house, self.http(listen=(HERE, HERE))),
            ["reloaded", "only a restart changes --port, --bind or --http; --files-http"],
        )
        self.assertIn(b" 200 OK", self.ask(1, "/"))

    def test_grace(self) -> None:
        """
        The grace of the stop to come is another.
        """
        house = self.running(self.http(delay=Duration.parse("50s")))
        self.reload(house, evolve(self.now, grace=Duration.parse("2s")))
        channel = self.reactor.adopted[0].factory.buildProtocol(
            IPv4Address("TCP", "127.0.0.1", 50000)
        )
        transport = Transport()
        channel.makeConnection(transport)
        channel.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with capturedLogs():
            stopped = house.stopService()
            self.reactor.advance(2)
        self.assertTrue(transport.aborting)
        channel.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(stopped)


class InheritTests(_Houses):
    """
    Sockets that the service manager made.
    """

    def test_replaced(self) -> None:
        """
        They replace the listeners of their names; what is for nothing is refused.
        """
        sock = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(sock.close)
        given = [Inherited("http", 3, sock)]
        house = build(asked(), self.reactor, {}, None, given)
        host, number = sock.getsockname()
        self.assertEqual(house.listening(), {"http": f"tcp:{number}:interface={host}"})
        with self.assertRaises(UsageError) as caught:
            build(asked(), self.reactor, {}, None, [Inherited("https", 3, sock)])
        self.assertIn("fits none of the listeners http", str(caught.exception))


class StopTests(_Houses):
    """
    The daemon stops.
    """

    def setUp(self) -> None:
        super().setUp()
        for number in (signal.SIGINT, signal.SIGTERM):
            self.addCleanup(signal.signal, number, signal.getsignal(number))

    def connect(self) -> Transport:
        """A client's connection to the first address."""
        self.channel = self.reactor.adopted[0].factory.buildProtocol(
            IPv4Address("TCP", "127.0.0.1", 50000)
        )
        transport = Transport()
        self.channel.makeConnection(transport)
        return transport

    def stop(self, house: Daemon) -> Deferred[Any]:
        """The stop begins."""
        with capturedLogs():
            return house.stopService()

    def test_abandoned(self) -> None:
        """
        A daemon whose start failed lets go of every address that it had bound.
        """
        house = build(asked(HERE), self.reactor, {})
        house.privilegedStartService()
        where = house.listening()["http"]
        house.abandon()
        self.assertEqual(house.listening(), {})
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", int(where.split(":")[1])))

    def test_idle(self) -> None:
        """
        With nothing in flight everything is closed, and no timer is left.
        """
        house = self.start(asked(HERE, udp=Endpoint("udp", "127.0.0.1", 0)))
        stopped = self.stop(house)
        self.reactor.advance(0)
        self.successResultOf(stopped)
        self.assertEqual([adopted.listening for adopted in self.reactor.adopted], [False] * 2)
        self.assertEqual(self.reactor.readers, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(house.listening(), {})

    def test_never_started(self) -> None:
        """
        One that was bound and never started can be stopped.
        """
        house = self.build(asked())
        house.privilegedStartService()
        self.successResultOf(self.stop(house))
        self.assertEqual(house.listening(), {})

    def test_in_flight(self) -> None:
        """
        Newcomers are turned away at once; who waits for an answer gets it.
        """
        house = self.start(asked())
        transport = self.connect()
        self.channel.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        stopped = self.stop(house)
        self.assertFalse(self.reactor.adopted[0].listening)
        self.reactor.advance(2.9)
        self.assertNoResult(stopped)
        self.reactor.advance(0.1)
        self.assertIn(b"200 OK", transport.value())
        self.assertTrue(transport.disconnecting)
        self.channel.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(stopped)
        self.assertEqual(house.counters.aborted, 0)

    def test_grace(self) -> None:
        """
        Who still waits when the grace is over is cut off.
        """
        house = self.start(asked())
        transport = self.connect()
        self.channel.dataReceived(b"GET /delay/50 HTTP/1.1\r\nHost: a\r\n\r\n")
        stopped = self.stop(house)
        with capturedLogs():
            self.reactor.pump([1] * 10)
        self.assertTrue(transport.aborting)
        self.assertEqual(house.counters.aborted, 1)
        self.channel.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(stopped)

    def test_second_signal(self) -> None:
        """
        A second SIGTERM does not wait for the grace; afterwards signals are what they were.
        """
        before = signal.getsignal(signal.SIGTERM)
        house = self.start(asked())
        transport = self.connect()
        self.channel.dataReceived(b"GET /delay/50 HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIs(signal.getsignal(signal.SIGTERM), before)
        stopped = self.stop(house)
        handler: Any = signal.getsignal(signal.SIGTERM)
        handler(signal.SIGTERM, None)
        self.assertFalse(transport.aborting)
        with capturedLogs():
            self.reactor.signals.run()
        self.assertTrue(transport.aborting)
        self.channel.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(stopped)
        self.assertIs(signal.getsignal(signal.SIGTERM), before)
