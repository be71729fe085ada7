"""Tests for netd.transport.listener, with real sockets on loopback."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.application.service import IService
from twisted.internet import reactor as _the_reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.selectreactor import SelectReactor
from twisted.logger import LogEvent, capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from netd.test.stages import usage_error
from netd.transport import listener, unix
from netd.transport.balanced_port import BalancedPort
from netd.transport.listener import Listener, check_distinct, datagram, kernel_backlog, stream
from netd.transport.tcp import TCPTransport
from netd.transport.tcp_port import TCPPort
from netd.values import Endpoint

reactor: Any = _the_reactor

LOOPBACK = Endpoint("tcp", "127.0.0.1", 0, option="--port 0")
LOOPBACK6 = Endpoint("tcp6", "::1", 0, option="--http tcp6:0")


class Port:
    """Serves a duplicate of its socket, as Twisted's ports do, and accepts nothing."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock.dup()
        self.stopped = 0

    def stopListening(self) -> Deferred[None]:
        """Close at once."""
        self.stopped += 1
        self.socket.close()
        return succeed(None)


class _Listeners(SynchronousTestCase):
    """Listeners whose ports accept nothing."""

    def listener(
        self, endpoint: Endpoint = LOOPBACK, kind: socket.SocketKind = socket.SOCK_STREAM
    ) -> Listener:
        """A listener that is closed after the test; `self.ports` are its ports."""
        self.ports: list[Port] = []

        def serve(sock: socket.socket) -> Any:
            self.ports.append(Port(sock))
            return self.ports[-1]

        opened = Listener(endpoint, kind, serve)
        self.addCleanup(opened.stopService)
        return opened

    def started(
        self, endpoint: Endpoint = LOOPBACK, kind: socket.SocketKind = socket.SOCK_STREAM
    ) -> Listener:
        """A started listener."""
        opened = self.listener(endpoint, kind)
        opened.startService()
        return opened

    def refused(self, endpoint: Endpoint, kind: socket.SocketKind = socket.SOCK_STREAM) -> str:
        """The one line of the error of building or binding `where`."""
        return usage_error(self, lambda: self.listener(endpoint, kind).privilegedStartService())


class DistinctTests(_Listeners):
    """Of two listeners with one address the kernel would refuse one."""

    def clash(self, *endpoints: Endpoint, kinds: tuple[socket.SocketKind, ...] = ()) -> str:
        """The error for these endpoints, which are streams by default; empty: none."""
        kinds = kinds or (socket.SOCK_STREAM,) * len(endpoints)
        listeners = [self.listener(*pair) for pair in zip(endpoints, kinds, strict=True)]
        try:
            check_distinct(listeners)
        except UsageError as error:
            return str(error)
        return ""

    def test_same(self) -> None:
        """The later of two that clash is named with the one that it clashes with."""
        first = Endpoint("tcp", "127.0.0.1", 80, option="--port 80")
        for other in ("127.0.0.1", "0.0.0.0", "*", "localhost"):
            second = Endpoint("tcp", other, 80, option="--http x")
            message = "--http x: not an address of its own, --port 80 has it"
            self.assertEqual(self.clash(LOOPBACK, first, second), message)
        path = Endpoint("unix", "/a", 0, option="--http unix:/a")
        self.assertIn("--http unix:/a has it", self.clash(path, path))

    def test_different(self) -> None:
        """Other ports, families, transports and paths, port 0, and inherited sockets do not."""
        here = Endpoint("tcp", "127.0.0.1", 80)
        for other in (
            Endpoint("tcp", "127.0.0.1", 81),
            Endpoint("tcp", "127.0.0.2", 80),
            Endpoint("tcp6", "::", 80),
            Endpoint("unix", "/127.0.0.1", 80),
        ):
            self.assertEqual(self.clash(here, other), "")
        self.assertEqual(self.clash(LOOPBACK, LOOPBACK), "")
        unlike = (Endpoint("unix", "/a", 0), Endpoint("unix", "/b", 0))
        self.assertEqual(self.clash(*unlike), "")
        kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        self.assertEqual(self.clash(here, here, kinds=kinds), "")
        passed = self.listener(here)
        passed.inherited = True
        check_distinct([passed, self.listener(here)])


def bound(listener: Listener) -> Endpoint:
    """The address on which `listener` listens."""
    assert listener.bound is not None
    return listener.bound


