"""Tests for netd.transport.tcp."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from twisted.internet import abstract, main, tcp
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import ISystemHandle
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from netd.transport.epoll import WriteBatch
from netd.transport.tcp import TCPTransport, bytes_unsent, flush, has_unread_input, plain

PRODUCER: Any = Protocol()
"""What is registered as a producer, and never told anything."""


class PlainTests(SynchronousTestCase):
    """The client's address, as it is shown and compared."""

    def test_rows(self) -> None:
        """A mapped address becomes IPv4, and a link-local one has its interface."""
        number, name = socket.if_nameindex()[0]
        for address, expected in (
            (("192.0.2.1", 5), ("192.0.2.1", 5)),
            (("::ffff:192.0.2.1", 5, 0, 0), ("192.0.2.1", 5)),
            (("::1", 5, 0, 0), ("::1", 5, 0, 0)),
            (("2001:db8::1", 5, 0, 0), ("2001:db8::1", 5, 0, 0)),
            (("fe80::1", 5, 0, number), (f"fe80::1%{name}", 5, 0, number)),
        ):
            self.assertEqual(plain(address), expected)


class FunctionTests(SynchronousTestCase):
    """The bytes that a transport or the kernel holds."""

    def test_unsent(self) -> None:
        """Bytes in a transport's buffers are counted, under TLS too, where they are known."""

        class Idle:
            def addWriter(self, writer: object) -> None:
                pass

        idle = abstract.FileDescriptor(Idle())  # type: ignore[arg-type]
        idle.connected = 1
        idle.write(b"abc")
        self.assertEqual(bytes_unsent(idle), 3)

        class Layer:
            transport = idle

        self.assertEqual(bytes_unsent(Layer()), 3)
        self.assertIsNone(bytes_unsent(StringTransport()))
        del idle._tempDataLen
        self.assertIsNone(bytes_unsent(idle))

    def test_unread(self) -> None:
        """Input in the kernel is seen and left there."""
        near, far = socket.socketpair()
        self.addCleanup(near.close)
        self.addCleanup(far.close)

        @implementer(ISystemHandle)
        class Handle:
            def __init__(self, handle: object) -> None:
                self.handle = handle

            def getHandle(self) -> object:
                return self.handle

        self.assertFalse(has_unread_input(Handle(near)))
        far.send(b"x")
        self.assertTrue(has_unread_input(Handle(near)))
        self.assertTrue(has_unread_input(Handle(near)))
        self.assertFalse(has_unread_input(Handle("no socket")))

    def test_unreadElsewhere(self) -> None:
        """A transport without a socket has no unread input."""
        self.assertFalse(has_unread_input(StringTransport()))


class _Connected(SynchronousTestCase):
    """A transport on a socket pair."""

    def setUp(self) -> None:
        self.near, self.far = socket.socketpair()
        self.addCleanup(self.near.close)
        self.addCleanup(self.far.close)
        self.calls: list[str] = []
        test = self

        class Recorder(Clock):
            def addReader(self, selectable: object) -> None:
                test.calls.append("addReader")

            def removeReader(self, selectable: object) -> None:
                test.calls.append("removeReader")

            def addWriter(self, selectable: object) -> None:
                test.calls.append("addWriter")

            def removeWriter(self, selectable: object) -> None:
                test.calls.append("removeWriter")

        class Quiet(Protocol):
            def connectionLost(self, reason: Any = None) -> None:
                test.calls.append("lost")

        self.clock = Recorder()
        factory = Factory.forProtocol(Quiet)
        listener = tcp.Port(0, factory, reactor=self.clock)
        listener._realPortNumber = 0
        self.server = TCPTransport(
            self.near,
            Quiet(),
            ("127.0.0.1", 1),
            listener,
            0,
            self.clock,
        )
        self.calls.clear()


