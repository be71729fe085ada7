"""
Tests for netd.workers.link.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from netd.workers.link import MAX_WAITING, Link, adopt


class Pair:
    """Two links whose bytes go from one to the other when `pump` is called."""

    def __init__(self, step: int = 1 << 30) -> None:
        self._step = step
        self.received: list[tuple[str, object]] = []
        self.answers: dict[object, object] = {}
        self.lost: list[str] = []
        self.transports = [StringTransport(), StringTransport()]
        self.links = [self._link("one"), self._link("two")]

    def _link(self, name: str) -> Link:
        def handle(message: object) -> object:
            self.received.append((name, message))
            answer = self.answers.get(message)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return Link(handle, lambda: self.lost.append(name))

    def connect(self) -> None:
        """Connect both."""
        for link, transport in zip(self.links, self.transports, strict=True):
            link.makeConnection(transport)

    def pump(self) -> None:
        """Deliver all bytes, `step` at a time."""
        while any(transport.value() for transport in self.transports):
            for index, transport in enumerate(self.transports):
                data = transport.value()
                transport.clear()
                for start in range(0, len(data), self._step):
                    self.links[1 - index].dataReceived(data[start : start + self._step])


class LinkTests(SynchronousTestCase):
    """
    Messages between two ends.
    """

    def pair(self, step: int = 1 << 30) -> Pair:
        """Two connected ends."""
        pair = Pair(step)
        pair.connect()
        return pair

    def test_send(self) -> None:
        """Messages arrive in order, however the bytes are cut."""
        for step in (1, 2, 3, 7, 1 << 30):
            pair = self.pair(step)
            for message in ("a", ("b", 1), 300 * "c"):
                pair.links[0].send(message)
            pair.pump()
            self.assertEqual(
                pair.received, [("two", "a"), ("two", ("b", 1)), ("two", 300 * "c")]
            )

    def test_ask(self) -> None:
        """Each question gets its own answer, at once or later."""
        pair = self.pair()
        later: Deferred[str] = Deferred()
        pair.answers = {"a": later, "b": "now"}
        first, second = [pair.links[0].ask(message) for message in "ab"]
        pair.pump()
        self.assertEqual(self.successResultOf(second), "now")
        self.assertNoResult(first)
        later.callback("later")
        pair.pump()
        self.assertEqual(self.successResultOf(first), "later")

    def test_lateAnswer(self) -> None:
        """An answer to a question that was given up is dropped."""
        pair = self.pair()
        asked = pair.links[0].ask("a")
        asked.cancel()
        self.failureResultOf(asked)
        pair.pump()
        self.assertEqual(pair.received, [("two", "a")])
        # One that nobody has asked for, too.
        pair.links[1]._respond("x", 99)
        pair.pump()

    def test_lost(self) -> None:
        """A question fails when the other end is gone, and later ones at once."""
        pair = self.pair()
        asked = pair.links[0].ask("a")
        pair.links[0].connectionLost(Failure(ConnectionDone()))
        self.failureResultOf(asked, ConnectionLost)
        self.failureResultOf(pair.links[0].ask("b"), ConnectionLost)
        self.assertEqual(pair.lost, ["one"])

    def test_answerToNobody(self) -> None:
        """An answer that comes after the other end is gone goes nowhere."""
        pair = self.pair()
        later: Deferred[str] = Deferred()
        pair.answers = {"a": later}
        pair.links[0].ask("a").addErrback(lambda _: None)
        pair.pump()
        pair.links[1].connectionLost(Failure(ConnectionDone()))
        later.callback("x")
        self.assertEqual(pair.transports[1].value(), b"")

    def test_bug(self) -> None:
        """A bug in the handling of a message is logged, and the link goes on."""
        pair = self.pair()
        pair.answers = {"a": ZeroDivisionError()}
        pair.links[0].send("a")
        pair.links[0].send("b")
        pair.pump()
        self.assertEqual(len(pair.received), 2)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_offered(self) -> None:
        """Lines wait while the other end is slow, and until there is one, in order."""
        pair = Pair()
        self.assertTrue(pair.links[0].offer("early"))
        pair.connect()
        pair.links[0].pauseProducing()
        self.assertTrue(pair.links[0].offer("a"))
        self.assertTrue(pair.links[0].offer("b"))
        pair.pump()
        self.assertEqual(pair.received, [("two", "early")])
        pair.links[0].resumeProducing()
        self.assertTrue(pair.links[0].offer("c"))
        pair.pump()
        self.assertEqual([message for _, message in pair.received], ["early", "a", "b", "c"])

    def test_bounded(self) -> None:
        """Lines beyond the limit are lost, and there is room again when some have left."""
        pair = self.pair()
        link = pair.links[0]
        link.pauseProducing()
        line = 1000 * "x"
        taken = 0
        while link.offer(line):
            taken += 1
        self.assertLessEqual(taken * 1000, MAX_WAITING)
        self.assertGreater(taken * 1200, MAX_WAITING)
        link.resumeProducing()
        pair.pump()
        self.assertEqual(len(pair.received), taken)
        link.pauseProducing()
        self.assertTrue(link.offer(line))
        link.stopProducing()


class AdoptTests(TestCase):
    """
    A link on a real pair of sockets.
    """

    def test_adopted(self) -> Deferred[Any]:
        """A question and its answer go through the sockets, and a close is noticed."""
        ended: Deferred[None] = Deferred()
        both = [Link(lambda message: [message], lambda: ended.callback(None))]
        both.append(Link(lambda message: [message], lambda: None))
        for link, sock in zip(both, socket.socketpair(), strict=True):
            adopt(reactor, sock, link)
            self.assertEqual(sock.fileno(), -1)

        def check(answer: object) -> Deferred[None]:
            self.assertEqual(answer, ["question"])
            both[1].transport.loseConnection()
            return ended

        return both[0].ask("question").addCallback(check)
