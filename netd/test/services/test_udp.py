"""
The datagram port, on real loopback sockets: the kernel is the subject.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import tracemalloc
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from netd.acl import AccessList
from netd.addresses import Network
from netd.counters import Counters
from netd.services import table, udp
from netd.services.impairment import Impairments
from netd.services.messages import echo
from netd.services.source_policy import SourcePolicy
from netd.services.udp import TURN, AnswerPort, Policy, Service
from netd.settings import Impairment
from netd.values import Duration


class _Ports(SynchronousTestCase):
    """
    Ports whose read turns are driven by hand.
    """

    def setUp(self) -> None:
        self.counters = Counters()
        self.reactor: Any = MemoryReactorClock()
        # Cleaned up last, when all ports are closed.
        self.addCleanup(lambda: self.assertEqual(self.reactor.getDelayedCalls(), []))
        self.sources = SourcePolicy(AccessList(deny=[Network.parse("127.0.0.66")]))

    def bind(self, host: str = "127.0.0.1", port: int = 0) -> socket.socket:
        """A bound socket, closed when the test is over."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.setblocking(False)
        return sock

    def serve(
        self,
        service: Service = Service(echo),  # noqa: B008 - it is frozen
        host: str = "127.0.0.1",
        impairment: Impairment | None = None,
    ) -> Any:
        """A port with `service`; `self.address` is where it listens."""
        bound = self.bind(host)
        fates = None if impairment is None else Impairments(impairment)
        policy = Policy(self.sources, self.counters, fates)
        port: Any = udp.serve(service, policy, self.reactor)(bound)
        self.address = bound.getsockname()
        bound.close()
        self.addCleanup(self.stop, port)
        return port

    def stop(self, port: Any) -> None:
        """Close `port`, as its service would."""
        if port.connected:
            port.stopListening()
            self.reactor.advance(0)

    def received(self, sock: socket.socket) -> list[bytes]:
        """Every datagram that has come to `sock`."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(sock.recv(65_535))
        return found

    def ask(self, port: Any, *questions: bytes) -> list[bytes]:
        """What comes back when a client asks."""
        client = self.bind("::1" if ":" in self.address[0] else "127.0.0.1")
        for each in questions:
            client.sendto(each, self.address)
        port.doRead()
        return self.received(client)


class EchoTests(_Ports):
    """
    What comes back.
    """

    def test_echo(self) -> None:
        """A datagram comes back to where it came from, of either family."""
        for host in ("127.0.0.1", "::1"):
            self.assertEqual(self.ask(self.serve(host=host), b"hello"), [b"hello"])
        self.assertEqual((self.counters.datagrams, self.counters.datagrams_sent), (2, 2))

    def test_whole(self) -> None:
        """The largest datagram that IPv4 has, 65 507 bytes, comes back whole."""
        data = (bytes(range(256)) * 256)[:65_507]
        self.assertEqual(self.ask(self.serve(), data), [data])

    def test_empty(self) -> None:
        """An empty datagram is a datagram."""
        self.assertEqual(self.ask(self.serve(), b""), [b""])

    def test_turn_is_bounded(self) -> None:
        """A turn reads 64 datagrams, empty ones too, and leaves the rest for the next."""
        port = self.serve()
        self.assertEqual(len(self.ask(port, *[b""] * 100)), TURN)
        self.assertEqual(self.counters.datagrams, TURN)
        port.doRead()
        self.assertEqual(self.counters.datagrams, 100)

    def test_client_gone(self) -> None:
        """An answer to a socket that is closed stops nothing that comes later."""
        port = self.serve()
        gone = self.bind()
        gone.sendto(b"x", self.address)
        gone.close()
        port.doRead()
        self.assertEqual(self.ask(port, b"y"), [b"y"])

    def test_unsendable(self) -> None:
        """An answer that the kernel does not take is counted as a drop, and nothing more."""
        port = self.serve()

        class Deaf:
            """A socket that sends nothing."""

            def __init__(self, real: socket.socket) -> None:
                self.real = real

            def sendto(self, *_: object) -> int:
                """Refuse."""
                raise PermissionError

            sendmsg = sendto

            def __getattr__(self, name: str) -> Any:
                return getattr(self.real, name)

        self.patch(port, "socket", Deaf(port.socket))
        self.assertEqual(self.ask(port, b"x", b"y"), [])
        self.assertEqual(self.counters.drops, {"unsendable": 2})
        self.patch(port, "_echo", False)
        self.assertEqual(self.ask(port, b"x"), [])
        self.assertEqual(self.counters.drops, {"unsendable": 3})
        wide = self.serve(host="0.0.0.0")
        self.address = ("127.0.0.1", self.address[1])
        self.assertEqual(self.ask(wide, b"x"), [b"x"])
        self.patch(wide, "socket", Deaf(wide.socket))
        self.assertEqual(self.ask(wide, b"x", b"y"), [])
        self.assertEqual(self.counters.drops, {"unsendable": 5})

    def test_flat(self) -> None:
        """A flood leaves nothing behind in memory."""
        port = self.serve()
        client = self.bind()

        def flood() -> None:
            for _ in range(100):
                for _ in range(20):
                    client.sendto(bytes(1000), self.address)
                port.doRead()
                self.received(client)

        flood()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before = tracemalloc.get_traced_memory()[0]
        flood()
        self.assertLess(tracemalloc.get_traced_memory()[0] - before, 20_000)


class PolicyTests(_Ports):
    """
    What does not come back, and why.
    """

    def test_own_address(self) -> None:
        """A datagram that claims to come from the port itself is dropped: it cannot loop."""
        port = self.serve()
        # The port's own socket sends to itself: what a spoofed source looks like.
        port.socket.sendto(b"ping", self.address)
        port.doRead()
        port.doRead()
        self.assertEqual((self.counters.datagrams, self.counters.datagrams_sent), (1, 0))
        self.assertEqual(self.counters.drops, {"source port": 1})

    def test_own_port_elsewhere(self) -> None:
        """So is one from the same port of another address of this host."""
        port = self.serve()
        twin = self.bind("127.0.0.2", self.address[1])
        twin.sendto(b"ping", self.address)
        port.doRead()
        self.assertEqual(self.counters.datagrams_sent, 0)

    def test_each_other(self) -> None:
        """Two ports of one daemon do not answer each other, whichever listened first."""
        first = self.serve()
        one = self.address
        second = self.serve(host="127.0.0.2")
        two = self.address
        first.socket.sendto(b"ping", two)
        second.doRead()
        second.socket.sendto(b"ping", one)
        first.doRead()
        self.assertEqual(self.counters.drops, {"source port": 2})

    def test_networks(self) -> None:
        """Who may not speak gets no answer."""
        port = self.serve()
        self.bind("127.0.0.66").sendto(b"x", self.address)
        port.doRead()
        self.assertEqual(self.counters.drops, {"network": 1})

    def test_rate(self) -> None:
        """A source is answered so often and no more, another one still is."""
        port = self.serve()
        self.sources.burst, self.sources.rate = 3.0, 10.0
        client = self.bind()
        for expected in (3, 1):
            for _ in range(5):
                client.sendto(b"x", self.address)
            port.doRead()
            self.assertEqual(len(self.received(client)), expected)
            self.reactor.advance(0.1)
        self.assertEqual(self.counters.drops, {"rate": 6})
        self.bind("127.0.0.3").sendto(b"x", self.address)
        port.doRead()
        self.assertEqual(self.counters.datagrams_sent, 5)
        self.reactor.advance(60)

    def test_empty_question(self) -> None:
        """On loopback an empty datagram asks for the day, as RFC 867 has it."""
        for name in ("daytime", "time", "qotd"):
            (answer,) = self.ask(self.serve(table.datagram(name)), b"")
            self.assertGreaterEqual(len(answer), 4)

    def test_not_larger(self) -> None:
        """An answer that is larger than its question is not sent to who is not known."""
        self.patch(self.sources, "knows", {"127.0.0.1": False}.__getitem__)
        port = self.serve(table.datagram("daytime"))
        self.assertEqual(self.ask(port, b"", b"?" * 25), [])
        self.assertEqual(self.counters.drops, {"short question": 2})
        (said,) = self.ask(port, b"?" * 26)
        self.assertEqual(len(said), 26)

    def test_silence(self) -> None:
        """A service that says nothing drops nothing."""
        port = self.serve(table.datagram("discard"))
        self.assertEqual(self.ask(port, b"x"), [])
        self.assertEqual((self.counters.datagrams, self.counters.drops), (1, {}))

    def test_said(self) -> None:
        """Drops are said soon, once, with the address of the port."""
        self.patch(self.sources, "knows", lambda host: False)
        port = self.serve(table.datagram("daytime"))
        with capturedLogs() as events:
            for _ in range(3):
                self.ask(port, b"")
            self.reactor.advance(1)
        (event,) = events
        self.assertEqual((event["count"], event["reason"]), (3, "short question"))
        self.assertIn(str(self.address[1]), event["name"])

    def test_kernel(self) -> None:
        """What the kernel dropped is counted when the port had its hands full."""
        if sys.platform != "linux":
            return
        port = self.serve()
        port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client = self.bind()
        for _ in range(200):
            client.sendto(b"", self.address)
        port._drops.add({})
        self.reactor.advance(1)
        lost = self.counters.drops["receive buffer"]
        self.assertGreater(lost, 0)
        while self.counters.datagrams + lost < 200:
            port.doRead()
        self.assertEqual(self.counters.datagrams + lost, 200)


class WildcardTests(_Ports):
    """
    Bound to every address.
    """

    if sys.platform != "linux":
        skip = "the kernel tells the address in another way"

    def test_asked_address(self) -> None:
        """The answer leaves from the address that was asked."""
        for wildcard, host in (
            ("0.0.0.0", "127.0.0.2"),
            ("0.0.0.0", "127.0.0.1"),
            ("::", "::1"),
        ):
            port = self.serve(host=wildcard)
            client = self.bind("::1" if ":" in host else "127.0.0.1")
            client.sendto(b"x", (host, self.address[1]))
            port.doRead()
            data, source = client.recvfrom(10)
            self.assertEqual((data, source[0]), (b"x", host))
            # Now it is known, and goes the short way.
            client.sendto(b"y", (host, self.address[1]))
            port.doRead()
            data, source = client.recvfrom(10)
            self.assertEqual((data, source[0]), (b"y", host))

    def test_not_told(self) -> None:
        """What the kernel told nothing of is answered from where it likes."""
        port = self.serve(host="0.0.0.0")
        self.address = ("127.0.0.1", self.address[1])
        self.assertEqual(self.ask(port, b"x"), [b"x"])

        def silent(size: int, room: int) -> Any:
            data, _, flags, address = port.socket.recvmsg(size, room)
            return data, [], flags, address

        self.patch(port, "_receive", silent)
        self.assertEqual(self.ask(port, b"y"), [b"y"])

    def test_everybody(self) -> None:
        """A question to everybody gets no answer."""
        port = self.serve(host="0.0.0.0")
        self.patch(port._control, "answer", lambda told: None)
        self.address = ("127.0.0.1", self.address[1])
        self.assertEqual(self.ask(port, b"x"), [])
        self.assertEqual(self.counters.drops, {"destination": 1})

    def test_hops(self) -> None:
        """A service may ask for hop limits."""
        heard = []

        def answer(data: bytes, hops: int) -> bytes:
            heard.append(hops)
            return data

        for hops in (True, False):
            for host in ("127.0.0.1", "0.0.0.0", "::1"):
                port = self.serve(Service(answer, hops), host)
                self.address = (host.replace("0.0.0.0", "127.0.0.1"), self.address[1])
                self.assertEqual(self.ask(port, b"x"), [b"x"])
        self.assertTrue(all(heard[:3]))
        self.assertEqual(heard[3:], [0] * 3)


class ImpairmentTests(_Ports):
    """
    A bad network.
    """

    def test_delay(self) -> None:
        """Answers wait, and leave from and to where they should."""
        port = self.serve(host="0.0.0.0", impairment=Impairment(delay=Duration(1_000_000)))
        client = self.bind()
        client.sendto(b"x", ("127.0.0.2", self.address[1]))
        port.doRead()
        self.assertEqual(self.received(client), [])
        self.reactor.advance(1)
        data, source = client.recvfrom(10)
        self.assertEqual((data, source), (b"x", ("127.0.0.2", self.address[1])))

    def test_loss(self) -> None:
        """Lost answers are drops of their own kind."""
        port = self.serve(impairment=Impairment(loss=1.0, seed=1))
        self.assertEqual(self.ask(port, b"x", b"y"), [])
        self.assertEqual(
            (self.counters.drops, self.counters.datagrams_sent), ({"impairment": 2}, 0)
        )

    def test_stop(self) -> None:
        """A port that stops forgets what waits."""
        port = self.serve(impairment=Impairment(delay=Duration(1_000_000)))
        self.ask(port, b"x")
        port.stopListening()
        self.reactor.advance(0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class LifeTests(_Ports):
    """
    From the start to the stop.
    """

    def test_buffer(self) -> None:
        """The receive buffer's size is what the kernel granted."""
        port = self.serve()
        granted = port.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self.assertEqual(port.receive_buffer, granted)

    def test_stop(self) -> None:
        """Stopping closes the port and frees the address once its giver has closed too."""
        port = self.serve()
        done = port.stopListening()
        self.reactor.advance(0)
        self.successResultOf(done)
        self.assertFalse(port.connected)
        self.bind(*self.address)

    def test_never_started(self) -> None:
        """A port that never listened has nothing to forget."""
        bound = self.bind()
        port = AnswerPort(
            bound, Service(echo), Policy(self.sources, self.counters), self.reactor
        )
        self.assertFalse(port.connected)
        port._preexistingSocket.close()  # type: ignore[attr-defined]  # it is set right there