class WriteTests(_Connected):
    """A transport on a reactor without a write batch."""

    def test_atOnce(self) -> None:
        """The bytes that the kernel takes are sent at once, without a turn."""
        self.server.write(b"abc")
        self.assertEqual(self.far.recv(10), b"abc")
        self.assertEqual(self.calls, [])

    def test_inOrder(self) -> None:
        """Bytes written later wait behind those that wait."""
        self.server.write(bytes(1 << 22))
        self.assertEqual(self.calls, ["addWriter"])
        left = bytes_unsent(self.server)
        self.assertGreater(left or 0, 0)
        self.server.write(b"abc")
        self.assertEqual(bytes_unsent(self.server), (left or 0) + 3)

    def test_wouldBlock(self) -> None:
        """A full socket is no error."""
        while not bytes_unsent(self.server):
            self.server.write(bytes(65536))
        self.server._tempDataBuffer.clear()
        self.server._tempDataLen = 0
        self.server.write(b"abc")
        self.assertEqual(bytes_unsent(self.server), 3)

    def test_error(self) -> None:
        """An error is left to doWrite, which tells the reactor."""
        self.far.close()
        self.server.write(b"abc")
        self.assertEqual(bytes_unsent(self.server), 3)
        self.assertIsNotNone(self.server.doWrite())

    def test_close(self) -> None:
        """With nothing to send, closing takes one turn."""
        self.server.loseConnection()
        self.server.write(b"too late")
        self.assertNotIn("lost", self.calls)
        self.clock.advance(0)
        self.assertIn("lost", self.calls)
        self.assertEqual(self.far.recv(10), b"")

    def test_closeBehind(self) -> None:
        """With something to send, closing waits for it."""
        self.server.write(bytes(1 << 22))
        self.server.loseConnection()
        self.clock.advance(0)
        self.assertNotIn("lost", self.calls)

    def test_reads(self) -> None:
        """Input goes to the protocol; its end and its loss to the reactor."""
        received: list[bytes] = []
        self.patch(self.server.protocol, "dataReceived", received.append)
        self.assertIsNone(self.server.doRead())
        self.far.send(b"abc")
        self.assertIsNone(self.server.doRead())
        self.assertEqual(received, [b"abc"])
        self.far.close()
        self.assertIs(self.server.doRead(), main.CONNECTION_DONE)
        self.near.close()
        self.assertIs(self.server.doRead(), main.CONNECTION_LOST)

    def test_shown(self) -> None:
        """The representation has the connection's number and client."""
        self.assertEqual(repr(self.server), "<netd connection #0 of 127.0.0.1>")
        self.assertEqual(self.server.logPrefix(), "netd")
        self.assertEqual(self.server.getPeer(), IPv4Address("TCP", "127.0.0.1", 1))

    def test_shownIPv6(self) -> None:
        """An IPv6 client has an IPv6 address."""
        near, far = socket.socketpair()
        self.addCleanup(near.close)
        self.addCleanup(far.close)
        factory: Any = None
        server = TCPTransport(near, Protocol(), ("::1", 1, 0, 0), factory, 1, self.clock)
        self.assertEqual(server.getPeer(), IPv6Address("TCP", "::1", 1, 0, 0))

    def test_abortWhileClosing(self) -> None:
        """Cutting a connection that is being closed ends it once."""
        self.server.loseConnection()
        self.server.abortConnection()
        self.clock.advance(0)
        self.clock.advance(0)
        self.assertEqual(self.calls.count("lost"), 1)


