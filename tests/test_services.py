"""
The UDP echo and the small services as their own clients see them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import threading
from functools import partial

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.clients import connect, curl, datagrams, receive, resident, samples, threads
from tests.programs import need, needs
from tests.running import (
    DEADLINE,
    Daemon,
    eventually,
    run,
    shared,
    temporary_directory,
    undisturbed,
)

_MOST = 300 * 1024 * 1024


def services(*endpoints: str) -> list[str]:
    """The options for these services, each on a port of the kernel's choice."""
    return [word for each in endpoints for word in ("--service", f"{each}:0")]


def _decided(daemon: Daemon) -> bool | None:
    """True when a hundred datagrams have had a response, or been lost."""
    found = samples(curl(f"{daemon.url}/metrics").text)
    lost = found.get(("netd_udp_drops_total", "impairment"), 0.0)
    return found["netd_udp_datagrams_sent_total",] + lost == 100 or None


def _socat(where: str, datagram: str) -> str:
    """The response to a datagram; socat waits half a second for it, and asks again."""
    words = ("socat", "-t", "0.5", "-", where)
    return eventually(lambda: run(*words, stdin=datagram).out or None, "a response")


class DatagramTests(SynchronousTestCase):
    """
    Datagrams.
    """

    @needs("curl")
    def test_spoofedOwnAddress(self) -> None:
        """
        A datagram from a port on which netd listens gets no response.
        """
        daemon = self.enterContext(Daemon())
        address = daemon.address("udp")
        with datagrams("127.0.0.2", address[1], 0.2) as twin:
            twin.sendto(b"", address)
            with self.assertRaises(TimeoutError):
                twin.recv(1)
        daemon.logged("source port")
        self.assertEqual(curl(f"{daemon.url}/healthz").status, 200)

    def test_askedAddress(self) -> None:
        """
        On every address, a response leaves from the address of the request, in both families.
        """
        port = self.enterContext(Daemon("--udp", "udp:0:interface=*")).where("udp").port
        for host in ("127.0.0.1", "127.0.0.2", "127.1.2.3", "::1"):
            with datagrams("::1" if ":" in host else "127.0.0.1") as client:
                client.sendto(b"x", (host, port))
                data, source = client.recvfrom(10)
                self.assertEqual((data, source[0]), (b"x", host))

    @needs("curl")
    def test_floods(self) -> None:
        """
        HTTP responds within a second under floods of datagrams.
        """
        daemon = self.enterContext(Daemon())
        address = daemon.address("udp")

        def slowest(data: bytes) -> float:
            stop = threading.Event()

            def flood() -> None:
                with datagrams() as client:
                    # The client does not read the responses.
                    for _ in range(300_000):
                        if stop.is_set():
                            break
                        client.sendto(data, address)

            with threads(1) as pool:
                flooding = pool.submit(flood)
                try:
                    return max(curl(f"{daemon.url}/healthz").seconds for _ in range(5))
                finally:
                    stop.set()
                    flooding.result()

        for data in (b"", b"x" * 64, b"x" * 1400):
            self.assertLess(undisturbed(partial(slowest, data), 1.0), 1.0)

    @needs("socat")
    def test_questions(self) -> None:
        """
        On loopback the empty requests of RFC 865, 867 and 868 get their responses.
        """
        names = ("daytime", "time", "qotd")
        daemon = self.enterContext(Daemon(*services(*(f"{name}=udp" for name in names))))
        for name, length in (("daytime", 26), ("time", 4), ("qotd", None)):
            address = daemon.address(f"udp-{name}")
            with datagrams() as client:
                client.sendto(b"", address)
                response = client.recv(1000)
                self.assertEqual(len(response), length or len(response), response)
            # socat sends no empty datagram; a short one is a request too.
            out = _socat(f"UDP4:{address[0]}:{address[1]}", "?")
            self.assertEqual(len(out.encode("utf-8", "surrogateescape")), len(response))

    @needs("nmap")
    def test_nmap(self) -> None:
        """
        nmap, whose probes are shorter than the responses, finds the ports open.
        """
        if os.geteuid():
            raise SkipTest("nmap scans UDP as root only")
        names = ("daytime", "time", "qotd")
        daemon = self.enterContext(Daemon(*services(*(f"{name}=udp" for name in names))))
        ports = [daemon.where(f"udp-{name}").port for name in names]
        done = run(
            *("nmap", "-n", "-Pn", "-sU", "-sV", "--version-intensity", "0", "-oG", "-"),
            *("-p", ",".join(map(str, ports)), "127.0.0.1"),
        )
        for port in ports:
            self.assertIn(f"{port}/open/udp/", done.out)

    def test_rate(self) -> None:
        """
        A source gets --udp-rate responses a second, and a burst of a fifth of that.
        """
        daemon = self.enterContext(Daemon("--udp-rate", "10"))
        with datagrams() as client:
            client.connect(daemon.address("udp"))
            for _ in range(100):
                client.send(b"x")
            self.assertEqual([client.recv(10) for _ in range(2)], [b"x", b"x"])
        daemon.logged("datagrams: rate")

    def test_receiveBuffer(self) -> None:
        """
        Datagrams that the kernel drops while the daemon is stopped are counted and logged.
        """
        daemon = self.enterContext(Daemon())
        daemon.signal(signal.SIGSTOP)
        with datagrams() as client:
            client.connect(daemon.address("udp"))
            for _ in range(20_000):
                client.send(b"x" * 1000)
            daemon.signal(signal.SIGCONT)
            lines = daemon.logged("receive buffer").splitlines()
        (line,) = (each for each in lines if each.endswith("datagrams: receive buffer"))
        self.assertRegex(line, r"udp 127\.0\.0\.1 port [0-9]+: dropped [0-9]{3,5} datagrams")

    @needs("curl")
    def test_impairment(self) -> None:
        """
        With a seed the same datagrams are lost in two runs.
        """
        seen = []
        for _ in range(2):
            daemon = self.enterContext(Daemon("--udp-loss", "50%", "--udp-seed", "7"))
            with datagrams() as client:
                client.connect(daemon.address("udp"))
                for number in range(100):
                    client.send(b"%d" % number)
                eventually(partial(_decided, daemon), "a hundred responses or losses")
                client.setblocking(False)
                answered = []
                with contextlib.suppress(BlockingIOError):
                    while True:
                        answered.append(int(client.recv(10)))
                seen.append(answered)
        self.assertEqual(seen[0], seen[1])
        self.assertTrue(20 < len(seen[0]) < 80, seen)

    @needs("sockperf")
    def test_sockperf(self) -> None:
        """
        sockperf measures the sockperf service, and no message is lost or duplicated.
        """
        daemon = self.enterContext(Daemon(*services("sockperf=udp")))
        host, port = daemon.address("udp-sockperf")
        done = run(
            *("sockperf", "ping-pong", "-i", host, "-p", str(port)),
            *("-t", "1", "--mps", "2000", "--msg-size", "64"),
        )
        self.assertEqual(done.status, 0, done.out + done.err)
        self.assertIn("# dropped messages = 0; # duplicated messages = 0", done.out)

    @needs("nping")
    def test_nping(self) -> None:
        """
        nping's datagrams come back.
        """
        host, port = self.enterContext(shared()).address("udp")
        done = run(
            *("nping", "--udp", "--unprivileged", "-c", "3", "--delay", "10ms"),
            *("-p", str(port), "--data-length", "32", host),
        )
        self.assertEqual(done.status, 0, done.err)
        self.assertIn("UDP packets sent: 3", done.out)

    @needs("socat")
    def test_socat(self) -> None:
        """
        socat gets a datagram back over either family.
        """
        for bind, kind in (("127.0.0.1", "UDP4"), ("::1", "UDP6")):
            where = self.enterContext(Daemon("--bind", bind)).where("udp")
            host = f"[{where.host}]" if ":" in where.host else where.host
            self.assertEqual(_socat(f"{kind}:{host}:{where.port}", "hello"), "hello")