def reachable(endpoint: Endpoint) -> bool:
    """Whether the kernel lets a client connect."""
    try:
        socket.create_connection((endpoint.host, endpoint.port)).close()
    except ConnectionRefusedError:
        return False
    return True


class ListenerTests(_Listeners):
    """A listener is resolved, bound, served and closed."""

    def test_interface(self) -> None:
        """A listener is a service."""
        self.assertTrue(verifyObject(IService, self.listener()))

    def test_built(self) -> None:
        """The constructor binds nothing."""
        before = len(os.listdir("/dev/fd"))
        opened = self.listener()
        self.assertIsNone(opened.bound)
        self.assertEqual(len(os.listdir("/dev/fd")), before)

    def test_local(self) -> None:
        """Loopback and UNIX sockets are of this machine, before they are bound too."""
        for endpoint, local in (
            (Endpoint("tcp", "127.1.2.3", 0), True),
            (Endpoint("tcp", "localhost", 0), True),
            (Endpoint("tcp6", "::1", 0), True),
            (Endpoint("unix", "/x", 0), True),
            (Endpoint("tcp", "0.0.0.0", 0), False),
            (Endpoint("tcp6", "::", 0), False),
            (Endpoint("tcp", "192.0.2.1", 0), False),
        ):
            self.assertEqual(self.listener(endpoint).local, local, endpoint)

    def test_anyPort(self) -> None:
        """With port 0 the kernel chooses a port, which `bound` has."""
        opened = self.listener()
        opened.privilegedStartService()
        endpoint = bound(opened)
        self.assertEqual(
            (endpoint.kind, endpoint.host, endpoint.option), ("tcp", "127.0.0.1", "--port 0")
        )
        self.assertGreater(endpoint.port, 0)

    def test_queued(self) -> None:
        """After binding, the kernel queues clients until they are served."""
        opened = self.listener()
        opened.privilegedStartService()
        self.assertEqual(self.ports, [])
        self.assertTrue(reachable(bound(opened)))

    def test_boundOnce(self) -> None:
        """Binding again, as twistd does, changes nothing."""
        opened = self.listener()
        opened.privilegedStartService()
        endpoint = bound(opened)
        opened.privilegedStartService()
        opened.startService()
        opened.startService()
        self.assertEqual(bound(opened), endpoint)
        self.assertEqual(len(self.ports), 1)

    def test_served(self) -> None:
        """Starting hands over the bound, non-blocking socket and keeps no duplicate."""
        opened = self.listener()
        opened.privilegedStartService()
        endpoint = bound(opened)
        before = len(os.listdir("/dev/fd"))
        opened.startService()
        (port,) = self.ports
        self.assertEqual(port.socket.getsockname()[1], endpoint.port)
        self.assertFalse(port.socket.getblocking())
        self.assertEqual(len(os.listdir("/dev/fd")), before)
        self.assertTrue(opened.running)

    def test_startAlone(self) -> None:
        """Starting binds when that was not done before."""
        self.assertTrue(reachable(bound(self.started())))

    def test_stopped(self) -> None:
        """Stopping closes the port and forgets the bound address."""
        opened = self.started()
        endpoint = bound(opened)
        self.successResultOf(opened.stopService())
        self.assertEqual(self.ports[0].stopped, 1)
        self.assertIsNone(opened.bound)
        self.assertFalse(opened.running)
        self.assertFalse(reachable(endpoint))

    def test_stoppingTakesTime(self) -> None:
        """The stop ends when the port is closed."""
        closed: Deferred[None] = Deferred()
        opened = self.started()
        self.patch(self.ports[0], "stopListening", lambda: closed)
        stopped = opened.stopService()
        self.assertNoResult(stopped)
        closed.callback(None)
        self.successResultOf(stopped)
        self.ports[0].socket.close()

    def test_after(self) -> None:
        """A listener with `after` listens until that fires, if it listens at all."""
        over: Deferred[None] = Deferred()
        idle = self.listener()
        idle.after = lambda: over
        self.successResultOf(idle.stopService())
        opened = self.started()
        opened.after = lambda: over
        endpoint = bound(opened)
        stopped = opened.stopService()
        self.assertTrue(reachable(endpoint))
        self.assertNoResult(stopped)
        over.callback(None)
        self.successResultOf(stopped)
        self.assertFalse(reachable(endpoint))

    def test_stoppedBeforeTheStart(self) -> None:
        """A listener that was never bound or never served can be stopped."""
        self.successResultOf(self.listener().stopService())
        opened = self.listener()
        opened.privilegedStartService()
        endpoint = bound(opened)
        self.successResultOf(opened.stopService())
        self.assertFalse(reachable(endpoint))
        self.assertIsNone(opened.bound)

    def test_restarted(self) -> None:
        """A stopped listener can be started again."""
        opened = self.started()
        self.successResultOf(opened.stopService())
        self.successResultOf(opened.stopService())
        opened.startService()
        self.assertTrue(reachable(bound(opened)))
        self.assertEqual([port.stopped for port in self.ports], [1, 0])

    def test_several(self) -> None:
        """Each listener has its own socket."""
        several = [self.started() for _ in range(3)]
        self.assertEqual(len({bound(opened).port for opened in several}), 3)
        self.successResultOf(several[1].stopService())
        self.assertTrue(reachable(bound(several[0])))
        self.assertTrue(reachable(bound(several[2])))

    def test_reuse(self) -> None:
        """A stream socket can be bound while connections of the last run linger."""
        self.started()
        flag = self.ports[0].socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        self.assertNotEqual(flag, 0)

    def test_notInherited(self) -> None:
        """A child process does not inherit the socket."""
        self.started()
        self.assertFalse(self.ports[0].socket.get_inheritable())


