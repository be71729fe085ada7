"""
The request as it came, and the machine.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.test.lab.calling import ask, bench, said, shown, steps


class RawTests(SynchronousTestCase):
    """
    `/raw` and `/dump/request`.
    """

    def test_exact(self) -> None:
        """Bytes, order, case and repeats are those that came."""
        for path in ("/raw", "/dump/request"):
            reply = ask(f"BREW {path}", "b: 2", "A:  1 ", "b:\t3", "X: é", body=b"\xff\x00")
            wanted = (
                f"BREW {path} HTTP/1.1\r\nHost: netd\r\nb: 2\r\nA:  1 \r\nb:\t3\r\nX: é\r\n"
            )
            wanted += "Content-Length: 2\r\n\r\n"
            whole = wanted.encode() + b"\xff\x00"
            self.assertEqual((said(reply), reply.length), (whole, len(whole)))

    def test_pieces(self) -> None:
        """A large body is said in pieces."""
        self.assertEqual(len(steps(ask("PUT /raw", body=bytes(200_000)))), 5)


class MachineTests(SynchronousTestCase):
    """
    What is told of the machine.
    """

    def test_hidden(self) -> None:
        """Nothing, unless the command line says so."""
        for name in ("hostname", "version"):
            self.assertEqual(self.assertRaises(BadCall, ask, f"GET /{name}").status, 403)

    def test_revealed(self) -> None:
        """Then just that."""
        on = bench(hostname="box", version="1.2")
        self.assertEqual(shown(ask("GET /hostname", on=on)), {"hostname": "box"})
        self.assertEqual(shown(ask("GET /version", on=on)), {"version": "1.2"})

    def test_environment(self) -> None:
        """Only variables NETD_ENV_*."""
        on = bench(
            environ={"NETD_ENV_A": "1", "NETD_PORT": "2", "PATH": "x", "XNETD_ENV_": "3"}
        )
        self.assertEqual(shown(ask("GET /env", on=on)), {"env": {"NETD_ENV_A": "1"}})

    def test_tls(self) -> None:
        """What was agreed upon, or null."""
        self.assertEqual(shown(ask("GET /tls")), {"tls": None})
        found = shown(ask("GET /tls", tls=lambda: {"version": "TLSv1.3"}))
        self.assertEqual(found, {"tls": {"version": "TLSv1.3"}})

    def test_head(self) -> None:
        """/head is for HEAD."""
        self.assertEqual(said(ask("HEAD /head")), b"")
