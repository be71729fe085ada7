"""
Tests of netd.http.connection_state: the table of states, walked by real connections.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from twisted.internet.interfaces import ISSLTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from netd.http.connection import HTTPConnection
from netd.http.connection_state import TRANSITIONS
from netd.http.connection_state import ConnectionState as S
from netd.test.http.stages import GET, Client, MemoryTransport, ServerFixture, post

Step: TypeAlias = Callable[[Client], object]

HELD: Final = b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSE: Final = b"GET / HTTP/1.0\r\n\r\n"
PART: Final = GET[:-1]
UPLOAD: Final = post(b"body")
HELD_UPLOAD: Final = post(b"body", path=b"/held")


def send(data: bytes) -> Step:
    """The client sends `data`."""
    return lambda client: client.connection.dataReceived(data)


def paused(client: Client) -> None:
    """The transport has no room while a response is due."""
    client.connection.pauseProducing()


def drained(client: Client) -> None:
    """The client reads what waits for it, and the server goes on in its next turn."""
    client.connection.resumeProducing()
    client.fixture.clock.advance(0)


def reset_on_write(client: Client) -> None:
    """The next write finds the client gone."""
    client.transport.write = lambda data: client.reset()  # type: ignore[method-assign]  # on this one only


def finish(client: Client) -> None:
    """The Resource ends its response."""
    client.fixture.tree.children[b"held"].requests[-1].finish()


def close_after(client: Client) -> None:
    """The server drains: every response is now the last one."""
    client.fixture.server.context.draining = True


def late(client: Client) -> None:
    """The deadline passes."""
    client.connection.overdue()


def later(client: Client) -> None:
    """So much time passes that a FIN means that the client left."""
    client.fixture.clock.advance(0.5)


fin: Step = Client.fin
reset: Step = Client.reset
blocked: Final[tuple[Step, ...]] = (send(HELD), paused, finish)

PLAIN: Final[dict[tuple[S, S], tuple[Step, ...]]] = {
    (S.HANDSHAKE, S.IDLE): (),
    (S.IDLE, S.HEAD): (send(PART),),
    (S.IDLE, S.BODY): (send(UPLOAD[:-1]),),
    (S.IDLE, S.RESPONDING): (send(HELD),),
    (S.IDLE, S.BLOCKED): blocked,
    (S.IDLE, S.ENDING): (send(CLOSE),),
    (S.IDLE, S.CLOSING): (late,),
    (S.IDLE, S.CLOSED): (reset,),
    (S.HEAD, S.IDLE): (send(PART), send(b"\n")),
    (S.HEAD, S.BODY): (send(UPLOAD[:9]), send(UPLOAD[9:-1])),
    (S.HEAD, S.RESPONDING): (send(HELD[:9]), send(HELD[9:])),
    (S.HEAD, S.BLOCKED): (send(PART), paused, send(b"\n")),
    (S.HEAD, S.ENDING): (send(PART), late),
    (S.HEAD, S.CLOSED): (send(PART), reset),
    (S.BODY, S.IDLE): (send(UPLOAD[:-1]), send(b"y")),
    (S.BODY, S.RESPONDING): (send(HELD_UPLOAD[:-1]), send(b"y")),
    (S.BODY, S.BLOCKED): (send(UPLOAD[:-1]), paused, send(b"y")),
    (S.BODY, S.ENDING): (send(UPLOAD[:-1]), late),
    (S.BODY, S.CLOSED): (send(UPLOAD[:-1]), reset),
    (S.RESPONDING, S.IDLE): (send(HELD), finish),
    (S.RESPONDING, S.ENDING): (send(HELD), close_after, finish),
    (S.RESPONDING, S.CLOSING): (send(HELD), later, fin),
    (S.RESPONDING, S.CLOSED): (send(HELD), reset),
    (S.BLOCKED, S.IDLE): (*blocked, drained),
    (S.BLOCKED, S.HEAD): (*blocked, send(PART), drained),
    (S.BLOCKED, S.BODY): (*blocked, send(UPLOAD[:-1]), drained),
    (S.BLOCKED, S.RESPONDING): (*blocked, send(HELD), drained),
    (S.BLOCKED, S.ENDING): (*blocked, send(CLOSE), drained),
    (S.BLOCKED, S.CLOSING): (*blocked, fin, drained),
    (S.BLOCKED, S.CLOSED): (*blocked, reset),
    (S.ENDING, S.CLOSING): (send(CLOSE),),
    (S.ENDING, S.CLOSED): (reset_on_write, send(CLOSE)),
    (S.CLOSING, S.LINGERING): (send(b"nonsense\r\n"),),
    (S.CLOSING, S.CLOSED): (send(CLOSE), reset),
    (S.LINGERING, S.CLOSED): (send(b"nonsense\r\n"), fin, Client.settle),
}
"""What happens to a new connection until it changes so, over TCP."""

SECURE: Final[dict[tuple[S, S], tuple[Step, ...]]] = {
    (S.HANDSHAKE, S.IDLE): (lambda client: client.connection.handshakeCompleted(),),
    (S.HANDSHAKE, S.CLOSING): (late,),
    (S.HANDSHAKE, S.CLOSED): (reset,),
}
"""The same over TLS."""

REFUSED: Final[dict[tuple[S, S], tuple[Step, ...]]] = {(S.HANDSHAKE, S.ENDING): ()}
"""The same of a connection for which there is no room."""


class TransitionTests(SynchronousTestCase):
    """
    Connections keep to the table, and the table holds nothing else.
    """

    def setUp(self) -> None:
        self.taken: list[tuple[S, S]] = []
        enter = HTTPConnection._enter

        def recorded(connection: HTTPConnection, state: S, deadline: float) -> None:
            self.taken.append((connection.state, state))
            enter(connection, state, deadline)

        self.patch(HTTPConnection, "_enter", recorded)

    def walk(self, steps: tuple[Step, ...], secure: bool = False, **limits: Any) -> None:
        """A new connection to which `steps` happen."""
        self.taken.clear()
        transport = MemoryTransport()
        if secure:
            alsoProvides(transport, ISSLTransport)
        client = ServerFixture(**limits).connect(transport=transport)
        for step in steps:
            step(client)

    def test_reachable(self) -> None:
        """Each transition of the table is taken by a connection."""
        for table, options in (
            (PLAIN, {}),
            (SECURE, {"secure": True}),
            (REFUSED, {"connections": 0}),
        ):
            for transition, steps in table.items():
                self.walk(steps, **options)
                self.assertIn(transition, self.taken)
        walked = PLAIN.keys() | SECURE.keys() | REFUSED.keys()
        self.assertEqual(
            walked, {(state, after) for state in S for after in TRANSITIONS[state]}
        )

    def test_complete(self) -> None:
        """Every state is in the table, is reached, and leads to CLOSED."""
        self.assertEqual(set(TRANSITIONS), set(S))
        reached = {S.HANDSHAKE}.union(*TRANSITIONS.values())
        self.assertEqual(reached, set(S))
        for state in set(S) - {S.CLOSED}:
            self.assertIn(S.CLOSED, TRANSITIONS[state])

    def test_over(self) -> None:
        """From ENDING on no state takes requests again."""
        for state in S:
            if state >= S.ENDING:
                self.assertTrue(all(after > state for after in TRANSITIONS[state]))

    def test_enforced(self) -> None:
        """A connection refuses every transition that is not in the table."""
        connection = ServerFixture().connect().connection
        for state in S:
            for after in set(S) - TRANSITIONS[state]:
                connection.state = state
                self.assertRaises(RuntimeError, connection._enter, after, 0.0)
                self.assertIs(connection.state, state)