class InheritTests(_Listeners):
    """Inherited sockets."""

    def sock(
        self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM
    ) -> socket.socket:
        """A socket bound to loopback."""
        sock = socket.socket(family, kind)
        self.addCleanup(sock.close)
        sock.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        sock.setblocking(False)
        return sock

    def test_instead(self) -> None:
        """Each inherited socket is served, and the endpoint asked for is not bound."""
        first, two = self.sock(), self.sock(socket.AF_INET6)
        opened = self.listener(Endpoint("tcp", "192.0.2.1", 80))
        opened.inherit([first.dup(), two.dup()])
        opened.privilegedStartService()
        opened.startService()
        self.assertEqual(
            [port.socket.getsockname() for port in self.ports],
            [first.getsockname(), two.getsockname()],
        )

    def test_bound(self) -> None:
        """`bound` is the address of the first socket, of any family and type."""
        for family, kind, name in (
            (socket.AF_INET, socket.SOCK_STREAM, "tcp"),
            (socket.AF_INET6, socket.SOCK_STREAM, "tcp6"),
            (socket.AF_INET, socket.SOCK_DGRAM, "udp"),
            (socket.AF_INET6, socket.SOCK_DGRAM, "udp6"),
        ):
            sock = self.sock(family, kind)
            host, number = sock.getsockname()[:2]
            opened = self.listener(Endpoint("tcp", "*", 80, 17), kind=sock.type)
            opened.inherit([sock.dup()])
            self.assertEqual(opened.bound, Endpoint(name, host, number))

    def test_local(self) -> None:
        """The sockets say whether only this machine can connect."""
        opened = self.listener(Endpoint("tcp", "*", 80))
        self.assertFalse(opened.local)
        opened.inherit([self.sock(), self.sock(socket.AF_INET6)])
        self.assertTrue(opened.local)
        everywhere = socket.create_server(("0.0.0.0", 0))
        self.addCleanup(everywhere.close)
        opened.inherit([self.sock(), everywhere])
        self.assertFalse(opened.local)

    def test_keptOpen(self) -> None:
        """A stop leaves the inherited socket listening for other processes."""
        sock = self.sock()
        opened = self.listener()
        opened.inherit([sock.dup()])
        opened.startService()
        opened.stopService()
        with socket.create_connection(sock.getsockname()):
            sock.accept()[0].close()


