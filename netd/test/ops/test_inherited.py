"""
Tests for netd.ops.inherited.
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
    Sockets, and how they are handed on.
    """

    def sock(
        self,
        kind: socket.SocketKind = STREAM,
        family: socket.AddressFamily = socket.AF_INET,
        listens: bool = True,
    ) -> socket.socket:
        """One that is closed when the test is over."""
        sock = socket.socket(family, kind)
        self.addCleanup(sock.close)
        if kind is not DATAGRAM and listens:
            if family == socket.AF_UNIX:
                sock.bind(f"\0netd-{os.getpid()}-{id(sock)}")
            sock.listen()
        return sock

    def refuse(self, said: str, found: list[Inherited]) -> None:
        """These fit nothing: the message says `said` of one of them, and all are closed."""
        with self.assertRaises(UsageError) as caught:
            assign(found, LISTENERS)
        self.assertIn(said, str(caught.exception))
        self.assertIn(
            "fits none of the listeners http, udp, https, udp-echo", str(caught.exception)
        )
        self.assertEqual({each.sock.fileno() for each in found}, {-1})


class EnvironmentTests(_Sockets):
    """
    LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES.
    """

    def handed(self, *socks: socket.socket, **environ: str) -> list[Inherited]:
        """What is found when copies of `socks` are the descriptors from 500 on."""
        first = 500
        for number, sock in enumerate(socks, first):
            os.dup2(sock.fileno(), number)
        self.patch(module, "_FIRST", first)
        said = {"LISTEN_PID": "7", "LISTEN_FDS": str(len(socks)), **environ}
        before = dict(said)
        found = inherited(said, 7)
        self.assertEqual(said, before)
        for each in found:
            self.addCleanup(each.sock.close)
        return found

    def wrong(self, said: str, **environ: str) -> None:
        """These variables are refused in these words."""
        with self.assertRaises(UsageError) as caught:
            self.handed(**environ)
        self.assertEqual(str(caught.exception), said)

    def test_none(self) -> None:
        """
        Without the variables, or with those of another process, there are none.
        """
        self.assertEqual(inherited({}, 7), [])
        self.assertEqual(inherited({"LISTEN_FDS": "1"}, 7), [])
        self.assertEqual(self.handed(self.sock(), LISTEN_PID="8"), [])
        os.close(500)

    def test_names(self) -> None:
        """
        Descriptors come with their names, in order, equal ones too.
        """
        found = self.handed(self.sock(), self.sock(DATAGRAM), LISTEN_FDNAMES="a:a")
        self.assertEqual(
            [(each.name, each.descriptor) for each in found], [("a", 500), ("a", 501)]
        )
        self.assertEqual([each.sock.type for each in found], [STREAM, DATAGRAM])

    def test_nameless(self) -> None:
        """
        Names may be missing.
        """
        (found,) = self.handed(self.sock())
        self.assertTrue(found.nameless)

    def test_family(self) -> None:
        """
        Family and type come from the descriptor, for an IPv6 socket of both families too.
        """
        both = self.sock(family=socket.AF_INET6, listens=False)
        both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        both.listen()
        one, two = self.handed(both, self.sock(family=socket.AF_UNIX))
        self.assertEqual(one.sock.family, socket.AF_INET6)
        self.assertEqual(two.sock.family, socket.AF_UNIX)

    def test_ours(self) -> None:
        """
        They do not block, and no child inherits them.
        """
        (found,) = self.handed(self.sock())
        self.assertFalse(found.sock.getblocking())
        self.assertFalse(found.sock.get_inheritable())

    def test_no_number(self) -> None:
        """
        What is no number of descriptors is refused.
        """
        self.wrong("LISTEN_FDS x: not a number", LISTEN_FDS="x")
        self.wrong("LISTEN_FDS -1: not a number", LISTEN_FDS="-1")

    def test_other_number(self) -> None:
        """
        So are more or fewer names than descriptors.
        """
        said = "LISTEN_FDNAMES has 2 names for 1 descriptors"
        self.wrong(said, LISTEN_FDS="1", LISTEN_FDNAMES="a:b")

    def test_no_socket(self) -> None:
        """
        So is a descriptor that is no socket, or not there.
        """
        read, write = os.pipe()
        self.addCleanup(os.close, write)
        self.addCleanup(os.close, read)
        self.patch(module, "_FIRST", read)
        for number in (read, 9_999):
            self.patch(module, "_FIRST", number)
            with self.assertRaises(UsageError) as caught:
                inherited({"LISTEN_PID": "7", "LISTEN_FDS": "1000000000"}, 7)
            self.assertIn(f"LISTEN_FDS: descriptor {number}: ", str(caught.exception))


