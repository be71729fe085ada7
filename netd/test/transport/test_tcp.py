"""The eager transport by itself, and the guard over what it touches."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import abstract, main, tcp
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import ISystemHandle
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from netd.transport.epoll import WriteBatch
from netd.transport.tcp import TCPTransport, bytes_unsent, flush, has_unread_input


class FunctionTests(SynchronousTestCase):
    """What a transport holds, and what the kernel holds for it."""

    def test_unsent(self) -> None:
        """What waits in a transport is counted, under TLS too; elsewhere nobody knows."""

        class Idle:
            def addWriter(self, writer: object) -> None:
                pass

        one = abstract.FileDescriptor(Idle())  # type: ignore[arg-type]
        one.connected = 1
        one.write(b"abc")
        self.assertEqual(bytes_unsent(one), 3)

        class Layer:
            transport = one

        self.assertEqual(bytes_unsent(Layer()), 3)
        self.assertIsNone(bytes_unsent(StringTransport()))
        del one._tempDataLen
        self.assertIsNone(bytes_unsent(one))

    def test_unread(self) -> None:
        """What waits in the kernel is seen and left there."""
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
        """Where there is no socket, nothing is known to be unread."""
        self.assertFalse(has_unread_input(StringTransport()))


class _Connected(SynchronousTestCase):
    """The eager transport by itself, on a socket pair."""

    def setUp(self) -> None:
        self.near, self.far = socket.socketpair()
        self.addCleanup(self.near.close)
        self.addCleanup(self.far.close)
        self.calls: list[str] = []
        test = self

        class Recorder(Clock):
            def addReader(self, each: object) -> None:
                test.calls.append("addReader")

            def removeReader(self, each: object) -> None:
                test.calls.append("removeReader")

            def addWriter(self, each: object) -> None:
                test.calls.append("addWriter")

            def removeWriter(self, each: object) -> None:
                test.calls.append("removeWriter")

        class Quiet(Protocol):
            def connectionLost(self, reason: Any = None) -> None:
                test.calls.append("lost")

        self.clock = Recorder()
        where = Factory.forProtocol(Quiet)
        listener = tcp.Port(0, where, reactor=self.clock)
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
    """On a reactor without an outbox."""

    def test_noDelay(self) -> None:
        """It is inherited from the listening socket; only to do without takes a call."""
        asked: list[object] = []
        self.patch(tcp.Server, "setTcpNoDelay", lambda _, enabled: asked.append(enabled))
        self.server.setTcpNoDelay(True)
        self.server.setTcpNoDelay(False)
        self.assertEqual(asked, [False])

    def test_atOnce(self) -> None:
        """What the kernel takes is sent at once, without asking for a turn."""
        self.server.write(b"abc")
        self.assertEqual(self.far.recv(10), b"abc")
        self.assertEqual(self.calls, [])

    def test_inOrder(self) -> None:
        """Once something waits, what follows waits behind it."""
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
        heard: list[bytes] = []
        self.patch(self.server.protocol, "dataReceived", heard.append)
        self.assertIsNone(self.server.doRead())
        self.far.send(b"abc")
        self.assertIsNone(self.server.doRead())
        self.assertEqual(heard, [b"abc"])
        self.far.close()
        self.assertIs(self.server.doRead(), main.CONNECTION_DONE)
        self.near.close()
        self.assertIs(self.server.doRead(), main.CONNECTION_LOST)

    def test_shown(self) -> None:
        """A connection is shown by its number and its client."""
        self.assertEqual(repr(self.server), "<netd connection #0 of 127.0.0.1>")
        self.assertEqual(self.server.logPrefix(), "netd")
        self.assertEqual(self.server.getPeer(), IPv4Address("TCP", "127.0.0.1", 1))

    def test_shownIPv6(self) -> None:
        """An IPv6 client has an IPv6 address."""
        near, far = socket.socketpair()
        self.addCleanup(near.close)
        self.addCleanup(far.close)
        where: Any = None
        server = TCPTransport(near, Protocol(), ("::1", 1, 0, 0), where, 1, self.clock)
        self.assertEqual(server.getPeer(), IPv6Address("TCP", "::1", 1, 0, 0))

    def test_abortWhileClosing(self) -> None:
        """Cutting a connection that is being closed ends it once."""
        self.server.loseConnection()
        self.server.abortConnection()
        self.clock.advance(0)
        self.clock.advance(0)
        self.assertEqual(self.calls.count("lost"), 1)


class AsideTests(_Connected):
    """On a reactor that has one."""

    def setUp(self) -> None:
        """An outbox."""
        super().setUp()
        self.write_batch = self.clock.write_batch = WriteBatch()  # type: ignore[attr-defined]
        self.far.setblocking(False)

    def heard(self) -> bytes | None:
        """What the client has received; None while that is nothing."""
        try:
            return self.far.recv(1 << 20)
        except BlockingIOError:
            return None

    def test_together(self) -> None:
        """What is written in one turn leaves as one piece, without asking for a turn."""
        self.server.write(b"abc")
        self.server.write(b"def")
        self.assertIsNone(self.heard())
        self.assertEqual(bytes_unsent(self.server), 6)
        self.write_batch.flush()
        self.assertEqual(self.heard(), b"abcdef")
        self.assertEqual(bytes_unsent(self.server), 0)
        self.assertEqual(self.calls, [])
        self.server.write(b"ghi")
        self.write_batch.flush()
        self.assertEqual(self.heard(), b"ghi")

    def test_sequence(self) -> None:
        """So it is with what is written in several pieces."""
        self.server.write(b"abc")
        self.server.writeSequence([b"def", b"ghi"])
        self.write_batch.flush()
        self.assertEqual(self.heard(), b"abcdefghi")

    def test_much(self) -> None:
        """What is much does not wait, and nothing overtakes it."""
        most = self.server.bufferSize
        self.server.write(b"abc")
        self.server.write(bytes(most))
        self.assertEqual(len(self.heard() or b""), most + 3)
        self.server.write(bytes(most + 1))
        self.assertEqual(len(self.heard() or b""), most + 1)

    def test_left(self) -> None:
        """What the kernel does not take waits as usual, and later bytes behind it."""
        while not bytes_unsent(self.server):
            self.server.write(bytes(60_000))
            self.write_batch.flush()
        self.assertIn("addWriter", self.calls)
        left = bytes_unsent(self.server) or 0
        self.server.write(b"abc")
        self.write_batch.flush()
        self.assertEqual(bytes_unsent(self.server), left + 3)

    def test_queuedMeanwhile(self) -> None:
        """Bytes that the transport took back from what was put aside stay in order."""
        self.server.write(b"abc")
        self.server.dataBuffer = b"before "
        self.write_batch.flush()
        self.assertIsNone(self.heard())
        self.server.doWrite()
        self.assertEqual(self.heard(), b"before abc")

    def test_gone(self) -> None:
        """Nothing is sent to a client that left in the same turn."""
        self.server.write(b"abc")
        self.server.connectionLost(Failure(main.CONNECTION_DONE))
        self.write_batch.flush()
        self.assertEqual(self.heard(), b"")

    def test_error(self) -> None:
        """An error is left to doWrite, which tells the reactor."""
        self.server.write(b"abc")
        self.far.close()
        self.write_batch.flush()
        self.assertEqual(bytes_unsent(self.server), 3)
        self.assertIsNotNone(self.server.doWrite())

    def test_close(self) -> None:
        """The last bytes and the end leave together, and once."""
        self.server.write(b"abc")
        self.server.loseConnection()
        self.server.loseConnection()
        self.assertNotIn("lost", self.calls)
        self.write_batch.flush()
        self.assertEqual(self.calls.count("lost"), 1)
        self.assertEqual(self.heard(), b"abc")
        self.assertEqual(self.heard(), b"")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closeAfterMuch(self) -> None:
        """It closes even when its bytes left ahead of the others."""
        self.server.write(b"abc")
        self.server.loseConnection()
        self.server.write(bytes(self.server.bufferSize))
        self.assertNotIn("lost", self.calls)
        self.write_batch.flush()
        self.assertEqual(self.calls.count("lost"), 1)

    def test_closeBehind(self) -> None:
        """While the kernel does not take all, closing waits."""
        while not bytes_unsent(self.server):
            self.server.write(bytes(60_000))
            self.write_batch.flush()
        self.server.loseConnection()
        self.write_batch.flush()
        self.clock.advance(0)
        self.assertNotIn("lost", self.calls)

    def test_closeWithProducer(self) -> None:
        """As long as somebody produces for it, the connection stays."""
        self.server.registerProducer(Protocol(), True)
        self.server.write(b"abc")
        self.server.loseConnection()
        self.write_batch.flush()
        self.assertEqual(self.heard(), b"abc")
        self.assertNotIn("lost", self.calls)

    def test_halfClose(self) -> None:
        """Our end closes behind what was put aside."""
        self.server.write(b"abc")
        self.server.loseWriteConnection()
        self.server.doWrite()
        self.write_batch.flush()
        self.assertEqual(self.heard(), b"abc")
        self.assertEqual(self.heard(), b"")

    def test_abort(self) -> None:
        """A cut comes after what was written before it."""
        self.server.write(b"abc")
        self.server.abortConnection()
        self.assertEqual(self.heard(), b"abc")
        self.write_batch.flush()
        self.clock.advance(0)
        self.assertEqual(self.calls.count("lost"), 1)

    def test_flush(self) -> None:
        """Whoever goes past the transport's buffers may do so when they are empty."""
        self.server.write(b"abc")
        self.assertTrue(flush(self.server))
        self.far.setblocking(True)
        self.assertEqual(self.heard(), b"abc")
        while flush(self.server):
            self.server.write(bytes(60_000))
        self.assertTrue(bytes_unsent(self.server))
        self.assertTrue(flush(StringTransport()))
