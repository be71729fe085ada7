"""
Inherited sockets: systemd-socket-activate, and a parent that keeps them.
"""

from __future__ import annotations

import socket
import sys
import threading
import xmlrpc.client
from collections.abc import Callable, Sequence
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests import pass_sockets
from tests.certificates import certificate
from tests.clients import GREETING, curl, datagrams, exchange
from tests.load import Load
from tests.programs import needs
from tests.running import (
    DEADLINE,
    MODULE,
    Daemon,
    eventually,
    free_port,
    run,
    temporary_directory,
)

_PASSED = ("NETD_PORT", "NETD_DELAY", "NETD_UDP", "NOTIFY_SOCKET", "PYTHONPATH")


def get(address: tuple[str, int]) -> bytes | None:
    """The response to a request; None when there is none."""
    try:
        return exchange(address, b"GET / HTTP/1.0\r\n\r\n")
    except ConnectionError:
        return None


def echo(address: tuple[str, int]) -> bytes | None:
    """The echo of a datagram; None when it does not come soon."""
    with datagrams("::1" if ":" in address[0] else "127.0.0.1", timeout=0.2) as sock:
        sock.connect(address)
        try:
            sock.send(b"hello")
            return sock.recv(100)
        except (TimeoutError, ConnectionError):
            return None


@needs("systemd-socket-activate")
class ActivateTests(SynchronousTestCase):
    """
    `systemd-socket-activate`, which starts netd for the first client.
    """

    def activated(
        self,
        ask: Callable[[tuple[str, int]], bytes | None],
        kind: socket.SocketKind,
        *words: str,
        netd: Sequence[str] = (),
    ) -> tuple[Daemon, bytes]:
        """The daemon that the first client starts, and the response to that client."""
        address = ("127.0.0.1", free_port(kind))
        datagram = ("-d",) if kind is socket.SOCK_DGRAM else ()
        way = (
            *("systemd-socket-activate", *datagram, "-l", f"127.0.0.1:{address[1]}", *words),
            *(f"--setenv={name}" for name in _PASSED),
            *MODULE,
        )
        got: list[bytes] = []
        first = threading.Thread(
            target=lambda: got.append(eventually(lambda: ask(address), "a response"))
        )
        first.start()
        self.addCleanup(first.join)
        daemon = self.enterContext(Daemon("--delay=10ms", *netd, way=way))
        first.join(DEADLINE)
        return daemon, got[0]

    @needs("curl")
    def test_stream(self) -> None:
        """
        A stream socket without a name is the HTTP port; the UDP echo listens as usual.
        """
        daemon, got = self.activated(get, socket.SOCK_STREAM)
        self.assertTrue(got.endswith(GREETING), got)
        self.assertNotEqual(daemon.where("udp").port, daemon.where().port)
        self.assertEqual(curl(daemon.url).body, GREETING)

    @needs("curl")
    def test_datagram(self) -> None:
        """
        A datagram socket without a name is the UDP echo.
        """
        daemon, got = self.activated(echo, socket.SOCK_DGRAM)
        self.assertEqual(got, b"hello")
        self.assertEqual(curl(daemon.url).body, GREETING)

    @needs("curl")
    def test_named(self) -> None:
        """
        The name of a stream socket chooses its listener.
        """
        daemon, got = self.activated(
            get, socket.SOCK_STREAM, "--fdname=files-http", netd=("--files-http=1",)
        )
        self.assertNotEqual(daemon.where("files-http").port, 1)
        self.assertNotIn(GREETING, got)
        self.assertEqual(curl(daemon.url).body, GREETING)

    def test_namedDatagram(self) -> None:
        """
        The name of a datagram socket chooses its listener.
        """
        daemon, got = self.activated(
            echo, socket.SOCK_DGRAM, "--fdname=udp-echo", netd=("--service=echo=udp:1",)
        )
        self.assertEqual(got, b"hello")
        self.assertNotEqual(daemon.where("udp-echo").port, 1)


