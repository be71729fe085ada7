"""
Tests for netd.daemon.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from sys import maxsize
from typing import Any

from attrs import evolve
from twisted.application.service import Application, IService, MultiService
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, capturedLogs, formatEvent
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netd import daemon as module
from netd import settings
from netd.addresses import Network
from netd.counters import Counters
from netd.daemon import RESERVE, Daemon, build, build_group, max_connections, raise_limit
from netd.http.context import AccessRecord
from netd.ops.inherited import Inherited
from netd.ops.logging.access_log import TextLog
from netd.ops.logging.line_writer import LineWriter
from netd.settings import TLS, Monitoring, Service, Settings
from netd.test.lab.client import Transport
from netd.test.ops.test_systemd import Managed
from netd.test.stages import Adopted, Reactor, identity
from netd.transport import private
from netd.transport.listener import Listener
from netd.values import Duration, Endpoint
from netd.workers import count
from netd.workers.group import GroupProbes, SharedLimit
from netd.workers.supervisor import Supervisor

ANY_PORT = Endpoint("tcp", "127.0.0.1", 0, option="--port 0")


def settings_with(
    *more: Endpoint,
    udp: Endpoint | None = None,
    tls: settings.TLS | None = None,
    files: Path | None = None,
) -> Settings:
    """Settings of a daemon on ports that the kernel chooses."""
    return Settings(
        http=settings.HTTP(
            listen=(ANY_PORT, *more),
            delay=Duration.parse("3s"),
            limits=settings.Limits(max_delay=60.0, max_body=1 << 20),
        ),
        tls=tls or settings.TLS((), None, None),
        files=settings.Files(files),
        udp=settings.UDP(udp),
        grace=Duration.parse("10s"),
    )


def _keep_signals(test: SynchronousTestCase) -> list[float]:
    """Restore the signal handlers after the test; the alarms that the daemon sets meanwhile."""
    for number in (
        *(signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2),
        *(signal.SIGALRM, signal.SIGINT, signal.SIGTERM),
    ):
        test.addCleanup(signal.signal, number, signal.getsignal(number))
    timers: list[float] = []
    test.patch(signal, "setitimer", lambda _, seconds: timers.append(seconds))
    return timers


class DaemonCase(SynchronousTestCase):
    """Daemons on a reactor that only records what it is told."""

    def setUp(self) -> None:
        self.reactor = Reactor()
        self.timers = _keep_signals(self)

    def build(self, config: Settings, **environ: str) -> Daemon:
        """The daemon; what it bound is closed when the test is over."""
        daemon = build(config, self.reactor, environ)
        for child in daemon:
            if isinstance(child, Listener):
                self.addCleanup(self.close, child)
        return daemon

    def close(self, listener: Listener) -> None:
        """Close what is still open, and let the reactor do it."""
        listener.stopService()
        self.reactor.advance(0)

    def start(self, config: Settings) -> Daemon:
        """The daemon, running."""
        daemon = self.build(config)
        with capturedLogs():
            daemon.privilegedStartService()
            daemon.startService()
        return daemon

    def names(self, daemon: Daemon) -> list[str]:
        """What its listeners are called, in their order."""
        return [str(child.name) for child in daemon if isinstance(child, Listener)]

    def secure(self, *listen: Endpoint) -> settings.TLS:
        """HTTPS with a fresh certificate."""
        return settings.TLS(listen, *identity().write(Path(self.mktemp())))


class BuildTests(DaemonCase):
    """The daemon is a list of services."""

    def test_services(self) -> None:
        """The listeners come first, then the drain, and the readiness notice comes last."""
        daemon = self.build(settings_with(udp=Endpoint("udp", "127.0.0.1", 0)))
        names = [child.name for child in daemon]
        self.assertEqual(self.names(daemon), ["http", "udp"])
        self.assertGreater(names.index("drain"), names.index("udp"))
        self.assertEqual(names[-1], "ready")
        self.assertTrue(verifyObject(IService, daemon))

    def test_everyService(self) -> None:
        """Each listener has a unique name."""
        daemon = self.build(
            settings_with(
                ANY_PORT,
                ANY_PORT,
                udp=Endpoint("udp", "::1", 0),
                tls=self.secure(ANY_PORT, ANY_PORT),
            )
        )
        self.assertEqual(
            self.names(daemon),
            ["http", "http-2", "http-3", "https", "https-2", "udp"],
        )

    def test_nothingBound(self) -> None:
        """Building binds nothing and schedules nothing."""
        daemon = self.build(settings_with())
        self.assertEqual(daemon.listening(), {})
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.reactor.adopted, [])

    def test_smallServices(self) -> None:
        """The listener of a small service is named after its transport and its service."""
        daemon = self.build(
            evolve(
                settings_with(),
                services=(
                    Service("time", ANY_PORT),
                    Service("echo", ANY_PORT),
                    Service("echo", Endpoint("udp", "127.0.0.1", 0)),
                    Service("echo", ANY_PORT),
                ),
            )
        )
        self.assertEqual(
            self.names(daemon),
            ["http", "udp-echo", "tcp-echo", "tcp-echo-2", "tcp-time"],
        )

    def test_blackhole(self) -> None:
        """A blackhole has no port of the reactor, and connections to it stay incomplete."""
        daemon = self.start(evolve(settings_with(), services=(Service("blackhole", ANY_PORT),)))
        self.assertEqual(self.names(daemon), ["http", "tcp-blackhole"])
        self.assertEqual(len(self.reactor.adopted), 1)
        bound = Endpoint.parse(daemon.listening()["tcp-blackhole"])
        with socket.socket() as client:
            client.setblocking(False)
            client.connect_ex((bound.host, bound.port))
            self.assertRaises(OSError, client.getpeername)

    def test_temporaryCertificate(self) -> None:
        """The file of a temporary certificate lasts until the stop is over."""
        secure = settings.TLS((ANY_PORT,), settings.TEMPORARY)
        daemon = self.build(settings_with(tls=secure))
        with capturedLogs() as events:
            daemon.privilegedStartService()
            daemon.startService()
        (path,) = (event["path"] for event in events if "path" in event)
        self.assertTrue(Path(path).exists())
        with capturedLogs():
            stopped = daemon.stopService()
        self.reactor.advance(0)
        self.successResultOf(stopped)
        self.assertFalse(Path(path).exists())

    def test_wrong(self) -> None:
        """Settings that cannot be met raise a UsageError which names the option."""
        missing = Path(self.mktemp())
        for config, said in (
            (settings_with(files=missing), f"--files {missing}"),
            (settings_with(Endpoint("tcp", "a..b", 80, option="--http a..b")), "--http a..b"),
            (
                settings_with(tls=settings.TLS((ANY_PORT,), missing, None)),
                f"--certificate {missing}",
            ),
            (settings_with(udp=Endpoint("udp6", "127.0.0.1", 0, option="--udp x")), "--udp x"),
            (
                evolve(settings_with(), rpc=settings.RPC(publish=("no.such:thing",))),
                "--rpc no.such:thing",
            ),
        ):
            caught = self.assertRaises(UsageError, self.build, config)
            self.assertIn(said, str(caught))

    def test_exact(self) -> None:
        """--httpbin-exact is refused beside a listener that others could reach."""
        everywhere = Endpoint("tcp", "0.0.0.0", 0)

        def exact(config: Settings) -> Settings:
            lab = evolve(config.http.lab, httpbin_exact=True)
            return evolve(config, http=evolve(config.http, lab=lab))

        own = Endpoint("unix", str(Path(self.mktemp())), 0)
        config = evolve(settings_with(), files=settings.Files(None, (own,)))
        self.assertEqual(self.names(self.build(exact(config))), ["http", "files-http"])
        for wrong, name in (
            (settings_with(everywhere), "http-2"),
            (settings_with(Endpoint("tcp", "*", 0)), "http-2"),
            (evolve(config, files=settings.Files(None, (everywhere,))), "files-http"),
            (evolve(config, rpc=settings.RPC((everywhere,))), "rpc-http"),
            (evolve(config, monitoring=settings.Monitoring((everywhere,))), "metrics-http"),
            (settings_with(udp=Endpoint("udp6", "::", 0)), "udp"),
            (evolve(config, services=(Service("echo", everywhere),)), "tcp-echo"),
        ):
            error = self.assertRaises(UsageError, self.build, exact(wrong))
            self.assertIn(f"--httpbin-exact yes: the listener {name} is", str(error))
            self.build(wrong)

    def test_ownCounters(self) -> None:
        """Two daemons in one process share no counters."""
        one, other = self.build(settings_with()), self.build(settings_with())
        self.assertIsNot(one.parts.counters, other.parts.counters)


class GroupTests(DaemonCase):
    """--workers."""

    def make(self, workers: int, **http: Any) -> Any:
        """What is made for so many workers; 0: auto."""
        config = settings_with()
        config = evolve(config, workers=settings.Workers(workers))
        config = evolve(config, http=evolve(config.http, **http))
        made = build_group(config, self.reactor, {})
        self.addCleanup(made.abandon)
        return made

    def test_number(self) -> None:
        """One process is a daemon, several are a supervisor; `auto` is what there are CPUs."""
        self.assertIsInstance(self.make(1), Daemon)
        self.assertIsInstance(self.make(2), Supervisor)
        for cpus, kind in ((1, Daemon), (3, Supervisor)):
            self.patch(count, "auto", partial(int, cpus))
            self.assertIsInstance(self.make(0), kind)

    def test_parts(self) -> None:
        """The limits of clients are divided, at the start and in a reload."""
        made = self.make(4, limits=settings.Limits(client_connections=10))
        self.assertEqual(made._parts.settings.http.limits.client_connections, 3)
        plan = made._daemon.reloader.prepare()
        self.assertEqual(plan.settings.http.limits.client_connections, 3)
        self.assertEqual(made._group.unlimited, max_connections())

    def test_shared(self) -> None:
        """The parts count and probe by the group, after a reload too."""
        made = self.make(2, limits=settings.Limits(connections=5))
        parts = made._parts
        site = parts.sites["http"]
        self.assertIsInstance(site.context.limits.connections, SharedLimit)
        self.assertIsInstance(parts.probes, GroupProbes)
        fresh = evolve(parts.settings, http=evolve(parts.settings.http, access_log=None))
        made._daemon.reloader.apply(made._daemon.reloader.plan(fresh))
        self.assertIsInstance(site.context.limits.connections, SharedLimit)
        # The supervisor serves these alone, and has no row for what it counts.
        self.assertNotIsInstance(parts.monitoring.context.limits.waiting, SharedLimit)
        named = made._daemon.getServiceNamed("http")
        made._daemon.withdraw(named)
        self.assertNotIn(named, made._daemon.listeners())

    def test_refused(self) -> None:
        """What several processes cannot do is a UsageError, and so are other systems."""
        caught = self.assertRaises(UsageError, self.make, 2, lab=settings.Lab(seed=1))
        self.assertTrue(str(caught).startswith("--seed: needs --workers 1"))
        self.patch(sys, "platform", "darwin")
        caught = self.assertRaises(UsageError, self.make, 2)
        self.assertEqual(str(caught), "--workers 2: needs Linux")

    def test_fallback(self) -> None:
        """Without the private names of Twisted there is one process."""
        self.patch(type(private.WORKERS), "missing", lambda _: "x")
        with capturedLogs():
            self.assertIsInstance(self.make(2), Daemon)


class StartTests(DaemonCase):
    """The daemon starts."""

    def test_listening(self) -> None:
        """A bound daemon reports the endpoint of each listener by name."""
        daemon = self.build(
            settings_with(
                Endpoint("tcp6", "::1", 0),
                udp=Endpoint("udp", "127.0.0.1", 0),
                tls=self.secure(ANY_PORT),
            )
        )
        daemon.privilegedStartService()
        listening = daemon.listening()
        self.assertEqual(list(listening), ["http", "http-2", "https", "udp"])
        for text in listening.values():
            where = Endpoint.parse(text, text[:3])
            self.assertGreater(where.port, 0)
        self.assertIn(r"interface=\:\:1", listening["http-2"])
        ports = {name: text.split(":")[1] for name, text in listening.items()}
        self.assertEqual(
            daemon.places(),
            f"http://127.0.0.1:{ports['http']}/ http-2=http://[::1]:{ports['http-2']}/ "
            f"https://127.0.0.1:{ports['https']}/ udp={listening['udp']}",
        )

    def test_oneSite(self) -> None:
        """Every HTTP and HTTPS listener leads to the same HTTP server."""
        self.start(settings_with(ANY_PORT, tls=self.secure(ANY_PORT)))
        first, second, third = [adopted.factory.inner for adopted in self.reactor.adopted]
        self.assertIs(first, second)
        self.assertIsInstance(third, TLSMemoryBIOFactory)
        self.assertIs(third.wrappedFactory, first)

    def test_datagrams(self) -> None:
        """The datagram echo responds, and counts in the daemon's counters."""
        daemon = self.start(settings_with(udp=Endpoint("udp", "127.0.0.1", 0)))
        (port,) = self.reactor.readers
        listener: Any = daemon.getServiceNamed("udp")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(60)
            client.sendto(b"hello", ("127.0.0.1", listener.bound.port))
            port.doRead()
            self.assertEqual(client.recv(100), b"hello")
        self.assertEqual(daemon.parts.counters.datagrams_sent, 1)

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

    def test_redirected(self) -> None:
        """/redirect-to leads to the other listeners of the daemon, under the same host name."""
        config = settings_with(ANY_PORT, tls=self.secure(ANY_PORT))
        daemon = self.start(config)
        http = self.reactor.adopted[0]
        where = daemon.listening()
        secure, other = (Endpoint.parse(where[name]).port for name in ("https", "http-2"))
        for url, code in (
            (f"https://a:{secure}/x", b"302"),
            (f"http://a:{other}/", b"302"),
            (f"http://a:{secure}/", b"400"),
            (f"https://b:{secure}/", b"400"),
        ):
            line = f"GET /redirect-to?url={url} HTTP/1.1".encode()
            self.assertIn(b"HTTP/1.1 " + code, self.ask(http, line), url)

    def test_alone(self) -> None:
        """--files-http and --rpc-http open listeners that serve nothing else."""
        room = Path(self.mktemp())
        room.mkdir()
        (room / "a.txt").write_text("hello")
        config = settings_with(files=room)
        config = evolve(
            config,
            files=evolve(config.files, listen=(ANY_PORT,)),
            rpc=settings.RPC(listen=(ANY_PORT, ANY_PORT)),
        )
        daemon = self.start(config)
        self.assertEqual(self.names(daemon), ["http", "files-http", "rpc-http", "rpc-http-2"])
        http, files, rpc, again = self.reactor.adopted
        self.assertIs(rpc.factory.inner, again.factory.inner)
        self.assertIn(b" 200 ", self.ask(files, b"HEAD /a.txt HTTP/1.1"))
        self.assertIn(b" 404 ", self.ask(files, b"HEAD /RPC2 HTTP/1.1"))
        self.assertIn(b" 404 ", self.ask(rpc, b"HEAD /files/a.txt HTTP/1.1"))
        self.assertNotIn(b" 404 ", self.ask(rpc, b"GET /RPC2 HTTP/1.1"))
        self.assertIn(b" 200 ", self.ask(http, b"HEAD /files/a.txt HTTP/1.1"))

    def test_denied(self) -> None:
        """Every listener refuses a denied client, over TCP and UDP alike."""
        config = settings_with(
            ANY_PORT, udp=Endpoint("udp", "127.0.0.1", 0), tls=self.secure(ANY_PORT)
        )
        access = settings.Access(deny=(Network.parse("127.0.0.0/8"),))
        services = (Service("echo", ANY_PORT), Service("echo", Endpoint("udp", "127.0.0.1", 0)))
        daemon = self.start(evolve(config, access=access, services=services))
        client = IPv4Address("TCP", "127.0.0.1", 50000)
        self.assertEqual(len(self.reactor.adopted), 4)
        made = [each.factory.buildProtocol(client) for each in self.reactor.adopted]
        # HTTP hears why, within TLS where there is that; echo is closed without a word.
        told = [getattr(each, "wrappedProtocol", each) for each in made]
        self.assertEqual(
            [type(each).__name__ for each in told], [*3 * ["DeniedConnection"], "NoneType"]
        )
        self.assertEqual(sum(daemon.parts.counters.refusals.values()), 4)
        self.assertEqual(len(self.reactor.readers), 2)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for port in self.reactor.readers:
                sock.sendto(b"hello", port.socket.getsockname())
                port.doRead()
        self.assertEqual(
            (daemon.parts.counters.datagrams_sent, sum(daemon.parts.counters.drops.values())),
            (0, 2),
        )

    def test_rate(self) -> None:
        """Connections above --connect-rate are refused, counted over all listeners together."""
        access = settings.Access(connect_rate=1)
        self.start(evolve(settings_with(ANY_PORT), access=access))
        client = IPv4Address("TCP", "192.0.2.1", 50000)
        built = [
            adopted.factory.buildProtocol(client) is not None
            for _ in range(5)
            for adopted in self.reactor.adopted
        ]
        self.assertEqual(built, [True, True] + [False] * 8)

    def test_lost(self) -> None:
        """Datagrams are lost when --udp-loss says so."""
        udp = settings.UDP(Endpoint("udp", "127.0.0.1", 0), settings.Impairment(loss=1.0))
        daemon = self.start(evolve(settings_with(), udp=udp))
        (port,) = self.reactor.readers
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"hello", port.socket.getsockname())
            port.doRead()
        self.assertEqual(
            (daemon.parts.counters.datagrams, daemon.parts.counters.datagrams_sent), (1, 0)
        )

    def test_ready(self) -> None:
        """READY=1 is sent when every listener is bound, and names them all."""
        room = Path(self.mktemp())
        with capturedLogs() as events:
            daemon = self.build(settings_with(ANY_PORT), NOTIFY_SOCKET=f"/{room}/nobody")
            daemon.privilegedStartService()
            self.assertEqual(events, [])
            daemon.startService()
        said = [event["places"] for event in events if "places" in event]
        self.assertEqual(said, [daemon.places()])
        # The environment that was given is the one that is used.
        self.assertEqual(len([event for event in events if "address" in event]), 1)

    def test_console(self) -> None:
        """A start logs the console's URL, unless there is no console or no port for it."""
        socket = Endpoint("unix", str(Path(self.mktemp())), 0)
        for endpoint, console, number in (
            (ANY_PORT, True, 1),
            (ANY_PORT, False, 0),
            (socket, True, 0),
        ):
            config = settings_with()
            http = evolve(config.http, listen=(endpoint,), console=console)
            daemon = self.build(evolve(config, http=http))
            with capturedLogs() as events:
                daemon.privilegedStartService()
                daemon.startService()
                daemon.show_console()
            shown = {event["url"] for event in events if "url" in event}
            self.assertEqual(len(shown), number, (endpoint, console))
            for url in shown:
                port = daemon._bound()["http"].port
                self.assertEqual(url, f"http://127.0.0.1:{port}/console")

    def test_token(self) -> None:
        """With --console-requests a start logs the link of all requests."""
        config = settings_with()
        http = evolve(config.http, console_requests=True)
        daemon = self.build(evolve(config, http=http))
        with capturedLogs() as events:
            daemon.privilegedStartService()
            daemon.show_console()
        (link,) = [formatEvent(event) for event in events if "token" in event]
        token = daemon.parts.watchers.token
        self.assertRegex(link, f"^console, all requests: http://.*/console#token={token}$")

    def test_distinct(self) -> None:
        """Two listeners with one address are refused when the daemon is built."""
        twice = [Endpoint("tcp", "127.0.0.1", 8000, option=f"--http {n}") for n in (1, 2)]
        caught = self.assertRaises(UsageError, self.build, settings_with(*twice))
        self.assertEqual(str(caught), "--http 2: not an address of its own, --http 1 has it")

    def test_local(self) -> None:
        """Loopback that --allow leaves out reaches the probes, over HTTP and HTTPS only."""
        config = settings_with(ANY_PORT, tls=self.secure(ANY_PORT))
        config = evolve(
            config,
            access=settings.Access(allow=(Network.parse("192.0.2.0/24"),)),
            services=(Service("echo", ANY_PORT),),
        )
        self.start(config)
        client = IPv4Address("TCP", "127.0.0.1", 50000)
        made = [each.factory.buildProtocol(client) for each in self.reactor.adopted]
        told = [type(getattr(each, "wrappedProtocol", each)).__name__ for each in made]
        self.assertEqual(told, [*3 * ["LocalConnection"], "NoneType"])

    def test_taken(self) -> None:
        """A port that is taken stops the start."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            daemon = self.build(
                settings_with(Endpoint("tcp", "127.0.0.1", port, option=f"--http {port}"))
            )
            caught = self.assertRaises(UsageError, daemon.privilegedStartService)
        self.assertTrue(str(caught).startswith(f"--http {port}: "))


class TicketKeyTests(DaemonCase):
    """Keys of TLS session tickets."""

    def test_rotated(self) -> None:
        """Handshakes begin with another context, and so with other keys, every 12 hours."""
        daemon = self.start(settings_with(tls=self.secure(ANY_PORT)))
        tls = daemon.parts.tls
        assert tls is not None
        contexts = {tls.serverConnectionForTLS(None).get_context()}
        for _ in range(4):
            self.reactor.advance(6 * 3600)
            contexts.add(tls.serverConnectionForTLS(None).get_context())
        self.assertEqual(len(contexts), 3)
        daemon.stopService()


class LogTests(DaemonCase):
    """The access log."""

    def logging(self, where: str) -> Settings:
        """Settings of a daemon that logs to `where`."""
        config = settings_with(ANY_PORT)
        return evolve(config, http=evolve(config.http, access_log=where, fast_dispatch=False))

    def test_file(self) -> None:
        """
        The log file is opened with the daemon, reopened on SIGUSR1, and closed with the daemon.
        """
        path = Path(self.mktemp())
        daemon = self.start(self.logging(str(path)))
        path.unlink()
        os.kill(os.getpid(), signal.SIGUSR1)
        self.reactor.signals.run()
        self.assertTrue(path.exists())
        assert daemon.parts.logs.access is not None
        daemon.parts.logs.access.record(
            AccessRecord(b"127.0.0.1", b"GET /", 200, 1, b"-", b"-")
        )
        daemon.abandon()
        self.assertIn('"GET /" 200 1', path.read_text())

    def test_refused(self) -> None:
        """A log file that cannot be opened is refused by name."""
        caught = self.assertRaises(
            UsageError, build, self.logging("/nonexistent/log"), self.reactor, {}
        )
        said = "--access-log /nonexistent/log: No such file or directory"
        self.assertEqual(str(caught), said)


class InheritTests(DaemonCase):
    """Sockets inherited from the service manager."""

    def test_replaced(self) -> None:
        """
        Inherited sockets replace the listeners of their names; one that fits none is refused.
        """
        sock = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(sock.close)
        given = [Inherited("http", 3, sock)]
        daemon = build(settings_with(), self.reactor, {}, None, given)
        host, number = sock.getsockname()
        self.assertEqual(daemon.listening(), {"http": f"tcp:{number}:interface={host}"})
        given = [Inherited("https", 3, sock)]
        caught = self.assertRaises(
            UsageError, build, settings_with(), self.reactor, {}, None, given
        )
        self.assertIn("fits none of the listeners http", str(caught))

    def test_exact(self) -> None:
        """The inherited sockets decide whether --httpbin-exact is refused."""
        config = settings_with()
        lab = evolve(config.http.lab, httpbin_exact=True)
        config = evolve(config, http=evolve(config.http, lab=lab))
        for host in ("127.0.0.1", "0.0.0.0"):
            sock = socket.create_server((host, 0))
            self.addCleanup(sock.close)
            given = [Inherited("http", 3, sock)]
            if host == "127.0.0.1":
                build(config, self.reactor, {}, None, given)
            else:
                with self.assertRaises(UsageError):
                    build(config, self.reactor, {}, None, given)


class StopTests(DaemonCase):
    """The daemon stops."""

    def connect(self) -> Transport:
        """A client's connection to the first address."""
        self.channel = self.reactor.adopted[0].factory.buildProtocol(
            IPv4Address("TCP", "127.0.0.1", 50000)
        )
        transport = Transport()
        self.channel.makeConnection(transport)
        return transport

    def leave(self) -> None:
        """The client has left."""
        self.channel.connectionLost(Failure(ConnectionDone()))
        self.reactor.advance(0)

    def stop(self, daemon: Daemon) -> Deferred[Any]:
        """The stop begins."""
        with capturedLogs():
            return daemon.stopService()

    def test_abandoned(self) -> None:
        """A daemon whose start failed releases every address that it had bound."""
        daemon = build(settings_with(ANY_PORT), self.reactor, {})
        daemon.privilegedStartService()
        where = daemon.listening()["http"]
        daemon.abandon()
        self.assertEqual(daemon.listening(), {})
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", int(where.split(":")[1])))

    def test_idle(self) -> None:
        """A stop with nothing in flight closes everything at once and leaves no timer."""
        daemon = self.start(settings_with(ANY_PORT, udp=Endpoint("udp", "127.0.0.1", 0)))
        stopped = self.stop(daemon)
        self.reactor.advance(0)
        self.successResultOf(stopped)
        self.assertEqual([adopted.listening for adopted in self.reactor.adopted], [False] * 2)
        self.assertEqual(self.reactor.readers, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(daemon.listening(), {})

    def test_neverStarted(self) -> None:
        """A daemon that was bound and never started can be stopped."""
        daemon = self.build(settings_with())
        daemon.privilegedStartService()
        self.successResultOf(self.stop(daemon))
        self.assertEqual(daemon.listening(), {})

    def test_inFlight(self) -> None:
        """A stop closes the listeners at once, and a request in flight gets its response."""
        daemon = self.start(settings_with())
        transport = self.connect()
        self.channel.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        stopped = self.stop(daemon)
        self.assertFalse(self.reactor.adopted[0].listening)
        self.reactor.advance(2.9)
        self.assertNoResult(stopped)
        self.reactor.advance(0.1)
        self.assertIn(b"200 OK", transport.value())
        self.assertTrue(transport.disconnecting)
        self.leave()
        self.successResultOf(stopped)
        self.assertEqual(daemon.parts.counters.aborted, 0)

    def test_standardInput(self) -> None:
        """The end of standard input stops the reactor, within the time of any stop."""
        config = evolve(settings_with(), starter=settings.Starter(until_eof=True))
        daemon = self.build(config)
        daemon.privilegedStartService()
        daemon.startService()
        self.addCleanup(self.stop, daemon)
        watched: Any = daemon.getServiceNamed("until-eof")
        watched.connectionLost(None)
        self.assertEqual(self.reactor.stops, 1)
        self.assertEqual(self.timers, [11.0])

    def test_grace(self) -> None:
        """A request that still waits after the grace is cut off."""
        daemon = self.start(settings_with())
        transport = self.connect()
        self.channel.dataReceived(b"GET /delay/50 HTTP/1.1\r\nHost: a\r\n\r\n")
        stopped = self.stop(daemon)
        with capturedLogs():
            self.reactor.pump([1] * 10)
        self.assertTrue(transport.disconnected)
        self.assertEqual(daemon.parts.counters.aborted, 1)
        self.leave()
        self.successResultOf(stopped)

    def test_secondSignal(self) -> None:
        """A second SIGTERM ends the grace, and the signal handlers are restored afterwards."""
        daemon = self.start(settings_with())
        before = signal.getsignal(signal.SIGTERM)
        transport = self.connect()
        self.channel.dataReceived(b"GET /delay/50 HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIs(signal.getsignal(signal.SIGTERM), before)
        stopped = self.stop(daemon)
        handler: Any = signal.getsignal(signal.SIGTERM)
        handler(signal.SIGTERM, None)
        self.assertFalse(transport.disconnected)
        with capturedLogs():
            self.reactor.signals.run()
        self.assertTrue(transport.disconnected)
        self.assertEqual(self.timers, [1.0])
        self.leave()
        self.successResultOf(stopped)
        self.reactor.signals.run()
        self.assertIs(signal.getsignal(signal.SIGTERM), before)

    def test_drain(self) -> None:
        """
        For `drain` seconds after the signal /readyz is 503 and the listeners take requests.

        Each response closes its connection; there is no reload.
        """
        config = evolve(settings_with(), drain=Duration.parse("5s"))
        daemon = self.start(config)
        kept = self.connect()
        stopped = self.stop(daemon)
        self.channel.dataReceived(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIn(b" 503 ", kept.value())
        self.assertIn(b"\r\nConnection: close\r\n", kept.value())
        self.leave()
        with capturedLogs() as events:
            daemon.reload()
        self.assertEqual(events, [])
        self.reactor.advance(4.9)
        self.assertTrue(self.reactor.adopted[0].listening)
        late = self.connect()
        self.channel.dataReceived(b"GET /get HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIn(b" 200 OK", late.value())
        self.leave()
        self.reactor.advance(0.1)
        self.assertFalse(self.reactor.adopted[0].listening)
        self.successResultOf(stopped)

    def test_secondSignalDrains(self) -> None:
        """A second SIGTERM ends the drain and leaves the grace; a third ends the grace."""
        config = evolve(settings_with(), drain=Duration.parse("5s"))
        daemon = self.start(config)
        transport = self.connect()
        self.channel.dataReceived(b"GET /delay/50 HTTP/1.1\r\nHost: a\r\n\r\n")
        stopped = self.stop(daemon)
        handler: Any = signal.getsignal(signal.SIGTERM)
        handler(signal.SIGTERM, None)
        self.reactor.signals.run()
        self.reactor.advance(0)
        self.assertFalse(self.reactor.adopted[0].listening)
        self.assertFalse(transport.disconnected)
        handler(signal.SIGTERM, None)
        with capturedLogs():
            self.reactor.signals.run()
        self.assertTrue(transport.disconnected)
        self.assertEqual(self.timers, [config.grace.seconds + 1.0, 1.0])
        self.leave()
        self.successResultOf(stopped)


class SignalTests(Managed):
    """A daemon that receives signals."""

    def setUp(self) -> None:
        self.reactor = Reactor()
        self.timers = _keep_signals(self)
        self.environ, self.receive = self.manager()

    def start(self, config: Settings) -> Daemon:
        """It runs, and has said READY."""
        daemon = build(config, self.reactor, self.environ, lambda: config)
        self.addCleanup(self.end, daemon)
        with capturedLogs():
            daemon.startService()
        self.assertTrue(self.receive().startswith(b"READY=1"))
        return daemon

    def end(self, daemon: Daemon) -> None:
        """Close what the test has not."""
        if daemon.running:
            daemon.abandon()

    def signal(self, number: signal.Signals) -> list[str]:
        """What the log says after this signal."""
        with capturedLogs() as events:
            os.kill(os.getpid(), number)
            self.reactor.signals.run()
        return [str(formatEvent(each)) for each in events]

    def logging(self, path: Path) -> Settings:
        """Settings of a daemon that logs to `path`."""
        return evolve(
            settings_with(),
            http=evolve(settings_with().http, access_log=str(path), fast_dispatch=False),
        )

    def test_guest(self) -> None:
        """A daemon that shares its process leaves every signal as it is, in a stop too."""
        numbers = (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM, signal.SIGALRM)
        before = [signal.getsignal(each) for each in numbers]
        daemon = build(settings_with(), self.reactor, {}, alone=False)
        with capturedLogs():
            daemon.startService()
            self.addCleanup(self.end, daemon)
            self.assertEqual([signal.getsignal(each) for each in numbers], before)
            daemon.stopService()
        self.assertEqual([signal.getsignal(each) for each in numbers], before)

    def test_reload(self) -> None:
        """
        SIGHUP reloads, reopens the log, and notifies the service manager of start and end.
        """
        path = Path(self.mktemp())
        self.start(self.logging(path))
        path.unlink()
        self.assertEqual(self.signal(signal.SIGHUP), ["reloaded"])
        self.assertTrue(path.exists())
        self.assertTrue(self.receive().startswith(b"RELOADING=1\nMONOTONIC_USEC="))
        self.assertEqual(self.receive(), b"READY=1\nSTATUS=Reloaded")

    def test_limit(self) -> None:
        """A stop signal sets an alarm for a second after the grace, as the grace is then."""
        signal.signal(signal.SIGTERM, lambda *_: None)
        daemon = self.start(settings_with())
        os.kill(os.getpid(), signal.SIGTERM)
        daemon.parts.drain.change(0.5)
        os.kill(os.getpid(), signal.SIGTERM)
        self.assertEqual(self.timers, [settings_with().grace.seconds + 1.0, 1.5])

    def test_ready(self) -> None:
        """The daemon is ready from its start until its stop begins."""
        daemon = build(settings_with(), self.reactor, {})
        self.assertFalse(daemon.parts.probes.ready())
        with capturedLogs():
            daemon.startService()
        self.assertTrue(daemon.parts.probes.ready())
        stopped = daemon.stopService()
        self.assertFalse(daemon.parts.probes.ready())
        self.reactor.advance(60)
        self.successResultOf(stopped)

    def test_certificates(self) -> None:
        """The daemon reports for how long its certificates are valid."""
        self.assertEqual(
            build(settings_with(), self.reactor, {}).parts.gauges.certificates(), {}
        )
        files = identity().write(Path(self.mktemp()))
        daemon = build(settings_with(tls=TLS((ANY_PORT,), *files)), self.reactor, {})
        self.assertGreater(daemon.parts.gauges.certificates()["default"], 86_400)

    def test_application(self) -> None:
        """
        twistd's application logs in the daemon's format, unless it has an observer of its own.
        """
        config = evolve(settings_with(), monitoring=Monitoring(log="json"))
        for observer in (None, TextLog(LineWriter(1, Clock(), Counters()))):
            application: Any = Application("netd")
            if observer is not None:
                application.setComponent(ILogObserver, observer)
            daemon = build(config, self.reactor, {})
            daemon.setServiceParent(application)
            found = application.getComponent(ILogObserver)
            self.assertIs(found, observer or daemon.parts.logs.observer)
        bare: Any = Application("netd")
        build(settings_with(), self.reactor, {}).setServiceParent(bare)
        self.assertIsNone(bare.getComponent(ILogObserver, None))
        build(config, self.reactor, {}).setServiceParent(MultiService())

    def test_reopen(self) -> None:
        """SIGUSR1 reopens the log and does nothing else."""
        path = Path(self.mktemp())
        self.start(self.logging(path))
        path.unlink()
        self.assertEqual(self.signal(signal.SIGUSR1), [])
        self.assertTrue(path.exists())
        self.quiet(self.receive)

    def test_noLog(self) -> None:
        """SIGUSR1 is harmless for a daemon without a log file."""
        self.start(settings_with())
        self.assertEqual(self.signal(signal.SIGUSR1), [])

    def test_dump(self) -> None:
        """SIGUSR2 logs services, connections, waiting responses, timers and counters."""
        daemon = self.start(evolve(settings_with(), services=(Service("echo", ANY_PORT),)))
        daemon.parts.counters.responses[200] += 1
        lines = self.signal(signal.SIGUSR2)
        self.assertEqual(len(lines), 5)
        self.assertRegex(lines[0], r"^state: services: http=tcp:\d+:.* tcp-echo=tcp:\d+:")
        self.assertEqual(lines[1], "state: connections: 0 (http=0 tcp-echo=0)")
        self.assertEqual(lines[2], "state: waiting responses: 0 (http=0)")
        self.assertIn("responses[200]=1", lines[4])

    def test_first(self) -> None:
        """The signal handlers are installed before READY=1 is sent."""
        heard: list[object] = []
        config = settings_with()
        daemon = build(config, self.reactor, self.environ)
        self.addCleanup(self.end, daemon)
        ready = daemon.getServiceNamed("ready")

        def announce() -> None:
            heard.append(signal.getsignal(signal.SIGHUP))

        self.patch(ready, "startService", announce)
        with capturedLogs():
            daemon.startService()
        self.assertTrue(callable(heard[0]))

    def test_stopped(self) -> None:
        """During and after a stop SIGHUP reloads nothing, and no timer is left."""
        daemon = self.start(self.logging(Path(self.mktemp())))
        with capturedLogs():
            stopped = daemon.stopService()
            self.reactor.advance(2)
        self.successResultOf(stopped)
        self.assertTrue(self.receive().startswith(b"STOPPING=1"))
        self.assertEqual(self.signal(signal.SIGHUP), [])
        self.assertEqual(self.signal(signal.SIGUSR1), [])
        self.quiet(self.receive)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_nothingToRead(self) -> None:
        """A daemon without a configuration to read again ignores SIGHUP."""
        daemon = build(settings_with(), self.reactor, self.environ)
        self.addCleanup(self.end, daemon)
        with capturedLogs():
            daemon.startService()
        self.receive()
        self.assertEqual(self.signal(signal.SIGHUP), [])
        self.quiet(self.receive)
        self.assertIsInstance(self.reactor, Clock)


class DescriptorLimitTests(SynchronousTestCase):
    """
    The limits of a fake kernel.
    """

    def kernel(self, soft: int, hard: int, refuses: type[Exception] | None = None) -> None:
        """A kernel with these limits, which raises `refuses` when they are changed."""
        self.limits = (soft, hard)

        def get(which: int) -> tuple[int, int]:
            self.assertEqual(which, resource.RLIMIT_NOFILE)
            return self.limits

        def put(which: int, limits: tuple[int, int]) -> None:
            if refuses is not None:
                raise refuses
            self.limits = limits

        self.patch(resource, "getrlimit", get)
        self.patch(resource, "setrlimit", put)

    def test_raised(self) -> None:
        """The soft limit is raised to the hard one."""
        self.kernel(1024, 4096)
        self.assertEqual(raise_limit(), 4096)
        self.assertEqual(self.limits, (4096, 4096))

    def test_alreadyThere(self) -> None:
        """A soft limit that equals the hard one is not changed."""
        self.kernel(4096, 4096, OSError)
        self.assertEqual(raise_limit(), 4096)

    def test_refused(self) -> None:
        """A limit that the kernel refuses to raise stays in force."""
        for reason in (ValueError, OSError):
            self.kernel(256, resource.RLIM_INFINITY, reason)
            self.assertEqual(raise_limit(), 256)

    def test_connections(self) -> None:
        """Connections leave `RESERVE` descriptors, and at least one is allowed."""
        self.kernel(1024, 1024)
        self.assertEqual(max_connections(), 1024 - RESERVE)
        self.kernel(10, 10)
        self.assertEqual(max_connections(), 1)

    def test_windows(self) -> None:
        """Windows has no limit of descriptors, but select() takes 512 sockets."""
        self.patch(module, "resource", None)
        self.assertEqual(max_connections(), 512 - RESERVE)

    def test_unlimited(self) -> None:
        """Without a limit of descriptors connections are not limited."""
        self.kernel(resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        self.assertEqual(max_connections(), maxsize)
