"""
Tests of netd.services.udp, on real loopback sockets.
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
from netd.services.udp import TURN, DatagramPolicy, DatagramService, UDPPort
from netd.settings import Impairment
from netd.values import Duration


class _Ports(SynchronousTestCase):
    """
    Ports whose `doRead` the tests call.
    """

    def setUp(self) -> None:
        self.counters = Counters()
        self.reactor: Any = MemoryReactorClock()
        # The last cleanup, when all ports are closed.
        self.addCleanup(lambda: self.assertEqual(self.reactor.getDelayedCalls(), []))
        self.sources = SourcePolicy(AccessList(deny=[Network.parse("127.0.0.66")]))

    def bind(self, host: str = "127.0.0.1", port: int = 0) -> socket.socket:
        """A bound socket that is closed after the test."""
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
        service: DatagramService = DatagramService(echo),  # noqa: B008 - it is frozen
        host: str = "127.0.0.1",
        impairment: Impairment | None = None,
    ) -> Any:
        """A port with `service`; `self.address` is where it listens."""
        bound = self.bind(host)
        impairments = None if impairment is None else Impairments(impairment)
        policy = DatagramPolicy(self.sources, self.counters, impairments)
        port: Any = udp.serve(service, policy, self.reactor)(bound)
        self.address = bound.getsockname()
        bound.close()
        self.addCleanup(self.stop, port)
        return port

    def stop(self, port: Any) -> None:
        """Close `port`."""
        if port.connected:
            port.stopListening()
            self.reactor.advance(0)

    def received(self, sock: socket.socket) -> list[bytes]:
        """Every datagram that `sock` has received."""
        datagrams = []
        with contextlib.suppress(BlockingIOError):
            while True:
                datagrams.append(sock.recv(65_535))
        return datagrams

    def exchange(self, port: Any, *requests: bytes) -> list[bytes]:
        """The responses to a client."""
        client = self.bind("::1" if ":" in self.address[0] else "127.0.0.1")
        for request in requests:
            client.sendto(request, self.address)
        port.doRead()
        return self.received(client)


class EchoTests(_Ports):
    """
    Echo.
    """

    def test_echo(self) -> None:
        """A datagram is sent back to its source, over IPv4 and IPv6."""
        for host in ("127.0.0.1", "::1"):
            self.assertEqual(self.exchange(self.serve(host=host), b"hello"), [b"hello"])
        self.assertEqual((self.counters.datagrams, self.counters.datagrams_sent), (2, 2))

    def test_whole(self) -> None:
        """The largest datagram of IPv4, 65 507 bytes, is sent back whole."""
        data = (bytes(range(256)) * 256)[:65_507]
        self.assertEqual(self.exchange(self.serve(), data), [data])

    def test_empty(self) -> None:
        """An empty datagram is sent back."""
        self.assertEqual(self.exchange(self.serve(), b""), [b""])

    def test_turnIsBounded(self) -> None:
        """A turn reads 64 datagrams, empty ones included, and leaves the rest to the next."""
        port = self.serve()
        self.assertEqual(len(self.exchange(port, *[b""] * 100)), TURN)
        self.assertEqual(self.counters.datagrams, TURN)
        port.doRead()
        self.assertEqual(self.counters.datagrams, 100)

    def test_clientGone(self) -> None:
        """A response to a closed socket does not stop later ones."""
        port = self.serve()
        gone = self.bind()
        gone.sendto(b"x", self.address)
        gone.close()
        port.doRead()
        self.assertEqual(self.exchange(port, b"y"), [b"y"])

    def test_unsendable(self) -> None:
        """A response that the kernel refuses is a drop."""
        port = self.serve()

        class Refusing:
            """A socket that sends nothing."""

            def __init__(self, real: socket.socket) -> None:
                self.real = real

            def sendto(self, *_: object) -> int:
                """Refuse."""
                raise PermissionError

            sendmsg = sendto

            def __getattr__(self, name: str) -> Any:
                return getattr(self.real, name)

        self.patch(port, "socket", Refusing(port.socket))
        self.assertEqual(self.exchange(port, b"x", b"y"), [])
        self.assertEqual(self.counters.drops, {"unsendable": 2})
        self.patch(port, "_fast_echo", False)
        self.assertEqual(self.exchange(port, b"x"), [])
        self.assertEqual(self.counters.drops, {"unsendable": 3})
        wide = self.serve(host="0.0.0.0")
        self.address = ("127.0.0.1", self.address[1])
        self.assertEqual(self.exchange(wide, b"x"), [b"x"])
        self.patch(wide, "socket", Refusing(wide.socket))
        self.assertEqual(self.exchange(wide, b"x", b"y"), [])
        self.assertEqual(self.counters.drops, {"unsendable": 5})

    def test_flat(self) -> None:
        """A flood leaves nothing in memory."""
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
    Drops by reason.
    """

    def test_ownAddress(self) -> None:
        """A datagram from the address of the port itself is dropped, so that it cannot loop."""
        port = self.serve()
        # The port's own socket sends to itself, as a forged source would.
        port.socket.sendto(b"ping", self.address)
        port.doRead()
        port.doRead()
        self.assertEqual((self.counters.datagrams, self.counters.datagrams_sent), (1, 0))
        self.assertEqual(self.counters.drops, {"source port": 1})

    def test_ownPortElsewhere(self) -> None:
        """A datagram from the same port of another address of this host is dropped."""
        port = self.serve()
        twin = self.bind("127.0.0.2", self.address[1])
        twin.sendto(b"ping", self.address)
        port.doRead()
        self.assertEqual(self.counters.datagrams_sent, 0)

    def test_eachOther(self) -> None:
        """Two ports of one daemon do not respond to each other."""
        first = self.serve()
        first_address = self.address
        second = self.serve(host="127.0.0.2")
        second_address = self.address
        first.socket.sendto(b"ping", second_address)
        second.doRead()
        second.socket.sendto(b"ping", first_address)
        first.doRead()
        self.assertEqual(self.counters.drops, {"source port": 2})

    def test_networks(self) -> None:
        """A source that the access lists refuse gets no response."""
        port = self.serve()
        self.bind("127.0.0.66").sendto(b"x", self.address)
        port.doRead()
        self.assertEqual(self.counters.drops, {"network": 1})

    def test_rate(self) -> None:
        """The rate of responses to one source is limited; another source is not affected."""
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

    def test_emptyRequest(self) -> None:
        """On loopback an empty datagram gets a response (RFC 867)."""
        for name in ("daytime", "time", "qotd"):
            (response,) = self.exchange(self.serve(table.datagram(name)), b"")
            self.assertGreaterEqual(len(response), 4)

    def test_notLarger(self) -> None:
        """A response that is larger than its request is sent to trusted sources only."""
        self.patch(self.sources, "trusts", {"127.0.0.1": False}.__getitem__)
        port = self.serve(table.datagram("daytime"))
        self.assertEqual(self.exchange(port, b"", b"?" * 25), [])
        self.assertEqual(self.counters.drops, {"short question": 2})
        (response,) = self.exchange(port, b"?" * 26)
        self.assertEqual(len(response), 26)

    def test_shortStamp(self) -> None:
        """A short STAMP test is reflected in 44 bytes, to trusted sources only."""
        port, sizes = self.serve(table.datagram("stamp")), (13, 14, 41, 44, 60)
        tests = [bytes(size) for size in sizes]
        self.assertEqual([*map(len, self.exchange(port, *tests))], [44, 44, 44, 60])
        self.patch(self.sources, "trusts", lambda host: False)
        self.assertEqual([*map(len, self.exchange(port, *tests))], [44, 60])

    def test_silence(self) -> None:
        """A service without a response drops nothing."""
        port = self.serve(table.datagram("discard"))
        self.assertEqual(self.exchange(port, b"x"), [])
        self.assertEqual((self.counters.datagrams, self.counters.drops), (1, {}))

    def test_logged(self) -> None:
        """Drops are logged soon, in one line with the address of the port."""
        self.patch(self.sources, "trusts", lambda host: False)
        port = self.serve(table.datagram("daytime"))
        with capturedLogs() as events:
            for _ in range(3):
                self.exchange(port, b"")
            self.reactor.advance(1)
        (event,) = events
        self.assertEqual((event["count"], event["reason"]), (3, "short question"))
        self.assertIn(str(self.address[1]), event["name"])

    def test_kernel(self) -> None:
        """The drops of the kernel are counted after a busy turn."""
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
    A port on every address.
    """

    if sys.platform != "linux":
        skip = "the control messages are those of Linux"

    def test_source(self) -> None:
        """The response leaves from the address of the request."""
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
            # Now the source is known, and `doRead` uses it directly.
            client.sendto(b"y", (host, self.address[1]))
            port.doRead()
            data, source = client.recvfrom(10)
            self.assertEqual((data, source[0]), (b"y", host))

    def test_noControlMessages(self) -> None:
        """Without control messages the kernel chooses the source."""
        port = self.serve(host="0.0.0.0")
        self.address = ("127.0.0.1", self.address[1])
        self.assertEqual(self.exchange(port, b"x"), [b"x"])

        def receive(size: int, room: int) -> Any:
            data, _, flags, address = port.socket.recvmsg(size, room)
            return data, [], flags, address

        self.patch(port, "_receive", receive)
        self.assertEqual(self.exchange(port, b"y"), [b"y"])

    def test_broadcast(self) -> None:
        """A broadcast gets no response."""
        port = self.serve(host="0.0.0.0")
        self.patch(port._info, "source", lambda control: None)
        self.address = ("127.0.0.1", self.address[1])
        self.assertEqual(self.exchange(port, b"x"), [])
        self.assertEqual(self.counters.drops, {"destination": 1})

    def test_hops(self) -> None:
        """A service gets hop limits if it requests them."""
        received_hops = []

        def respond(data: bytes, hops: int) -> bytes:
            received_hops.append(hops)
            return data

        for hops in (True, False):
            for host in ("127.0.0.1", "0.0.0.0", "::1"):
                port = self.serve(DatagramService(respond, hops), host)
                self.address = (host.replace("0.0.0.0", "127.0.0.1"), self.address[1])
                self.assertEqual(self.exchange(port, b"x"), [b"x"])
        self.assertTrue(all(received_hops[:3]))
        self.assertEqual(received_hops[3:], [0] * 3)


class ImpairmentTests(_Ports):
    """
    An impaired network.
    """

    def test_delay(self) -> None:
        """Delayed responses keep their source and destination."""
        port = self.serve(host="0.0.0.0", impairment=Impairment(delay=Duration(1_000_000)))
        client = self.bind()
        client.sendto(b"x", ("127.0.0.2", self.address[1]))
        port.doRead()
        self.assertEqual(self.received(client), [])
        self.reactor.advance(1)
        data, source = client.recvfrom(10)
        self.assertEqual((data, source), (b"x", ("127.0.0.2", self.address[1])))

    def test_loss(self) -> None:
        """Lost responses are drops by impairment."""
        port = self.serve(impairment=Impairment(loss=1.0, seed=1))
        self.assertEqual(self.exchange(port, b"x", b"y"), [])
        self.assertEqual(
            (self.counters.drops, self.counters.datagrams_sent), ({"impairment": 2}, 0)
        )

    def test_stop(self) -> None:
        """A port that stops forgets delayed responses."""
        port = self.serve(impairment=Impairment(delay=Duration(1_000_000)))
        self.exchange(port, b"x")
        port.stopListening()
        self.reactor.advance(0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class LifeTests(_Ports):
    """
    Start and stop.
    """

    def test_buffer(self) -> None:
        """The size of the receive buffer is as granted by the kernel."""
        port = self.serve()
        granted = port.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self.assertEqual(port.receive_buffer, granted)

    def test_stop(self) -> None:
        """A stop closes the port and frees its address."""
        port = self.serve()
        done = port.stopListening()
        self.reactor.advance(0)
        self.successResultOf(done)
        self.assertFalse(port.connected)
        self.bind(*self.address)

    def test_neverStarted(self) -> None:
        """A port that never listened is not connected."""
        bound = self.bind()
        port = UDPPort(
            bound,
            DatagramService(echo),
            DatagramPolicy(self.sources, self.counters),
            self.reactor,
        )
        self.assertFalse(port.connected)
        port._preexistingSocket.close()  # type: ignore[attr-defined]  # set by __init__