class SharedTests(_Listeners):
    """Sockets that several processes serve."""

    def test_shut(self) -> None:
        """A shut socket refuses newcomers, although another copy of it is open."""
        opened = self.listener()
        opened.privilegedStartService()
        (sock,) = opened.sockets
        copy = sock.dup()
        self.addCleanup(copy.close)
        endpoint = bound(opened)
        self.assertTrue(reachable(endpoint))
        opened.shut()
        opened.shut()
        self.assertFalse(reachable(endpoint))

    def test_shutInherited(self) -> None:
        """A socket of another process is left alone, and so are datagrams."""
        opened = self.listener()
        opened.privilegedStartService()
        opened.lend()
        opened.shut()
        self.assertTrue(reachable(bound(opened)))
        datagrams = self.listener(evolve(LOOPBACK, kind="udp"), socket.SOCK_DGRAM)
        datagrams.privilegedStartService()
        datagrams.shut()

    def test_crowded(self) -> None:
        """A listener that knows of other processes has a port that leaves them newcomers."""
        for crowded, kind in ((None, TCPPort), (lambda: True, BalancedPort)):
            reactor = SelectReactor()
            factory = Factory()
            factory.noisy = False
            opened = stream(LOOPBACK, factory, reactor)
            opened.crowded = crowded
            opened.startService()
            port: Any = opened._ports[0]
            self.assertIs(type(port), kind)
            for each in reactor.getReaders():
                each.connectionLost(Failure(ConnectionDone()))

    def test_crowdedTransport(self) -> None:
        """It gives its clients the transport that the listener was made with."""

        class Transport(TCPTransport):
            """A kind of its own."""

        reactor = SelectReactor()
        factory = Factory()
        factory.noisy = False
        opened = stream(LOOPBACK, factory, reactor, Transport)
        opened.crowded = lambda: False
        opened.startService()
        port: Any = opened._ports[0]
        self.assertIs(port.transport, Transport)
        for each in reactor.getReaders():
            each.connectionLost(Failure(ConnectionDone()))


class RefusalTests(_Listeners):
    """Errors are one line that names the option."""

    def test_taken(self) -> None:
        """A taken port is refused when it is bound, and no descriptor is left."""
        endpoint = bound(self.started())
        second = Endpoint("tcp", "127.0.0.1", endpoint.port, option=f"--http {endpoint.port}")
        before = len(os.listdir("/dev/fd"))
        self.assertEqual(
            self.refused(second),
            f"--http {endpoint.port}: cannot listen on tcp 127.0.0.1 port {endpoint.port}: "
            "Address already in use",
        )
        self.assertEqual(len(os.listdir("/dev/fd")), before)

    def test_takenDatagrams(self) -> None:
        """A taken datagram port is refused; a stream port of that number is not taken."""
        first = bound(self.started(Endpoint("udp", "127.0.0.1", 0), socket.SOCK_DGRAM))
        again = Endpoint("udp", "127.0.0.1", first.port, option="--udp 7")
        self.assertIn(
            f"--udp 7: cannot listen on udp 127.0.0.1 port {first.port}: ",
            self.refused(again, socket.SOCK_DGRAM),
        )

    def test_foreignAddress(self) -> None:
        """An address of another machine (RFC 5737: of none) is refused when it is bound."""
        opened = self.listener(Endpoint("tcp", "192.0.2.1", 0, option="--bind 192.0.2.1"))
        caught = self.assertRaises(UsageError, opened.startService)
        self.assertIn(
            "--bind 192.0.2.1: cannot listen on tcp 192.0.2.1 port 0: Cannot assign",
            str(caught),
        )
        self.assertIsNone(opened.bound)

    def test_unknownHost(self) -> None:
        """An unknown host is refused before anything is bound."""
        # None of these is sent to a name server.
        for kind, host in (
            ("tcp", "a..b"),
            ("tcp", "a" * 64 + ".example"),
            ("tcp", "fe80::1%no-such-interface"),
            ("tcp6", "127.0.0.1"),
        ):
            caught = self.assertRaises(
                UsageError, self.listener, Endpoint(kind, host, 80, option=f"--http {kind}:80")
            )
            message = str(caught)
            self.assertTrue(message.startswith(f"--http {kind}:80: {host}: "), message)
            self.assertTrue(message.isprintable(), message)
            self.assertNotIn("None", message)


