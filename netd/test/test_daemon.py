"""
Tests for netd.daemon.
"""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.application.service import IService
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.logger import capturedLogs
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netd import settings
from netd.daemon import build
from netd.house import House
from netd.net.listen import Listener
from netd.network import Network
from netd.settings import Service, Settings
from netd.test.stages import Adopted, Reactor, identity
from netd.test.web.conversation import Transport
from netd.values import Duration, Size, Where

HERE = Where("tcp", "127.0.0.1", 0, option="--port 0")


def asked(
    *more: Where,
    udp: Where | None = None,
    tls: settings.TLS | None = None,
    files: Path | None = None,
) -> Settings:
    """Settings of a daemon on ports that the kernel chooses."""
    return Settings(
        http=settings.HTTP(
            listen=(HERE, *more),
            delay=Duration.parse("3s"),
            limits=settings.Limits(
                max_delay=Duration.parse("60s"), max_body=Size.parse("1MiB")
            ),
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

    def build(self, config: Settings, **environ: str) -> House:
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

    def start(self, config: Settings) -> House:
        """The daemon, running."""
        house = self.build(config)
        with capturedLogs():
            house.privilegedStartService()
            house.startService()
        return house

    def names(self, house: House) -> list[str]:
        """What its listeners are called, in their order."""
        return [str(child.name) for child in house if isinstance(child, Listener)]

    def secure(self, *listen: Where) -> settings.TLS:
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
        house = self.build(asked(udp=Where("udp", "127.0.0.1", 0)))
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
            asked(HERE, HERE, udp=Where("udp", "::1", 0), tls=self.secure(HERE, HERE))
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
                    Service("echo", Where("udp", "127.0.0.1", 0)),
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
            (asked(Where("tcp", "a..b", 80, option="--http a..b")), "--http a..b"),
            (asked(tls=settings.TLS((HERE,), missing, None)), f"--certificate {missing}"),
            (asked(udp=Where("udp6", "127.0.0.1", 0, option="--udp x")), "--udp x"),
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
                Where("tcp6", "::1", 0), udp=Where("udp", "127.0.0.1", 0), tls=self.secure(HERE)
            )
        )
        house.privilegedStartService()
        listening = house.listening()
        self.assertEqual(list(listening), ["http", "http-2", "https", "udp"])
        for text in listening.values():
            where = Where.parse(text, text[:3])
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
        house = self.start(asked(udp=Where("udp", "127.0.0.1", 0)))
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
        config = asked(HERE, udp=Where("udp", "127.0.0.1", 0), tls=self.secure(HERE))
        access = settings.Access(deny=(Network.parse("127.0.0.0/8"),))
        services = (Service("echo", HERE), Service("echo", Where("udp", "127.0.0.1", 0)))
        house = self.start(evolve(config, access=access, services=services))
        client = IPv4Address("TCP", "127.0.0.1", 50000)
        self.assertEqual(len(self.reactor.adopted), 4)
        made = [each.factory.buildProtocol(client) for each in self.reactor.adopted]
        # HTTP hears why, within TLS where there is that; echo is closed without a word.
        told = [getattr(each, "wrappedProtocol", each) for each in made]
        self.assertEqual(
            [type(each).__name__ for each in told], ["_Told", "_Told", "_Told", "NoneType"]
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
        udp = settings.UDP(Where("udp", "127.0.0.1", 0), settings.Impairment(loss=1.0))
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
            house = self.build(asked(Where("tcp", "127.0.0.1", port, option=f"--http {port}")))
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
        return evolve(config, http=evolve(config.http, access_log=where, lean_dispatch=False))

    def test_file(self) -> None:
        """
        It is opened when the daemon is built, anew at SIGUSR1, and closed with the daemon.
        """
        before = signal.getsignal(signal.SIGUSR1)
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        path = Path(self.mktemp())
        house = self.start(self.logging(str(path)))
        path.unlink()
        os.kill(os.getpid(), signal.SIGUSR1)
        self.reactor.signals.run()
        self.assertTrue(path.exists())
        assert house.log is not None
        house.log.record(b"127.0.0.1", b"GET /", 200, 1, b"-", b"-")
        house.abandon()
        self.assertIn('"GET /" 200 1', path.read_text())

    def test_standard_output(self) -> None:
        """
        A dash is standard output.
        """
        house = build(self.logging("-"), self.reactor, {})
        assert house.log is not None
        self.assertEqual(house.log._descriptor, 1)

    def test_refused(self) -> None:
        """
        A file that cannot be opened is refused by name.
        """
        with self.assertRaises(UsageError) as caught:
            build(self.logging("/nonexistent/log"), self.reactor, {})
        said = "--access-log /nonexistent/log: No such file or directory"
        self.assertEqual(str(caught.exception), said)


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

    def stop(self, house: House) -> Deferred[Any]:
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
        house = self.start(asked(HERE, udp=Where("udp", "127.0.0.1", 0)))
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
