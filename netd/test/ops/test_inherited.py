"""
Tests of netd.ops.inherited.
"""

from __future__ import annotations

import os
import socket

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from netd.ops import inherited as module
from netd.ops.inherited import Inherited, assign, inherited

STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
LISTENERS = {"http": STREAM, "udp": DATAGRAM, "https": STREAM, "udp-echo": DATAGRAM}


class _Sockets(SynchronousTestCase):
    """
    Sockets to inherit.
    """

    def sock(
        self,
        kind: socket.SocketKind = STREAM,
        family: socket.AddressFamily = socket.AF_INET,
        listens: bool = True,
    ) -> socket.socket:
        """A socket that is closed after the test."""
        sock = socket.socket(family, kind)
        self.addCleanup(sock.close)
        if kind is not DATAGRAM and listens:
            if family == socket.AF_UNIX:
                sock.bind(f"\0netd-{os.getpid()}-{id(sock)}")
            sock.listen()
        return sock

    def refuse(self, words: str, sockets: list[Inherited]) -> None:
        """Check that assigning `sockets` is refused with `words`, and closes all of them."""
        caught = self.assertRaises(UsageError, assign, sockets, LISTENERS)
        self.assertIn(words, str(caught))
        self.assertIn("fits none of the listeners http, udp, https, udp-echo", str(caught))
        self.assertEqual({item.sock.fileno() for item in sockets}, {-1})


class EnvironmentTests(_Sockets):
    """
    LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES.
    """

    def handed(self, *socks: socket.socket, **environ: str) -> list[Inherited]:
        """The inherited sockets when copies of `socks` are the descriptors from 500 on."""
        first = 500
        for number, sock in enumerate(socks, first):
            os.dup2(sock.fileno(), number)
        self.patch(module, "_FIRST", first)
        variables = {"LISTEN_PID": "7", "LISTEN_FDS": str(len(socks)), **environ}
        before = dict(variables)
        sockets = inherited(variables, 7)
        self.assertEqual(variables, before)
        for item in sockets:
            self.addCleanup(item.sock.close)
        return sockets

    def fails(self, message: str, **environ: str) -> None:
        """Check that these variables are refused with `message`."""
        caught = self.assertRaises(UsageError, self.handed, **environ)
        self.assertEqual(str(caught), message)

    def test_none(self) -> None:
        """Without the variables, or with those of another process, nothing is inherited."""
        self.assertEqual(inherited({}, 7), [])
        self.assertEqual(inherited({"LISTEN_FDS": "1"}, 7), [])
        self.assertEqual(self.handed(self.sock(), LISTEN_PID="8"), [])
        os.close(500)

    def test_names(self) -> None:
        """Sockets are in order and have their names, which may be equal."""
        sockets = self.handed(self.sock(), self.sock(DATAGRAM), LISTEN_FDNAMES="a:a")
        self.assertEqual(
            [(item.name, item.descriptor) for item in sockets], [("a", 500), ("a", 501)]
        )
        self.assertEqual([item.sock.type for item in sockets], [STREAM, DATAGRAM])

    def test_nameless(self) -> None:
        """Names may be missing."""
        (item,) = self.handed(self.sock())
        self.assertTrue(item.nameless)

    def test_family(self) -> None:
        """The family comes from the descriptor, also for an IPv6 socket of both families."""
        both = self.sock(family=socket.AF_INET6, listens=False)
        both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        both.listen()
        first, second = self.handed(both, self.sock(family=socket.AF_UNIX))
        self.assertEqual(first.sock.family, socket.AF_INET6)
        self.assertEqual(second.sock.family, socket.AF_UNIX)

    def test_ours(self) -> None:
        """Sockets do not block, and no child inherits them."""
        (item,) = self.handed(self.sock())
        self.assertFalse(item.sock.getblocking())
        self.assertFalse(item.sock.get_inheritable())

    def test_noNumber(self) -> None:
        """LISTEN_FDS must be a number."""
        self.fails("LISTEN_FDS x: not a number", LISTEN_FDS="x")
        self.fails("LISTEN_FDS -1: not a number", LISTEN_FDS="-1")

    def test_otherNumber(self) -> None:
        """The number of names must be that of the descriptors."""
        message = "LISTEN_FDNAMES: not 1 names, as LISTEN_FDS says, but 2"
        self.fails(message, LISTEN_FDS="1", LISTEN_FDNAMES="a:b")

    def test_noSocket(self) -> None:
        """A descriptor must be open and a socket."""
        read, write = os.pipe()
        self.addCleanup(os.close, write)
        self.addCleanup(os.close, read)
        self.patch(module, "_FIRST", read)
        for number in (read, 9_999):
            self.patch(module, "_FIRST", number)
            caught = self.assertRaises(
                UsageError, inherited, {"LISTEN_PID": "7", "LISTEN_FDS": "1000000000"}, 7
            )
            self.assertIn(f"LISTEN_FDS: descriptor {number}: ", str(caught))


