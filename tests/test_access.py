"""
Access lists, PROXY headers, UNIX sockets and addresses beyond loopback.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import ssl
import stat
import tempfile

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.certificates import certificate
from tests.clients import connect, curl, datagrams, exchange, receive
from tests.programs import needs
from tests.running import (
    DEADLINE,
    MODULE,
    Daemon,
    eventually,
    run,
    run_netd,
    succeed,
    temporary_directory,
)

V1 = b"PROXY TCP4 203.0.113.9 192.0.2.2 4711 80\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: netd\r\nConnection: close\r\n\r\n"


def received(sock: socket.socket) -> bytes:
    """All bytes until the connection closes; none when it is reset."""
    try:
        return receive(sock)
    except ConnectionResetError:
        return b""


class ListTests(SynchronousTestCase):
    """
    `--allow` and `--deny`.
    """

    def test_lists(self) -> None:
        """
        The same lists hold for HTTP, for the small services and for datagrams.
        """
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("# ours\n127.0.0.0/8 \n\n")
            file.flush()
            daemon = self.enterContext(
                Daemon(
                    *("--allow", f"@{file.name}", "--deny", "127.0.0.2", "--udp", "udp:0"),
                    *("--service", "echo=tcp:0"),
                )
            )
        for host, allowed in (("127.0.0.1", True), ("127.0.0.2", False), ("127.0.0.3", True)):
            for name, say in (("http", GET), ("tcp-echo", b"x")):
                with socket.socket() as sock:
                    sock.bind((host, 0))
                    sock.settimeout(DEADLINE)
                    sock.connect(daemon.address(name))
                    try:
                        sock.sendall(say)
                        response = sock.recv(100)
                    except OSError:
                        response = b""
                    denied = b"HTTP/1.1 403 " if name == "http" else b""
                    self.assertEqual(response.startswith(denied), not allowed or not denied)
                    self.assertEqual(bool(response), allowed or bool(denied), (host, name))
            with datagrams(host, timeout=DEADLINE if allowed else 0.3) as sock:
                sock.sendto(b"x", daemon.address("udp"))
                try:
                    self.assertEqual((sock.recv(10), allowed), (b"x", True))
                except TimeoutError:
                    self.assertFalse(allowed)

    @needs("curl")
    def test_localProbes(self) -> None:
        """
        Loopback may ask the probes although --allow leaves it out, and nothing else.
        """
        daemon = self.enterContext(Daemon("--allow", "192.0.2.0/24"))
        port = str(daemon.where().port)
        words = ("--healthcheck", "--allow", "192.0.2.0/24", "--port", port)
        self.assertEqual(run_netd(*words).status, 0)
        for path, status in (
            ("/healthz", 200),
            ("/readyz", 200),
            ("/metrics", 200),
            ("/get", 403),
            ("/RPC2", 403),
        ):
            self.assertEqual(curl(f"{daemon.url}{path}").status, status, path)
        denied = self.enterContext(Daemon("--deny", "127.0.0.0/8"))
        self.assertEqual(curl(f"{denied.url}/healthz").status, 403)

    @needs("openssl", "curl")
    def test_told(self) -> None:
        """
        Denied clients get a 403, over TLS and with a large body too; of many, some are closed.
        """
        folder = self.enterContext(temporary_directory())
        path, key = certificate(folder)
        secure = ("--https", "0", "--certificate", path, "--private-key", key)
        daemon = self.enterContext(Daemon("--deny", "127.0.0.2", *secure))
        from_there = ("--interface", "127.0.0.2")
        body = folder / "body"
        body.write_bytes(bytes(500_000))
        port = daemon.where("https").port
        for url, *more in (
            (f"https://localhost:{port}/", "--cacert", str(path)),
            (f"{daemon.url}/post", "--data-binary", f"@{body}"),
        ):
            response = curl(url, *from_there, *more)
            self.assertEqual(response.status, 403)
            self.assertEqual(response.body, b"connections from your network are refused here\n")
        crowd = [
            self.enterContext(
                socket.create_connection(
                    daemon.address(), DEADLINE, source_address=("127.0.0.2", 0)
                )
            )
            for _ in range(100)
        ]
        for each in crowd:
            with contextlib.suppress(OSError):
                each.sendall(GET)
        # The speed of the clients decides how many of them get the response.
        for each in crowd:
            self.assertIn(received(each)[:13], (b"HTTP/1.1 403 ", b""))
        self.assertEqual(curl(f"{daemon.url}/healthz").status, 200)

    def test_refused(self) -> None:
        """
        A wrong list stops the start with one line that names the list.
        """
        for option, value, message in (
            ("--allow", "10.0.0.1/8", "did you mean 10.0.0.0/8?"),
            ("--deny", "@/nowhere", "No such file"),
            ("--proxy-from", "localhost", "not an IP network"),
            ("--service", "chargen=udp:0", "not offered over udp"),
        ):
            done = run_netd("--port", "0", option, value)
            self.assertEqual(done.status, 1)
            self.assertIn(f"netd: {option} {value}: ", done.err)
            self.assertIn(message, done.err)


class ProxyTests(SynchronousTestCase):
    """
    `--proxy-from`.
    """

    @needs("curl")
    def test_curl(self) -> None:
        """
        A request of curl behind its PROXY header gets a response.
        """
        daemon = self.enterContext(Daemon("--proxy-from", "127.0.0.0/8"))
        response = curl(f"{daemon.url}/healthz", "--haproxy-protocol", "-4")
        self.assertEqual(response.body, b"ok\n")

    @needs("openssl")
    def test_tls(self) -> None:
        """
        A TLS handshake follows the PROXY header; the log names the client in the header.
        """
        folder = self.enterContext(temporary_directory())
        path, key = certificate(folder)
        daemon = self.enterContext(
            Daemon(
                *("--proxy-from", "127.0.0.1", "--https", "0"),
                *("--certificate", path, "--private-key", key),
            )
        )
        where = daemon.address("https")
        with connect(where) as plain:
            plain.sendall(V1)
            context = ssl.create_default_context(cafile=str(path))
            with context.wrap_socket(plain, server_hostname="localhost") as sock:
                sock.sendall(GET)
                self.assertTrue(receive(sock).endswith(b"ok\n"))
        daemon.logged("203.0.113.9")
        # A TLS handshake without a PROXY header is a bad header.
        with connect(where) as plain, self.assertRaises((ssl.SSLError, OSError)):
            ssl.create_default_context(cafile=str(path)).wrap_socket(
                plain, server_hostname="localhost"
            )

    def test_cut(self) -> None:
        """
        A PROXY header may come byte by byte; the log names the client in the header.
        """
        daemon = self.enterContext(Daemon("--proxy-from", "127.0.0.1"))
        with connect(daemon.address()) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in V1 + GET:
                sock.sendall(bytes((byte,)))
            self.assertTrue(receive(sock).endswith(b"ok\n"))
        daemon.logged("203.0.113.9")

    def test_noHeader(self) -> None:
        """
        A proxy that sends no header gets no response, and the log says who that was.
        """
        daemon = self.enterContext(Daemon("--proxy-from", "127.0.0.1"))
        for _ in range(3):
            with connect(daemon.address()) as sock:
                sock.sendall(GET)
                self.assertEqual(received(sock), b"")
        daemon.stop()
        # One line has those of a second.
        text = r"refused 127\.0\.0\.1 at http(?:, and (\d) others?)?: no PROXY header"
        others = re.findall(text, daemon.log)
        self.assertEqual(sum(1 + int(each or 0) for each in others), 3, daemon.log)

    @needs("curl")
    def test_forged(self) -> None:
        """
        A PROXY header from another peer closes the connection; without one it is served.
        """
        daemon = self.enterContext(
            Daemon("--proxy-from", "192.0.2.0/24", "--service", "echo=tcp:0")
        )
        for name in ("http", "tcp-echo"):
            with connect(daemon.address(name)) as sock:
                sock.sendall(V1 + GET)
                self.assertEqual(received(sock), b"")
        self.assertEqual(curl(f"{daemon.url}/healthz").body, b"ok\n")

    def test_deniedClient(self) -> None:
        """
        The lists hold for the client in the PROXY header.
        """
        daemon = self.enterContext(
            Daemon("--proxy-from", "127.0.0.1", "--deny", "203.0.113.0/24")
        )
        response = exchange(daemon.address(), V1 + GET)
        self.assertTrue(response.startswith(b"HTTP/1.1 403 Forbidden\r\n"), response)
        self.assertTrue(
            response.endswith(b"\r\n\r\nconnections from your network are refused here\n"),
            response,
        )


@needs("curl")
class UnixTests(SynchronousTestCase):
    """
    A UNIX socket.
    """

    def test_curl(self) -> None:
        """
        HTTP works over a UNIX socket of the requested mode, which a stop removes.
        """
        folder = self.enterContext(temporary_directory())
        path = folder / "web.sock"
        for _ in range(2):
            daemon = self.enterContext(Daemon("--http", f"unix:{path}:mode=600"))
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
            response = curl("http://localhost/healthz", "--unix-socket", str(path))
            self.assertEqual((response.status, response.body), (200, b"ok\n"))
            daemon.stop()
            self.assertFalse(path.exists())

    def test_forwarded(self) -> None:
        """
        A client of a UNIX socket counts as 127.0.0.1 for --trust-forwarded.
        """
        folder = self.enterContext(temporary_directory())
        path = folder / "web.sock"
        forwarded = ("-H", "X-Forwarded-For: 203.0.113.9", "-H", "X-Forwarded-Proto: https")
        for options, origin, scheme in (
            ((), "203.0.113.9", "https"),
            (("--trust-forwarded", "192.0.2.0/24"), "127.0.0.1", "http"),
        ):
            self.enterContext(Daemon("--http", f"unix:{path}", *options))
            response = curl("http://localhost/get", "--unix-socket", str(path), *forwarded)
            shown = json.loads(response.body)
            self.assertEqual(
                (shown["origin"], shown["url"]), (origin, f"{scheme}://localhost/get")
            )
            path.unlink()


@needs("ip")
class NamespaceTests(SynchronousTestCase):
    """
    Two network namespaces with a link between them: addresses that are not loopback.
    """

    def setUp(self) -> None:
        self.near, self.far = f"netd-a{os.getpid()}", f"netd-b{os.getpid()}"
        if run("ip", "netns", "add", self.near).status:
            raise SkipTest("no network namespaces here")
        self.addCleanup(run, "ip", "netns", "del", self.near)
        succeed("ip", "netns", "add", self.far)
        self.addCleanup(run, "ip", "netns", "del", self.far)
        succeed(
            *("ip", "-n", self.near, "link", "add", "wire", "type", "veth"),
            *("peer", "name", "wire", "netns", self.far),
        )
        for name, number in ((self.near, 1), (self.far, 2)):
            for words in (
                f"addr add 192.0.2.{number}/24 dev wire",
                f"addr add 2001:db8::{number}/64 dev wire nodad",
                f"addr add fe80::{number}/64 dev wire nodad",
                "link set wire up",
                "link set lo up",
            ):
                succeed("ip", "-n", name, *words.split())

    def daemon(self, *arguments: str) -> Daemon:
        """A daemon in the first namespace."""
        way = ("ip", "netns", "exec", self.near, *MODULE)
        return self.enterContext(Daemon(*arguments, way=way))

    def ask(self, source: int, port: int, host: str = "192.0.2.1") -> str:
        """
        The response that socat gets in the second namespace, from port `source` to `port`.
        """
        kind = "UDP6" if ":" in host else "UDP4"
        host = f"[{host}]" if ":" in host else host
        done = run(
            *("ip", "netns", "exec", self.far, "socat", "-t", "0.5", "-"),
            f"{kind}:{host}:{port},sourceport={source}",
            stdin="hello",
        )
        return done.out

    def responds(
        self, source: int, port: int, host: str = "192.0.2.1", length: int = 5
    ) -> None:
        """A response of this length comes, perhaps not soon enough for the first socat."""
        eventually(lambda: len(self.ask(source, port, host)) == length or None, "a response")

    @needs("socat")
    def test_sources(self) -> None:
        """
        Privileged and often forged source ports get no response, unless --udp-any-source.
        """
        port = self.daemon("--udp", "udp:0:interface=*").where("udp").port
        lab = self.daemon("--udp", "udp:0:interface=*", "--udp-any-source", "yes")
        for host in ("192.0.2.1", "2001:db8::1"):
            self.responds(40_000, port, host)
            for source in (53, 1900, 11_211):
                self.assertEqual(self.ask(source, port, host), "")
            self.responds(53, lab.where("udp").port, host)
            self.assertEqual(self.ask(19, lab.where("udp").port, host), "")

    @needs("socat")
    def test_shortQuestions(self) -> None:
        """
        A request shorter than its response gets none, unless --allow names the source.
        """
        service = ("--service", "daytime=udp:0:interface=192.0.2.1")
        stranger, known = self.daemon(*service), self.daemon(*service, "--allow", "192.0.2.2")
        self.assertEqual(self.ask(40_000, stranger.where("udp-daytime").port), "")
        self.responds(40_000, known.where("udp-daytime").port, length=26)
        stranger.logged("short question")

    @needs("curl", "socat")
    def test_linkLocal(self) -> None:
        """
        netd listens on a link-local address, announces it and responds from it.
        """
        daemon = self.daemon(
            *("--http", r"tcp6:0:interface=fe80\:\:1%wire", "--udp", "udp:0:interface=*")
        )
        where = daemon.where("http-2")
        self.assertEqual(where.host, "fe80::1%wire")
        done = run(
            *("ip", "netns", "exec", self.far, "curl", "-qsS", "--noproxy", "*"),
            f"http://[fe80::1%25wire]:{where.port}/healthz",
        )
        self.assertEqual(done.out, "ok\n", done.err)
        port = daemon.where("udp").port
        self.responds(40_000, port, "fe80::1%wire")

    @needs("curl")
    def test_deny(self) -> None:
        """
        A denied network of another host gets a 403.
        """
        daemon = self.daemon("--http", "tcp:0:interface=192.0.2.1", "--deny", "192.0.2.2")
        done = run(
            *("ip", "netns", "exec", self.far, "curl", "-qsS", "--noproxy", "*"),
            f"http://192.0.2.1:{daemon.where('http-2').port}/healthz",
        )
        self.assertEqual(
            (done.out, done.status), ("connections from your network are refused here\n", 0)
        )