class BatchTests(_Connected):
    """A transport on a reactor with a write batch."""

    def setUp(self) -> None:
        """Add a write batch."""
        super().setUp()
        self.write_batch = self.clock.write_batch = WriteBatch()  # type: ignore[attr-defined]
        self.far.setblocking(False)

    def received(self) -> bytes | None:
        """The bytes that the client has received; None for none."""
        try:
            return self.far.recv(1 << 20)
        except BlockingIOError:
            return None

    def test_together(self) -> None:
        """The writes of a turn are sent as one piece, without a further turn."""
        self.server.write(b"abc")
        self.server.write(b"def")
        self.assertIsNone(self.received())
        self.assertEqual(bytes_unsent(self.server), 6)
        self.write_batch.flush()
        self.assertEqual(self.received(), b"abcdef")
        self.assertEqual(bytes_unsent(self.server), 0)
        self.assertEqual(self.calls, [])
        self.server.write(b"ghi")
        self.write_batch.flush()
        self.assertEqual(self.received(), b"ghi")

    def test_sequence(self) -> None:
        """A sequence is sent as one piece with the other writes."""
        self.server.write(b"abc")
        self.server.writeSequence([b"def", b"ghi"])
        self.write_batch.flush()
        self.assertEqual(self.received(), b"abcdefghi")

    def test_much(self) -> None:
        """A large write is sent at once, in order."""
        most = self.server.bufferSize
        self.server.write(b"abc")
        self.server.write(bytes(most))
        self.assertEqual(len(self.received() or b""), most + 3)
        self.server.write(bytes(most + 1))
        self.assertEqual(len(self.received() or b""), most + 1)
        self.server.write(b"abc")
        self.server.write(bytes(most + 1))
        self.assertEqual(self.received(), b"abc" + bytes(most + 1))

    def test_left(self) -> None:
        """
        The bytes that the kernel does not take wait as usual, and later bytes behind them.
        """
        while not bytes_unsent(self.server):
            self.server.write(bytes(60_000))
            self.write_batch.flush()
        self.assertIn("addWriter", self.calls)
        left = bytes_unsent(self.server) or 0
        self.server.write(b"abc")
        self.write_batch.flush()
        self.assertEqual(bytes_unsent(self.server), left + 3)

    def test_queuedMeanwhile(self) -> None:
        """Batched bytes are sent behind those in the transport's buffer."""
        self.server.write(b"abc")
        self.server.dataBuffer = b"before "
        self.write_batch.flush()
        self.assertIsNone(self.received())
        self.server.doWrite()
        self.assertEqual(self.received(), b"before abc")

    def test_gone(self) -> None:
        """Nothing is sent to a client that closed in the same turn."""
        self.server.write(b"abc")
        self.server.connectionLost(Failure(main.CONNECTION_DONE))
        self.write_batch.flush()
        self.assertEqual(self.received(), b"")

    def test_error(self) -> None:
        """An error is left to doWrite, which tells the reactor."""
        self.server.write(b"abc")
        self.far.close()
        self.write_batch.flush()
        self.assertEqual(bytes_unsent(self.server), 3)
        self.assertIsNotNone(self.server.doWrite())

    def test_close(self) -> None:
        """The last bytes and the close are sent together, and once."""
        self.server.write(b"abc")
        self.server.loseConnection()
        self.server.loseConnection()
        self.assertNotIn("lost", self.calls)
        self.write_batch.flush()
        self.assertEqual(self.calls.count("lost"), 1)
        self.assertEqual(self.received(), b"abc")
        self.assertEqual(self.received(), b"")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closeAtOnce(self) -> None:
        """The last bytes wait for the FIN, which follows at once; but not for a producer."""
        calls: list[object] = []

        class Recording:
            def send(self, data: bytes, flags: int) -> int:
                calls.append((data, flags))
                return len(data)

            def shutdown(self, how: int) -> None:
                calls.append(how)
                raise OSError

            def close(self) -> None:
                calls.append("close")

        self.server.socket = Recording()  # type: ignore[assignment]
        self.clock.forget = lambda descriptor: None  # type: ignore[attr-defined]
        self.server.write(b"abc")
        self.server.registerProducer(PRODUCER, True)
        self.server.loseConnection()
        self.write_batch.flush()
        self.assertEqual(calls, [(b"abc", 0)])
        self.server.unregisterProducer()
        self.server.disconnecting = False
        calls.clear()
        self.server.write(b"def")
        self.server.loseConnection()
        self.write_batch.flush()
        self.assertEqual(calls, [(b"def", socket.MSG_MORE), socket.SHUT_WR, "close"])
        self.assertEqual(self.calls.count("lost"), 1)

    def test_closeWithUnreadInput(self) -> None:
        """A client gets the last bytes, though it has sent more than was read."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            far = socket.create_connection(listener.getsockname())
            near, _ = listener.accept()
        self.addCleanup(far.close)
        self.server.socket, self.near = near, self.server.socket
        self.clock.forget = lambda descriptor: None  # type: ignore[attr-defined]
        far.send(b"more")
        self.assertEqual(near.recv(4, socket.MSG_PEEK), b"more")
        self.server.write(b"abc")
        self.server.loseConnection()
        self.write_batch.flush()
        self.assertEqual(near.fileno(), -1)
        self.assertEqual(far.recv(100), b"abc")

    def test_closeAfterMuch(self) -> None:
        """A close is finished when a large write was sent before the batch."""
        self.server.write(b"abc")
        self.server.loseConnection()
        self.server.write(bytes(self.server.bufferSize))
        self.assertNotIn("lost", self.calls)
        self.write_batch.flush()
        self.assertEqual(self.calls.count("lost"), 1)

    def test_closeBehind(self) -> None:
        """While the kernel does not take all bytes, closing waits."""
        while not bytes_unsent(self.server):
            self.server.write(bytes(60_000))
            self.write_batch.flush()
        self.server.loseConnection()
        self.write_batch.flush()
        self.clock.advance(0)
        self.assertNotIn("lost", self.calls)

    def test_closeUnsent(self) -> None:
        """When the kernel takes nothing, the close waits, and no more input is taken."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.near.send(bytes(60_000))
        self.server.write(b"abc")
        self.server.loseConnection()
        self.assertNotIn("removeReader", self.calls)
        self.write_batch.flush()
        self.assertIn("removeReader", self.calls)
        self.assertNotIn("lost", self.calls)

    def test_forget(self) -> None:
        """Where the reactor can forget a descriptor, a close asks for nothing else, once."""
        forgotten: list[int] = []
        self.clock.forget = forgotten.append  # type: ignore[attr-defined]
        number = self.near.fileno()
        self.server.write(b"abc")
        self.server.loseConnection()
        self.write_batch.flush()
        self.server.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(forgotten, [number])
        self.assertEqual(self.calls, ["lost"])
        self.assertEqual(self.near.fileno(), -1)

    def test_closeWithProducer(self) -> None:
        """While a producer is registered, the connection stays open."""
        self.server.registerProducer(PRODUCER, True)
        self.server.write(b"abc")
        self.server.loseConnection()
        self.write_batch.flush()
        self.assertEqual(self.received(), b"abc")
        self.assertNotIn("lost", self.calls)

    def test_halfClose(self) -> None:
        """A half-close follows the batched bytes."""
        self.server.write(b"abc")
        self.server.loseWriteConnection()
        self.server.doWrite()
        self.write_batch.flush()
        self.assertEqual(self.received(), b"abc")
        self.assertEqual(self.received(), b"")

    def test_abort(self) -> None:
        """A cut follows the bytes written before it."""
        self.server.write(b"abc")
        self.server.abortConnection()
        self.assertEqual(self.received(), b"abc")
        self.write_batch.flush()
        self.clock.advance(0)
        self.assertEqual(self.calls.count("lost"), 1)

    def test_lost(self) -> None:
        """A connection that is lost keeps none of its output, however long it is known."""
        while flush(self.server):
            self.server.write(bytes(60_000))
        self.server.doWrite()
        self.server.write(b"abc")
        self.server.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(bytes_unsent(self.server), 0)
        self.assertFalse(self.server._tempDataBuffer or self.server.dataBuffer)

    def test_flush(self) -> None:
        """A flush sends the batched bytes and says whether the kernel took all bytes."""
        self.server.write(b"abc")
        self.assertTrue(flush(self.server))
        self.far.setblocking(True)
        self.assertEqual(self.received(), b"abc")
        while flush(self.server):
            self.server.write(bytes(60_000))
        self.assertTrue(bytes_unsent(self.server))
        self.assertTrue(flush(StringTransport()))