class FamilyTests(_Listeners):
    """IPv4 and IPv6."""

    def test_six(self) -> None:
        """A stream socket with an IPv6 address takes IPv6 alone."""
        for endpoint in (LOOPBACK6, Endpoint("tcp", "::1", 0)):
            opened = self.started(endpoint)
            self.assertEqual(bound(opened).host, "::1")
            self.assertTrue(reachable(bound(opened)))
            sock = self.ports[0].socket
            self.assertEqual(sock.family, socket.AF_INET6)
            self.assertNotEqual(sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY), 0)

    def test_sixDatagrams(self) -> None:
        """A datagram socket with an IPv6 address takes IPv6 alone."""
        opened = self.started(Endpoint("udp6", "::1", 0), socket.SOCK_DGRAM)
        self.assertEqual(bound(opened).host, "::1")
        sock = self.ports[0].socket
        self.assertNotEqual(sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY), 0)

    def test_everyAddress(self) -> None:
        """The wildcard of IPv6 leaves the IPv4 port free."""
        opened = self.started(Endpoint("tcp6", "::", 0))
        # Another process may have the IPv4 port, so reachability is not tested.
        reachable(Endpoint("tcp", "127.0.0.1", bound(opened).port))
        with self.assertRaises(BlockingIOError):
            self.ports[0].socket.accept()
        self.assertTrue(reachable(Endpoint("tcp6", "::1", bound(opened).port)))
        self.ports[0].socket.accept()[0].close()

    def test_both(self) -> None:
        """A name of both families is IPv4, unless the kind has a 6."""
        answers = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
        ]
        requested = []

        def lookup(host: str, port: int, family: int, *_: object, **__: object) -> Any:
            requested.append((host, port, family))
            return [each for each in answers if family in (socket.AF_UNSPEC, each[0])]

        self.patch(socket, "getaddrinfo", lookup)
        for kind, host in (("tcp", "127.0.0.1"), ("tcp6", "::1")):
            self.assertEqual(bound(self.started(Endpoint(kind, "both.example", 0))).host, host)
        self.assertEqual(
            requested,
            [("both.example", 0, socket.AF_UNSPEC), ("both.example", 0, socket.AF_INET6)],
        )


class EveryAddressTests(_Listeners):
    """The host `*`: every address of both families."""

    def test_both(self) -> None:
        """Both families are bound to the same port, chosen by the kernel."""
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            opened = self.started(Endpoint("tcp", "*", 0), kind)
            self.assertEqual(
                [port.socket.family for port in self.ports], [socket.AF_INET, socket.AF_INET6]
            )
            self.assertEqual(
                {port.socket.getsockname()[1] for port in self.ports}, {bound(opened).port}
            )
            self.assertEqual(bound(opened).host, "*")

    def test_stopped(self) -> None:
        """A stop closes both sockets, whether they were served or not."""
        opened = self.started(Endpoint("tcp", "*", 0))
        self.successResultOf(opened.stopService())
        self.assertEqual([port.stopped for port in self.ports], [1, 1])
        before = len(os.listdir("/dev/fd"))
        opened.privilegedStartService()
        self.successResultOf(opened.stopService())
        self.assertEqual(len(os.listdir("/dev/fd")), before)

    def taking(self, times: int) -> None:
        """Simulate that the IPv6 port is taken the first `times` times."""
        bind = Listener._bind
        left = [times]

        def refuse(listener: Listener, family: int, address: Any) -> socket.socket:
            if family == socket.AF_INET6 and left[0]:
                left[0] -= 1
                raise OSError(errno.EADDRINUSE, "Address already in use")
            return bind(listener, family, address)

        self.patch(Listener, "_bind", refuse)

    def test_anotherPort(self) -> None:
        """A port that is taken in the other family makes the kernel choose again."""
        self.taking(3)
        before = len(os.listdir("/dev/fd"))
        opened = self.listener(Endpoint("tcp", "*", 0))
        opened.privilegedStartService()
        self.assertGreater(bound(opened).port, 0)
        self.assertEqual(len(os.listdir("/dev/fd")), before + 2)

    def test_noOtherPort(self) -> None:
        """The number of attempts is limited, and one for a port that was asked for."""
        port = bound(self.started()).port
        for number, times in ((0, 1000), (port, 0)):
            self.taking(times)
            before = len(os.listdir("/dev/fd"))
            message = self.refused(Endpoint("tcp", "*", number, option="--bind *"))
            self.assertEqual(
                message,
                f"--bind *: cannot listen on tcp * port {number}: Address already in use",
            )
            self.assertEqual(len(os.listdir("/dev/fd")), before)

    def test_oneFamily(self) -> None:
        """A machine without IPv6 listens on IPv4."""
        self.patch(socket, "has_ipv6", False)
        self.started(Endpoint("tcp", "*", 0))
        self.assertEqual([port.socket.family for port in self.ports], [socket.AF_INET])