class AssignTests(_Sockets):
    """
    The sockets of listeners.
    """

    def test_byName(self) -> None:
        """A socket is assigned to the listener of its name."""
        a, b, c = self.sock(), self.sock(DATAGRAM), self.sock()
        sockets = [
            Inherited("https", 3, a),
            Inherited("udp-echo", 4, b),
            Inherited("http", 5, c),
        ]
        self.assertEqual(
            assign(sockets, LISTENERS), {"https": [a], "udp-echo": [b], "http": [c]}
        )

    def test_byType(self) -> None:
        """A socket without a listener's name is assigned by its type."""
        for name in ("", "unknown", "netd", "netd.socket"):
            a, b = self.sock(DATAGRAM), self.sock()
            self.assertEqual(
                assign([Inherited(name, 3, a), Inherited(name, 4, b)], LISTENERS),
                {"http": [b], "udp": [a]},
            )

    def test_sameName(self) -> None:
        """Several sockets of one name are assigned to one listener."""
        a, b = self.sock(), self.sock(family=socket.AF_INET6)
        sockets = [Inherited("http", 3, a), Inherited("http", 4, b)]
        self.assertEqual(assign(sockets, LISTENERS), {"http": [a, b]})

    def test_unix(self) -> None:
        """A stream socket may be a UNIX socket."""
        a = self.sock(family=socket.AF_UNIX)
        self.assertEqual(assign([Inherited("http", 3, a)], LISTENERS), {"http": [a]})

    def test_unknown(self) -> None:
        """A name without a listener is refused."""
        self.refuse(
            "descriptor 3, named web, a stream socket", [Inherited("web", 3, self.sock())]
        )

    def test_otherType(self) -> None:
        """A socket of another type than its listener's is refused."""
        self.refuse("a datagram socket", [Inherited("http", 3, self.sock(DATAGRAM))])
        self.refuse("a stream socket", [Inherited("udp", 3, self.sock())])
        sequenced = self.sock(socket.SOCK_SEQPACKET, socket.AF_UNIX)
        self.refuse("a SOCK_SEQPACKET socket", [Inherited("", 3, sequenced)])
        unix = self.sock(DATAGRAM, socket.AF_UNIX)
        self.refuse("a datagram socket", [Inherited("udp", 3, unix)])

    def test_connection(self) -> None:
        """A stream socket that does not listen is refused."""
        self.refuse("descriptor 3", [Inherited("http", 3, self.sock(listens=False))])

    def test_second(self) -> None:
        """A second socket without a name is refused, whether the first has one or not."""
        for first in ("", "http"):
            sockets = [Inherited("", 4, self.sock()), Inherited(first, 3, self.sock())]
            with self.assertRaises(UsageError):
                assign(sockets, LISTENERS)

    def test_off(self) -> None:
        """A socket for a listener that is turned off is refused."""
        caught = self.assertRaises(
            UsageError, assign, [Inherited("", 3, self.sock(DATAGRAM))], {"http": STREAM}
        )
        self.assertEqual(
            str(caught),
            "LISTEN_FDS: descriptor 3, a datagram socket, fits none of the listeners http",
        )
