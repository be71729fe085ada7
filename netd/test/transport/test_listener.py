"""
Tests for netd.transport.listener: real sockets on the loopback, for the kernel is the subject.
"""

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

from twisted.application.service import IService
from twisted.internet import reactor as _the_reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import LogEvent, capturedLogs
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from netd.transport import listener
from netd.transport.listener import Listener, datagram, kernel_backlog, stream
from netd.values import Endpoint

reactor: Any = _the_reactor

LOOPBACK = Endpoint("tcp", "127.0.0.1", 0, option="--port 0")
LOOPBACK6 = Endpoint("tcp6", "::1", 0, option="--http tcp6:0")


class Port:
    """Serves a copy of the socket it is given, as Twisted's ports do, and accepts nobody."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock.dup()
        self.stopped = 0

    def stopListening(self) -> Deferred[None]:
        """Close, at once."""
        self.stopped += 1
        self.socket.close()
        return succeed(None)


class _Listeners(SynchronousTestCase):
    """
    Listeners that are served by nobody.
    """

    def listener(
        self, where: Endpoint = LOOPBACK, kind: socket.SocketKind = socket.SOCK_STREAM
    ) -> Listener:
        """A listener that is closed when the test is over; `self.ports` are what it served."""
        self.ports: list[Port] = []

        def serve(sock: socket.socket) -> Any:
            self.ports.append(Port(sock))
            return self.ports[-1]

        made = Listener(where, kind, serve)
        self.addCleanup(made.stopService)
        return made

    def started(
        self, where: Endpoint = LOOPBACK, kind: socket.SocketKind = socket.SOCK_STREAM
    ) -> Listener:
        """The same, started."""
        made = self.listener(where, kind)
        made.startService()
        return made

    def refused(self, where: Endpoint, kind: socket.SocketKind = socket.SOCK_STREAM) -> str:
        """The one line with which building or binding `where` fails."""
        with self.assertRaises(UsageError) as caught:
            self.listener(where, kind).privilegedStartService()
        said = str(caught.exception)
        self.assertTrue(said.isprintable(), said)
        return said


def bound(listener: Listener) -> Endpoint:
    """Where `listener` listens; it must."""
    assert listener.bound is not None
    return listener.bound


def reachable(where: Endpoint) -> bool:
    """Whether the kernel lets a client connect."""
    try:
        socket.create_connection((where.host, where.port)).close()
    except ConnectionRefusedError:
        return False
    return True


class ListenerTests(_Listeners):
    """
    A listener's life: looked up, bound, served, closed.
    """

    def test_interface(self) -> None:
        """
        It is a service.
        """
        self.assertTrue(verifyObject(IService, self.listener()))

    def test_built(self) -> None:
        """
        Building one binds nothing.
        """
        before = len(os.listdir("/dev/fd"))
        made = self.listener()
        self.assertIsNone(made.bound)
        self.assertEqual(len(os.listdir("/dev/fd")), before)

    def test_any_port(self) -> None:
        """
        Port 0 lets the kernel choose; `bound` tells what it chose.
        """
        made = self.listener()
        made.privilegedStartService()
        where = bound(made)
        self.assertEqual(
            (where.kind, where.host, where.option), ("tcp", "127.0.0.1", "--port 0")
        )
        self.assertGreater(where.port, 0)

    def test_queued(self) -> None:
        """
        From the binding on clients are queued, before anyone serves them.
        """
        made = self.listener()
        made.privilegedStartService()
        self.assertEqual(self.ports, [])
        self.assertTrue(reachable(bound(made)))

    def test_bound_once(self) -> None:
        """
        Binding again, as twistd does, changes nothing.
        """
        made = self.listener()
        made.privilegedStartService()
        where = bound(made)
        made.privilegedStartService()
        made.startService()
        made.startService()
        self.assertEqual(bound(made), where)
        self.assertEqual(len(self.ports), 1)

    def test_served(self) -> None:
        """
        Starting hands over the bound socket, non-blocking, and keeps no copy of it.
        """
        made = self.listener()
        made.privilegedStartService()
        where = bound(made)
        before = len(os.listdir("/dev/fd"))
        made.startService()
        (port,) = self.ports
        self.assertEqual(port.socket.getsockname()[1], where.port)
        self.assertFalse(port.socket.getblocking())
        self.assertEqual(len(os.listdir("/dev/fd")), before)
        self.assertTrue(made.running)

    def test_start_alone(self) -> None:
        """
        Starting binds too, when nobody did before.
        """
        self.assertTrue(reachable(bound(self.started())))

    def test_stopped(self) -> None:
        """
        Stopping closes the port to newcomers and forgets where it was.
        """
        made = self.started()
        where = bound(made)
        self.successResultOf(made.stopService())
        self.assertEqual(self.ports[0].stopped, 1)
        self.assertIsNone(made.bound)
        self.assertFalse(made.running)
        self.assertFalse(reachable(where))

    def test_stopping_takes_time(self) -> None:
        """
        The stop is over when the port says that it is closed.
        """
        closed: Deferred[None] = Deferred()
        made = self.started()
        self.patch(self.ports[0], "stopListening", lambda: closed)
        stopped = made.stopService()
        self.assertNoResult(stopped)
        closed.callback(None)
        self.successResultOf(stopped)
        self.ports[0].socket.close()

    def test_outlasting(self) -> None:
        """
        One that outlasts something listens until that is over, if it listens at all.
        """
        over: Deferred[None] = Deferred()
        idle = self.listener()
        idle.after = lambda: over
        self.successResultOf(idle.stopService())
        made = self.started()
        made.after = lambda: over
        where = bound(made)
        stopped = made.stopService()
        self.assertTrue(reachable(where))
        self.assertNoResult(stopped)
        over.callback(None)
        self.successResultOf(stopped)
        self.assertFalse(reachable(where))

    def test_stopped_before_the_start(self) -> None:
        """
        One that was never bound can be stopped, as can one that was never served.
        """
        self.successResultOf(self.listener().stopService())
        made = self.listener()
        made.privilegedStartService()
        where = bound(made)
        self.successResultOf(made.stopService())
        self.assertFalse(reachable(where))
        self.assertIsNone(made.bound)

    def test_restarted(self) -> None:
        """
        A stopped one can be started again, and listens anew.
        """
        made = self.started()
        self.successResultOf(made.stopService())
        self.successResultOf(made.stopService())
        made.startService()
        self.assertTrue(reachable(bound(made)))
        self.assertEqual([port.stopped for port in self.ports], [1, 0])

    def test_several(self) -> None:
        """
        Listeners do not stand in each other's way: each has its own socket.
        """
        several = [self.started() for _ in range(3)]
        self.assertEqual(len({bound(made).port for made in several}), 3)
        self.successResultOf(several[1].stopService())
        self.assertTrue(reachable(bound(several[0])))
        self.assertTrue(reachable(bound(several[2])))

    def test_reuse(self) -> None:
        """
        A stream socket takes the address of connections that linger from the last run.
        """
        self.started()
        flag = self.ports[0].socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        self.assertNotEqual(flag, 0)

    def test_not_inherited(self) -> None:
        """
        A program that the daemon starts does not inherit the socket.
        """
        self.started()
        self.assertFalse(self.ports[0].socket.get_inheritable())


class InheritTests(_Listeners):
    """
    Sockets that somebody else made.
    """

    def sock(
        self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM
    ) -> socket.socket:
        """One that is bound to the loopback."""
        sock = socket.socket(family, kind)
        self.addCleanup(sock.close)
        sock.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        sock.setblocking(False)
        return sock

    def test_instead(self) -> None:
        """
        They are served, each of them, and what was asked for is not bound.
        """
        one, two = self.sock(), self.sock(socket.AF_INET6)
        made = self.listener(Endpoint("tcp", "192.0.2.1", 80))
        made.inherit([one.dup(), two.dup()])
        made.privilegedStartService()
        made.startService()
        self.assertEqual(
            [port.socket.getsockname() for port in self.ports],
            [one.getsockname(), two.getsockname()],
        )

    def test_bound(self) -> None:
        """
        Where it listens is where the first of them is, of whatever family and type.
        """
        for family, kind, name in (
            (socket.AF_INET, socket.SOCK_STREAM, "tcp"),
            (socket.AF_INET6, socket.SOCK_STREAM, "tcp6"),
            (socket.AF_INET, socket.SOCK_DGRAM, "udp"),
            (socket.AF_INET6, socket.SOCK_DGRAM, "udp6"),
        ):
            sock = self.sock(family, kind)
            host, number = sock.getsockname()[:2]
            made = self.listener(Endpoint("tcp", "*", 80, 17), kind=sock.type)
            made.inherit([sock.dup()])
            self.assertEqual(made.bound, Endpoint(name, host, number))

    def test_kept_open(self) -> None:
        """
        When the listener stops, its maker's socket still takes connections.
        """
        sock = self.sock()
        made = self.listener()
        made.inherit([sock.dup()])
        made.startService()
        made.stopService()
        with socket.create_connection(sock.getsockname()):
            sock.accept()[0].close()


class RefusalTests(_Listeners):
    """
    What cannot be listened on is said in one line that names the option.
    """

    def test_taken(self) -> None:
        """
        A port that someone has is refused when it is bound, and no descriptor is left.
        """
        where = bound(self.started())
        other = Endpoint("tcp", "127.0.0.1", where.port, option=f"--http {where.port}")
        before = len(os.listdir("/dev/fd"))
        self.assertEqual(
            self.refused(other),
            f"--http {where.port}: cannot listen on tcp 127.0.0.1 port {where.port}: "
            "Address already in use",
        )
        self.assertEqual(len(os.listdir("/dev/fd")), before)

    def test_taken_datagrams(self) -> None:
        """
        So is one of datagrams; a port of streams with the same number is another one.
        """
        first = bound(self.started(Endpoint("udp", "127.0.0.1", 0), socket.SOCK_DGRAM))
        again = Endpoint("udp", "127.0.0.1", first.port, option="--udp 7")
        self.assertIn(
            f"--udp 7: cannot listen on udp 127.0.0.1 port {first.port}: ",
            self.refused(again, socket.SOCK_DGRAM),
        )

    def test_foreign_address(self) -> None:
        """
        An address of another machine (RFC 5737: of none) is refused when it is bound.
        """
        made = self.listener(Endpoint("tcp", "192.0.2.1", 0, option="--bind 192.0.2.1"))
        with self.assertRaises(UsageError) as caught:
            made.startService()
        self.assertIn(
            "--bind 192.0.2.1: cannot listen on tcp 192.0.2.1 port 0: Cannot assign",
            str(caught.exception),
        )
        self.assertIsNone(made.bound)

    def test_unknown_host(self) -> None:
        """
        A host that cannot be looked up is refused before anything is bound.
        """
        # None of these is a question to a name server.
        for kind, host in (
            ("tcp", "a..b"),
            ("tcp", "a" * 64 + ".example"),
            ("tcp", "fe80::1%no-such-interface"),
            ("tcp6", "127.0.0.1"),
        ):
            with self.assertRaises(UsageError) as caught:
                self.listener(Endpoint(kind, host, 80, option=f"--http {kind}:80"))
            said = str(caught.exception)
            self.assertTrue(said.startswith(f"--http {kind}:80: {host}: "), said)
            self.assertTrue(said.isprintable(), said)
            self.assertNotIn("None", said)


class FamilyTests(_Listeners):
    """
    IPv4 and IPv6.
    """

    def test_six(self) -> None:
        """
        An IPv6 address is listened on, for IPv6 alone.
        """
        for where in (LOOPBACK6, Endpoint("tcp", "::1", 0)):
            made = self.started(where)
            self.assertEqual(bound(made).host, "::1")
            self.assertTrue(reachable(bound(made)))
            sock = self.ports[0].socket
            self.assertEqual(sock.family, socket.AF_INET6)
            self.assertNotEqual(sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY), 0)

    def test_six_datagrams(self) -> None:
        """
        So it is for datagrams.
        """
        made = self.started(Endpoint("udp6", "::1", 0), socket.SOCK_DGRAM)
        self.assertEqual(bound(made).host, "::1")
        sock = self.ports[0].socket
        self.assertNotEqual(sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY), 0)

    def test_every_address(self) -> None:
        """
        The wildcard of IPv6 leaves the port of IPv4 to others.
        """
        made = self.started(Endpoint("tcp6", "::", 0))
        # Somebody else may have that port of IPv4, hence not whether it is reachable.
        reachable(Endpoint("tcp", "127.0.0.1", bound(made).port))
        with self.assertRaises(BlockingIOError):
            self.ports[0].socket.accept()
        self.assertTrue(reachable(Endpoint("tcp6", "::1", bound(made).port)))
        self.ports[0].socket.accept()[0].close()

    def test_both(self) -> None:
        """
        A name of both families is the older one, unless a 6 asks for the newer.
        """
        answers = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
        ]
        asked = []

        def lookup(host: str, port: int, family: int, *_: object, **__: object) -> Any:
            asked.append((host, port, family))
            return [each for each in answers if family in (socket.AF_UNSPEC, each[0])]

        self.patch(socket, "getaddrinfo", lookup)
        for kind, host in (("tcp", "127.0.0.1"), ("tcp6", "::1")):
            self.assertEqual(bound(self.started(Endpoint(kind, "both.example", 0))).host, host)
        self.assertEqual(
            asked,
            [("both.example", 0, socket.AF_UNSPEC), ("both.example", 0, socket.AF_INET6)],
        )


class EveryAddressTests(_Listeners):
    """
    A star: every address of both families.
    """

    def test_both(self) -> None:
        """
        Both families are listened on, with the same port though the kernel chose it.
        """
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            made = self.started(Endpoint("tcp", "*", 0), kind)
            self.assertEqual(
                [port.socket.family for port in self.ports], [socket.AF_INET, socket.AF_INET6]
            )
            self.assertEqual(
                {port.socket.getsockname()[1] for port in self.ports}, {bound(made).port}
            )
            self.assertEqual(bound(made).host, "*")

    def test_stopped(self) -> None:
        """
        Both are closed by a stop, whether they were served or not.
        """
        made = self.started(Endpoint("tcp", "*", 0))
        self.successResultOf(made.stopService())
        self.assertEqual([port.stopped for port in self.ports], [1, 1])
        before = len(os.listdir("/dev/fd"))
        made.privilegedStartService()
        self.successResultOf(made.stopService())
        self.assertEqual(len(os.listdir("/dev/fd")), before)

    def taking(self, times: int) -> None:
        """Let the port of IPv6 be taken the first so many times."""
        bind = Listener._bind
        left = [times]

        def refuse(listener: Listener, family: int, address: Any) -> socket.socket:
            if family == socket.AF_INET6 and left[0]:
                left[0] -= 1
                raise OSError(errno.EADDRINUSE, "Address already in use")
            return bind(listener, family, address)

        self.patch(Listener, "_bind", refuse)

    def test_another_port(self) -> None:
        """
        When the chosen port is taken in the other family, another one is chosen.
        """
        self.taking(3)
        before = len(os.listdir("/dev/fd"))
        made = self.listener(Endpoint("tcp", "*", 0))
        made.privilegedStartService()
        self.assertGreater(bound(made).port, 0)
        self.assertEqual(len(os.listdir("/dev/fd")), before + 2)

    def test_no_other_port(self) -> None:
        """
        It is not tried for ever, and not at all when the port was asked for.
        """
        port = bound(self.started()).port
        for number, times in ((0, 1000), (port, 0)):
            self.taking(times)
            before = len(os.listdir("/dev/fd"))
            said = self.refused(Endpoint("tcp", "*", number, option="--bind *"))
            self.assertEqual(
                said,
                f"--bind *: cannot listen on tcp * port {number}: Address already in use",
            )
            self.assertEqual(len(os.listdir("/dev/fd")), before)

    def test_one_family(self) -> None:
        """
        A machine without IPv6 listens on what it has.
        """
        self.patch(socket, "has_ipv6", False)
        self.started(Endpoint("tcp", "*", 0))
        self.assertEqual([port.socket.family for port in self.ports], [socket.AF_INET])


class UnixTests(_Listeners):
    """
    A socket with a path.
    """

    def setUp(self) -> None:
        # Not mktemp(): its path may be longer than a socket's address can be.
        room = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, room)
        self.path = f"{room}/s"
        self.where = Endpoint("unix", self.path, 0, mode=0o600, option="--http unix:s")

    def connects(self) -> bool:
        """Whether the kernel lets a client connect."""
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(self.path)
            except OSError:
                return False
        return True

    def test_bound(self) -> None:
        """
        It is listened on at its path, with its mode, and tells where that is.
        """
        made = self.started(self.where)
        self.assertTrue(self.connects())
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        self.assertEqual(bound(made), self.where)

    def test_stopped(self) -> None:
        """
        A stop removes the path, when it was served and when it was not.
        """
        made = self.listener(self.where)
        for start in (made.privilegedStartService, made.startService):
            start()
            self.assertTrue(self.connects())
            self.successResultOf(made.stopService())
            self.assertFalse(os.path.exists(self.path))

    def test_relative(self) -> None:
        """
        A relative path is that of the start: a change of directory does not move it.
        """
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(os.path.dirname(self.path))
        made = self.listener(Endpoint("unix", "s", 0))
        os.chdir(here)
        made.startService()
        self.assertTrue(self.connects())
        self.successResultOf(made.stopService())
        self.assertFalse(os.path.exists(self.path))

    def test_taken(self) -> None:
        """
        A path where somebody listens, a file, and a missing directory are refused.
        """
        self.started(self.where)
        Path(f"{self.path}.file").touch()
        for path, said in (
            (self.path, "Address already in use"),
            (f"{self.path}.file", "Address already in use"),
            (f"{self.path}/missing/s", "Not a directory"),
            ("/" + "x" * 200, "File name too long"),
        ):
            where = Endpoint("unix", path, 0, option="--http unix")
            self.assertEqual(
                self.refused(where), f"--http unix: cannot listen on unix {path}: {said}"
            )
        self.assertTrue(self.connects())


class BacklogTests(_Listeners):
    """
    How many clients may wait to be accepted.
    """

    def granted(self, backlog: int) -> tuple[int, Sequence[LogEvent]]:
        """What the kernel was told, and what was logged, when `backlog` was asked for."""
        with capturedLogs() as events:
            self.started(Endpoint("tcp", "127.0.0.1", 0, backlog, option=f"--http {backlog}"))
        # The sixth word of struct tcp_info is, on a listening socket, its longest queue.
        told = self.ports[0].socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
        longest: int = struct.unpack_from("=6I", told, 8)[5]
        return longest, events

    def test_passed(self) -> None:
        """
        The kernel is told the number that was asked for.
        """
        for backlog in (1, 77):
            told, events = self.granted(backlog)
            self.assertEqual((told, events), (backlog, []))

    def test_too_many(self) -> None:
        """
        One warning says so when the kernel grants fewer.
        """
        self.patch(listener, "kernel_backlog", lambda: 16)
        _, events = self.granted(17)
        (event,) = events
        self.assertEqual(
            (event["option"], event["granted"], event["asked"]), ("--http 17", 16, 17)
        )
        self.assertEqual(event["log_level"].name, "warn")

    def test_enough(self) -> None:
        """
        A kernel that grants as many, or does not say, is no reason to warn.
        """
        for kernel in (17, 18, None):
            self.patch(listener, "kernel_backlog", lambda kernel=kernel: kernel)
            self.assertEqual(self.granted(17)[1], [])

    def test_datagrams(self) -> None:
        """
        Datagrams have no such queue, and no warning.
        """
        self.patch(listener, "kernel_backlog", lambda: 1)
        with capturedLogs() as events:
            self.started(Endpoint("udp", "127.0.0.1", 0), socket.SOCK_DGRAM)
        self.assertEqual(events, [])

    def test_kernel(self) -> None:
        """
        The kernel's limit is read from where it says it; where it does not, there is none.
        """
        path = Path(self.mktemp())
        self.assertIsNone(kernel_backlog(path))
        for text, limit in (("4096\n", 4096), ("128", 128), ("", None), ("many\n", None)):
            path.write_text(text)
            self.assertEqual(kernel_backlog(path), limit)

    def test_own_kernel(self) -> None:
        """
        Unless told otherwise it is this kernel's.
        """
        self.assertEqual(kernel_backlog(), kernel_backlog(Path("/proc/sys/net/core/somaxconn")))


class DatagramTests(_Listeners):
    """
    A listener for datagrams.
    """

    def test_served(self) -> None:
        """
        The socket it hands over is one of datagrams, bound, and not blocking.
        """
        served: list[Port] = []

        def serve(sock: socket.socket) -> Any:
            served.append(Port(sock))
            return served[-1]

        made = datagram(Endpoint("udp", "127.0.0.1", 0), serve)
        self.addCleanup(made.stopService)
        made.startService()
        sock = served[0].socket
        self.assertEqual(sock.type, socket.SOCK_DGRAM)
        self.assertFalse(sock.getblocking())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"hello", ("127.0.0.1", bound(made).port))
            sock.settimeout(10)
            data, source = sock.recvfrom(100)
            self.assertEqual((data, source[1]), (b"hello", client.getsockname()[1]))


class Echo(Protocol):
    """Says what it hears, and hangs up."""

    def dataReceived(self, data: bytes) -> None:
        """Say it."""
        assert self.transport is not None
        self.transport.write(data)
        self.transport.loseConnection()


class Speaker(Protocol):
    """Says hello; `heard` fires with all that came back."""

    def __init__(self) -> None:
        self.heard: Deferred[bytes] = Deferred()
        self._data = b""

    def connectionMade(self) -> None:
        """Say hello."""
        assert self.transport is not None
        self.transport.write(b"hello")

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self._data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """That was all."""
        self.heard.callback(self._data)


class StreamTests(TestCase):
    """
    A listener on the real reactor.
    """

    def stream(self, where: Endpoint = LOOPBACK) -> Listener:
        """A started listener that echoes, stopped when the test is over."""
        made = stream(where, Factory.forProtocol(Echo), reactor)
        self.addCleanup(made.stopService)
        made.startService()
        return made

    async def ask(self, where: Endpoint) -> bytes:
        """What is answered to hello."""
        speaker = await connectProtocol(
            HostnameEndpoint(reactor, where.host, where.port), Speaker()
        )
        heard: bytes = await speaker.heard
        return heard

    async def test_both_families(self) -> None:
        """
        Clients of either family are served.
        """
        for where in (LOOPBACK, LOOPBACK6):
            self.assertEqual(await self.ask(bound(self.stream(where))), b"hello")

    async def test_several(self) -> None:
        """
        So are those of several listeners with one factory each.
        """
        for made in [self.stream() for _ in range(3)]:
            self.assertEqual(await self.ask(bound(made)), b"hello")

    async def test_waiting_clients(self) -> None:
        """
        A client that connected when the socket was only bound is served after the start.
        """
        made = stream(LOOPBACK, Factory.forProtocol(Echo), reactor)
        self.addCleanup(made.stopService)
        made.privilegedStartService()
        asked = Deferred.fromCoroutine(self.ask(bound(made)))
        made.startService()
        self.assertEqual(await asked, b"hello")

    async def test_stopped(self) -> None:
        """
        When the stop is over clients are refused.
        """
        made = self.stream()
        where = bound(made)
        await made.stopService()
        with self.assertRaises(ConnectError):
            await self.ask(where)

    async def test_restarted(self) -> None:
        """
        When the stop is over the same address can be listened on again.
        """
        made = self.stream()
        where = bound(made)
        self.assertEqual(await self.ask(where), b"hello")
        await made.stopService()
        again = self.stream(where)
        self.assertEqual(bound(again), where)
        self.assertEqual(await self.ask(where), b"hello")