class AssignTests(_Sockets):
    """
    Which listener gets which socket.
    """

    def test_by_name(self) -> None:
        """
        A name is that of a listener, whatever the order.
        """
        a, b, c = self.sock(), self.sock(DATAGRAM), self.sock()
        found = [Inherited("https", 3, a), Inherited("udp-echo", 4, b), Inherited("http", 5, c)]
        self.assertEqual(assign(found, LISTENERS), {"https": [a], "udp-echo": [b], "http": [c]})

    def test_by_type(self) -> None:
        """
        Without a name, with systemd's word for none, ours, or a unit's, the type says it.
        """
        for name in ("", "unknown", "netd", "netd.socket"):
            a, b = self.sock(DATAGRAM), self.sock()
            self.assertEqual(
                assign([Inherited(name, 3, a), Inherited(name, 4, b)], LISTENERS),
                {"http": [b], "udp": [a]},
            )

    def test_same_name(self) -> None:
        """
        Several of one name are one listener's, as those of two families are.
        """
        a, b = self.sock(), self.sock(family=socket.AF_INET6)
        found = [Inherited("http", 3, a), Inherited("http", 4, b)]
        self.assertEqual(assign(found, LISTENERS), {"http": [a, b]})

    def test_unix(self) -> None:
        """
        A stream socket may have a path.
        """
        a = self.sock(family=socket.AF_UNIX)
        self.assertEqual(assign([Inherited("http", 3, a)], LISTENERS), {"http": [a]})

    def test_unknown(self) -> None:
        """
        A name of no listener is refused.
        """
        self.refuse(
            "descriptor 3, named web, a stream socket", [Inherited("web", 3, self.sock())]
        )

    def test_other_type(self) -> None:
        """
        So is a listener's name on a socket of another type.
        """
        self.refuse("a datagram socket", [Inherited("http", 3, self.sock(DATAGRAM))])
        self.refuse("a stream socket", [Inherited("udp", 3, self.sock())])
        packets = self.sock(socket.SOCK_SEQPACKET, socket.AF_UNIX)
        self.refuse("a SOCK_SEQPACKET socket", [Inherited("", 3, packets)])
        letters = self.sock(DATAGRAM, socket.AF_UNIX)
        self.refuse("a datagram socket", [Inherited("udp", 3, letters)])

    def test_connection(self) -> None:
        """
        So is a stream socket that does not listen, such as a connection.
        """
        self.refuse("descriptor 3", [Inherited("http", 3, self.sock(listens=False))])

    def test_second(self) -> None:
        """
        So is a second one without a name, whether the first had one or not.
        """
        for first in ("", "http"):
            found = [Inherited("", 4, self.sock()), Inherited(first, 3, self.sock())]
            with self.assertRaises(UsageError):
                assign(found, LISTENERS)

    def test_off(self) -> None:
        """
        So is one for a listener that is turned off.
        """
        with self.assertRaises(UsageError) as caught:
            assign([Inherited("", 3, self.sock(DATAGRAM))], {"http": STREAM})
        self.assertEqual(
            str(caught.exception),
            "LISTEN_FDS: descriptor 3, a datagram socket, fits none of the listeners http",
        )