class StreamTests(SynchronousTestCase):
    """
    The small services over TCP.
    """

    def test_unread(self) -> None:
        """
        300 MiB from a client that does not read need no memory, and all bytes come back.
        """
        daemon = self.enterContext(Daemon(*services("echo=tcp")))
        pid = daemon.pid
        before = resident(pid)
        piece = os.urandom(1024 * 1024)
        sent, received = hashlib.sha256(), hashlib.sha256()
        with connect(daemon.address("tcp-echo")) as sock:

            def write() -> None:
                for _ in range(_MOST // len(piece)):
                    sock.sendall(piece)
                    sent.update(piece)
                sock.shutdown(socket.SHUT_WR)

            thread = threading.Thread(target=write)
            thread.start()
            # Once netd stops reading, the kernel's buffers are full and the writer waits.
            with self.assertRaises(AssertionError):
                eventually(lambda: None if thread.is_alive() else True, "the end", 1.0)
            held = resident(pid) - before
            count = 0
            while data := sock.recv(1024 * 1024):
                received.update(data)
                count += len(data)
            thread.join()
        self.assertEqual((count, received.digest()), (_MOST, sent.digest()))
        self.assertLess(held, 8 * 1024 * 1024)
        self.assertLess(resident(pid) - before, 8 * 1024 * 1024)

    @needs("ncat")
    def test_ncat(self) -> None:
        """
        ncat, which half-closes at the end of its input, gets everything back.
        """
        daemon = self.enterContext(Daemon(*services("echo=tcp", "discard=tcp")))
        data = "0123456789abcdef" * 50_000
        host, port = daemon.address("tcp-echo")
        self.assertEqual(run("ncat", host, str(port), stdin=data).out, data)
        host, port = daemon.address("tcp-discard")
        done = run("ncat", host, str(port), stdin=data)
        self.assertEqual((done.out, done.status), ("", 0))

    def test_said(self) -> None:
        """
        Each service sends its message and closes, to talking and to silent clients.
        """
        daemon = self.enterContext(Daemon(*services("daytime=tcp", "time=tcp", "qotd=tcp")))
        for name, length in (("daytime", 26), ("time", 4), ("qotd", None)):
            for noise in (b"", b"\r\n" * 1000):
                with connect(daemon.address(f"tcp-{name}")) as sock:
                    sock.sendall(noise)
                    message = receive(sock)
                    self.assertEqual(len(message), length or len(message), message)
                    self.assertGreater(len(message), 3)

    def test_idle(self) -> None:
        """
        An idle connection is cut.
        """
        options = services("echo=tcp", "discard=tcp")
        daemon = self.enterContext(Daemon(*options, "--service-idle", "300ms"))
        for name in ("tcp-echo", "tcp-discard"):
            # The connection of a client for which a busy machine has no time is idle, too.
            with (
                connect(daemon.address(name)) as sock,
                self.assertRaises(ConnectionResetError),
            ):
                sock.sendall(b"x")
                receive(sock)

    def test_unix(self) -> None:
        """
        A service listens on a UNIX socket of the requested mode.
        """
        folder = self.enterContext(temporary_directory())
        path = folder / "echo.sock"
        daemon = self.enterContext(Daemon("--service", f"echo=unix:{path}:mode=600"))
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(DEADLINE)
            sock.connect(str(path))
            sock.sendall(b"hello")
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(receive(sock), b"hello")
        self.assertEqual(daemon.stop(), -signal.SIGTERM)
        self.assertFalse(path.exists())

    def test_chargen(self) -> None:
        """
        chargen is paced, and a stop does not wait for its end.
        """
        daemon = self.enterContext(Daemon(*services("chargen=tcp")))
        with connect(daemon.address("tcp-chargen")) as sock:
            self.assertTrue(sock.recv(100).startswith(b' !"#$%&'))
            daemon.signal()
            self.assertLess(len(receive(sock)), 1024 * 1024)

    @needs("nmap")
    def test_nmap(self) -> None:
        """
        nmap recognizes each service.
        """
        names = ("echo", "daytime", "chargen", "time", "qotd")
        daemon = self.enterContext(Daemon(*services(*(f"{name}=tcp" for name in names))))
        ports = {name: daemon.where(f"tcp-{name}").port for name in names}
        done = run(
            *("nmap", "-n", "-Pn", "-sT", "-sV", "--version-intensity", "3", "-oG", "-"),
            *("-p", ",".join(map(str, ports.values())), "127.0.0.1"),
        )
        for name, port in ports.items():
            self.assertIn(f"{port}/open/tcp//{name}/", done.out)


class SilenceTests(SynchronousTestCase):
    """
    Services that let clients time out.
    """

    def setUp(self) -> None:
        services = ("blackhole=tcp:0:interface=*", "blackhole=tcp6:0", "tls-stall=tcp:0")
        arguments = [word for each in services for word in ("--service", each)]
        self.daemon = self.enterContext(shared(*arguments))

    @needs("curl")
    def test_connect(self) -> None:
        """
        curl cannot connect to a blackhole, by IPv4 and by IPv6, and gives up with 28.
        """
        ports = [self.daemon.where(name).port for name in ("tcp-blackhole", "tcp-blackhole-2")]
        for place in (f"127.0.0.1:{ports[0]}", f"[::1]:{ports[0]}", f"[::1]:{ports[1]}"):
            words = ("--connect-timeout", "0.5", "-w", "%{time_connect}", f"http://{place}/")
            done = run("curl", "-qsS", "--noproxy", "*", *words)
            self.assertEqual((done.status, done.out), (28, "0.000000"), done.err)

    @needs("curl", "openssl")
    def test_handshake(self) -> None:
        """
        The TLS handshake begins, and nothing comes back.
        """
        port = self.daemon.where("tcp-tls-stall").port
        url = f"https://127.0.0.1:{port}/"
        done = run("curl", "-qsSv", "--noproxy", "*", "-m", "2", url)
        self.assertEqual(done.status, 28, done.err)
        self.assertIn("Client hello", done.err)
        self.assertNotIn("Server hello", done.err)
        command = [need("openssl"), "s_client", "-msg", "-connect", f"127.0.0.1:{port}"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as client:
            seen = b""
            assert client.stdout is not None
            while b"ClientHello" not in seen:
                seen += client.stdout.readline()
            self.assertIsNone(client.poll())
            client.kill()