class UnixTests(_Listeners):
    """A socket with a path."""

    def setUp(self) -> None:
        # A path of mktemp() may be too long for a socket.
        room = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, room)
        self.path = f"{room}/s"
        self.endpoint = Endpoint("unix", self.path, 0, mode=0o600, option="--http unix:s")

    def test_windows(self) -> None:
        """A system without UNIX sockets refuses one before anything is bound."""
        self.patch(unix, "FAMILY", -1)
        with self.assertRaisesRegex(UsageError, "^--http unix:s: this system has no UNIX"):
            self.listener(self.endpoint)

    def test_lent(self) -> None:
        """The file of a socket that is lent is not this process's to remove."""
        opened = self.listener(self.endpoint)
        opened.privilegedStartService()
        opened.lend()
        opened.stopService()
        self.assertTrue(Path(self.path).exists())

    def connects(self) -> bool:
        """Whether the kernel lets a client connect."""
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(self.path)
            except OSError:
                return False
        return True

    def test_bound(self) -> None:
        """The socket has the path and the mode asked for, and `bound` has the path."""
        opened = self.started(self.endpoint)
        self.assertTrue(self.connects())
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        self.assertEqual(bound(opened), self.endpoint)

    def test_stopped(self) -> None:
        """A stop removes the path, whether it was served or not."""
        opened = self.listener(self.endpoint)
        for start in (opened.privilegedStartService, opened.startService):
            start()
            self.assertTrue(self.connects())
            self.successResultOf(opened.stopService())
            self.assertFalse(os.path.exists(self.path))

    def test_relative(self) -> None:
        """A relative path is resolved at start and survives a change of directory."""
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(os.path.dirname(self.path))
        opened = self.listener(Endpoint("unix", "s", 0))
        os.chdir(here)
        opened.startService()
        self.assertTrue(self.connects())
        self.successResultOf(opened.stopService())
        self.assertFalse(os.path.exists(self.path))

    def test_taken(self) -> None:
        """A path with a listener, a file, and a missing directory are refused."""
        self.started(self.endpoint)
        Path(f"{self.path}.file").touch()
        for path, message in (
            (self.path, "Address already in use"),
            (f"{self.path}.file", "Address already in use"),
            (f"{self.path}/missing/s", "Not a directory"),
            ("/" + "x" * 200, "File name too long"),
        ):
            endpoint = Endpoint("unix", path, 0, option="--http unix")
            self.assertEqual(
                self.refused(endpoint), f"--http unix: cannot listen on unix {path}: {message}"
            )
        self.assertTrue(self.connects())


class BacklogTests(_Listeners):
    """The queue of connections that wait to be accepted."""

    def granted(self, backlog: int) -> tuple[int, Sequence[LogEvent]]:
        """The backlog set, and the lines logged, for an endpoint with `backlog`."""
        with capturedLogs() as events:
            self.started(Endpoint("tcp", "127.0.0.1", 0, backlog, option=f"--http {backlog}"))
        # The sixth word of struct tcp_info is the backlog of a listening socket.
        info = self.ports[0].socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
        longest: int = struct.unpack_from("=6I", info, 8)[5]
        return longest, events

    def test_passed(self) -> None:
        """The socket gets the backlog asked for."""
        for backlog in (1, 77):
            backlogged, events = self.granted(backlog)
            self.assertEqual((backlogged, events), (backlog, []))

    def test_tooMany(self) -> None:
        """A kernel that grants less is logged once."""
        self.patch(listener, "kernel_backlog", lambda: 16)
        _, events = self.granted(17)
        (event,) = events
        self.assertEqual(
            (event["option"], event["granted"], event["asked"]), ("--http 17", 16, 17)
        )
        self.assertEqual(event["log_level"].name, "warn")

    def test_enough(self) -> None:
        """A kernel that grants as much, or does not say, is not logged."""
        for kernel in (17, 18, None):
            self.patch(listener, "kernel_backlog", lambda kernel=kernel: kernel)
            self.assertEqual(self.granted(17)[1], [])

    def test_datagrams(self) -> None:
        """Datagram sockets have no backlog and log no warning."""
        self.patch(listener, "kernel_backlog", lambda: 1)
        with capturedLogs() as events:
            self.started(Endpoint("udp", "127.0.0.1", 0), socket.SOCK_DGRAM)
        self.assertEqual(events, [])

    def test_kernel(self) -> None:
        """The kernel's limit is read from its file; without a file it is unknown."""
        path = Path(self.mktemp())
        self.assertIsNone(kernel_backlog(path))
        for text, limit in (("4096\n", 4096), ("128", 128), ("", None), ("many\n", None)):
            path.write_text(text)
            self.assertEqual(kernel_backlog(path), limit)

    def test_ownKernel(self) -> None:
        """The default file is that of this kernel."""
        self.assertEqual(kernel_backlog(), kernel_backlog(Path("/proc/sys/net/core/somaxconn")))