class HandedTests(SynchronousTestCase):
    """
    A parent that opens sockets and keeps them.
    """

    def sock(
        self,
        kind: socket.SocketKind = socket.SOCK_STREAM,
        family: socket.AddressFamily = socket.AF_INET,
        host: str = "127.0.0.1",
    ) -> socket.socket:
        """A bound socket that the test closes at its end."""
        sock = self.enterContext(socket.socket(family, kind))
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, 0))
        if kind is socket.SOCK_STREAM:
            sock.listen(4096)
        return sock

    def daemon(
        self, *words: str | Path, names: Sequence[str] | None, socks: Sequence[socket.socket]
    ) -> Daemon:
        """A daemon that inherits `socks`."""
        way = (*pass_sockets.way(names, socks), *MODULE)
        numbers = [sock.fileno() for sock in socks]
        return Daemon("--delay=10ms", *words, way=way, inherit=numbers)

    def echoes(self, address: tuple[str, int]) -> None:
        """Datagrams come back."""
        self.assertEqual(eventually(lambda: echo(address), "an echo"), b"hello")

    @needs("curl")
    def test_byType(self) -> None:
        """
        Without names the stream socket is for HTTP and the datagram socket for UDP.
        """
        for names in (None, ("netd", "netd"), ("netd.socket", "netd.socket")):
            datagrams, streams = self.sock(socket.SOCK_DGRAM), self.sock()
            with self.daemon(names=names, socks=(datagrams, streams)) as daemon:
                self.assertEqual(daemon.address(), streams.getsockname())
                self.assertEqual(daemon.address("udp"), datagrams.getsockname())
                self.assertEqual(curl(daemon.url).body, GREETING)
                self.echoes(daemon.address("udp"))

    @needs("curl")
    def test_sameName(self) -> None:
        """
        Two sockets of one name are both served.
        """
        one, two = self.sock(), self.sock(family=socket.AF_INET6, host="::1")
        daemon = self.enterContext(self.daemon(names=("http", "http"), socks=(one, two)))
        for number in (one.getsockname()[1], two.getsockname()[1]):
            self.assertEqual(curl(f"http://localhost:{number}/").body, GREETING)
        self.assertEqual(daemon.where().port, one.getsockname()[1])

    @needs("curl")
    def test_bothFamilies(self) -> None:
        """
        Clients of both families are served on one socket and logged with their own addresses.
        """
        streams = self.sock(family=socket.AF_INET6, host="::")
        datagrams = self.sock(socket.SOCK_DGRAM, socket.AF_INET6, "::")
        daemon = self.enterContext(self.daemon(names=None, socks=(streams, datagrams)))
        number = streams.getsockname()[1]
        for host, peer in (("127.0.0.1", "127.0.0.1"), ("[::1]", "::1")):
            url = f"http://{host}:{number}/ip"
            self.assertEqual(curl(url).text, f'{{\n  "origin": "{peer}"\n}}\n')
            with xmlrpc.client.ServerProxy(f"http://{host}:{number}/RPC2") as rpc:
                self.assertEqual(rpc.ip.whoami()["address"], peer)  # type: ignore[call-overload, index]  # a proxy has every method
            self.echoes((host.strip("[]"), datagrams.getsockname()[1]))
        self.assertRegex(daemon.logged("::1 - - "), r"(?m)^127\.0\.0\.1 - - ")
        self.assertNotIn("::ffff:", daemon.log)

    @needs("openssl", "curl")
    def test_https(self) -> None:
        """
        A socket named https is served with TLS.
        """
        folder = self.enterContext(temporary_directory())
        leaf, key = certificate(folder)
        sock = self.sock()
        daemon = self.enterContext(
            self.daemon(
                *("--https=1", f"--certificate={leaf}", f"--private-key={key}"),
                names=("https",),
                socks=(sock,),
            )
        )
        url = f"https://localhost:{daemon.where('https').port}/"
        self.assertEqual(curl(url, "--cacert", str(leaf)).body, GREETING)
        self.assertEqual(daemon.where("https").port, sock.getsockname()[1])

    @needs("curl")
    def test_path(self) -> None:
        """
        An inherited UNIX socket still exists when the daemon has ended.
        """
        folder = self.enterContext(temporary_directory())
        sock = self.enterContext(socket.socket(socket.AF_UNIX))
        sock.bind(str(folder / "s"))
        sock.listen()
        for _ in range(2):
            with self.daemon(names=("http",), socks=(sock,)):
                got = curl("http://localhost/", "--unix-socket", str(folder / "s"))
                self.assertEqual(got.body, GREETING)
        self.assertTrue((folder / "s").exists())

    def test_nothing(self) -> None:
        """
        A descriptor that fits no listener stops the start with one line.
        """
        sock = self.sock()
        with self.assertRaises(AssertionError) as caught:
            self.enterContext(self.daemon(names=("web",), socks=(sock,)))
        self.assertIn(
            "netd: LISTEN_FDS: descriptor 3, named web, a stream socket, fits none of the "
            "listeners http, udp",
            str(caught.exception),
        )

    def test_restarts(self) -> None:
        """
        Three restarts under load on inherited sockets lose no request.
        """
        sock = self.sock()
        with Load(sock.getsockname()) as load:
            for _ in range(3):
                with self.daemon(names=("http",), socks=(sock,)):
                    load.more(50)
            # Clients that came after the last stop wait in the queue of the socket.
            with self.daemon(names=("http",), socks=(sock,)):
                load.more(50)
                load.stop()
        self.assertEqual(load.failures, [])
        self.assertEqual(set(load.answered), {200})


_FORBID = (
    "import ctypes, os, sys\n"
    # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN (prctl(2)).
    "if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0): sys.exit(77)\n"
    "os.execv(sys.argv[1], sys.argv[1:])\n"
)


@needs("openssl", "curl")
class MemoryTests(SynchronousTestCase):
    """
    A process that cannot make written memory executable, as under MemoryDenyWriteExecute=yes.
    """

    def test_tls(self) -> None:
        """
        HTTPS stops the start with one line; without HTTPS netd runs.
        """
        folder = self.enterContext(temporary_directory())
        leaf, key = certificate(folder)
        forbid = (sys.executable, "-c", _FORBID)
        done = run(
            *(*forbid, *MODULE, "--port=0", "--https=0"),
            *(f"--certificate={leaf}", f"--private-key={key}"),
        )
        if done.status == 77:
            raise SkipTest("this kernel has no PR_SET_MDWE")
        self.assertEqual((done.status, done.out), (1, ""))
        self.assertEqual(
            done.err,
            f"netd: --certificate {leaf}: TLS needs memory that is written and then run, "
            "which is forbidden here\n",
        )
        daemon = self.enterContext(Daemon("--delay=10ms", way=(*forbid, *MODULE)))
        self.assertEqual(curl(daemon.url).body, GREETING)