class DatagramTests(_Listeners):
    """A listener for datagrams."""

    def test_served(self) -> None:
        """The socket is a bound, non-blocking datagram socket."""
        served: list[Port] = []

        def serve(sock: socket.socket) -> Any:
            served.append(Port(sock))
            return served[-1]

        opened = datagram(Endpoint("udp", "127.0.0.1", 0), serve)
        self.addCleanup(opened.stopService)
        opened.startService()
        sock = served[0].socket
        self.assertEqual(sock.type, socket.SOCK_DGRAM)
        self.assertFalse(sock.getblocking())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"hello", ("127.0.0.1", bound(opened).port))
            sock.settimeout(60)
            data, source = sock.recvfrom(100)
            self.assertEqual((data, source[1]), (b"hello", client.getsockname()[1]))


class Echo(Protocol):
    """Echoes its input and closes."""

    def dataReceived(self, data: bytes) -> None:
        """Echo it."""
        assert self.transport is not None
        self.transport.write(data)
        self.transport.loseConnection()


class Speaker(Protocol):
    """Sends a greeting; `heard` fires with everything received."""

    def __init__(self) -> None:
        self.received: Deferred[bytes] = Deferred()
        self._data = b""

    def connectionMade(self) -> None:
        """Send the greeting."""
        assert self.transport is not None
        self.transport.write(b"hello")

    def dataReceived(self, data: bytes) -> None:
        """Collect the input."""
        self._data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fire `heard`."""
        self.received.callback(self._data)


class StreamTests(TestCase):
    """A listener on the real reactor."""

    def stream(self, endpoint: Endpoint = LOOPBACK) -> Listener:
        """A started listener that echoes, stopped after the test."""
        opened = stream(endpoint, Factory.forProtocol(Echo), reactor)
        self.addCleanup(opened.stopService)
        opened.startService()
        return opened

    async def ask(self, endpoint: Endpoint) -> bytes:
        """The response to a greeting."""
        speaker = await connectProtocol(
            HostnameEndpoint(reactor, endpoint.host, endpoint.port), Speaker()
        )
        received: bytes = await speaker.received
        return received

    def test_silent(self) -> None:
        """No port of Twisted's logs that it starts, over TCP or a UNIX socket."""
        path = Path(self.mktemp()).name
        for endpoint in (LOOPBACK, Endpoint("unix", path, 0)):
            with capturedLogs() as events:
                self.stream(endpoint)
            self.assertNotIn("starting on", " ".join(map(formatEvent, events)))

    async def test_bothFamilies(self) -> None:
        """Clients of either family are served."""
        for endpoint in (LOOPBACK, LOOPBACK6):
            self.assertEqual(await self.ask(bound(self.stream(endpoint))), b"hello")

    async def test_several(self) -> None:
        """Several listeners serve their clients with one factory each."""
        for opened in [self.stream() for _ in range(3)]:
            self.assertEqual(await self.ask(bound(opened)), b"hello")

    async def test_waitingClients(self) -> None:
        """A client that connected before the start is served after the start."""
        opened = stream(LOOPBACK, Factory.forProtocol(Echo), reactor)
        self.addCleanup(opened.stopService)
        opened.privilegedStartService()
        requested = Deferred.fromCoroutine(self.ask(bound(opened)))
        opened.startService()
        self.assertEqual(await requested, b"hello")

    async def test_stopped(self) -> None:
        """After the stop, clients are refused."""
        opened = self.stream()
        endpoint = bound(opened)
        await opened.stopService()
        with self.assertRaises(ConnectError):
            await self.ask(endpoint)

    async def test_restarted(self) -> None:
        """After the stop, the same address can be bound again."""
        opened = self.stream()
        endpoint = bound(opened)
        self.assertEqual(await self.ask(endpoint), b"hello")
        await opened.stopService()
        again = self.stream(endpoint)
        self.assertEqual(bound(again), endpoint)
        self.assertEqual(await self.ask(endpoint), b"hello")
