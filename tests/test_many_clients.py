"""
Many clients at once: a thousand responses at the stop, too few descriptors, a full disk.
"""

from __future__ import annotations

import os
import resource
import time
from contextlib import ExitStack
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import GREETING, connect, curl, receive, resident, samples, threads
from tests.programs import needs
from tests.running import MODULE, Daemon, environment, eventually, temporary_directory

_TICKS = os.sysconf("SC_CLK_TCK")


def _limited(descriptors: int) -> tuple[str, ...]:
    """The words that run netd with this limit of open files."""
    return ("prlimit", f"--nofile={descriptors}:{descriptors}", *MODULE)


def _cpu(pid: int) -> float:
    """Seconds of CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class EngineTests(SynchronousTestCase):
    """
    Many clients at once.
    """

    def setUp(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    def test_thousandAtStop(self) -> None:
        """
        A thousand responses in flight at SIGTERM are all delivered.
        """
        daemon = self.enterContext(Daemon("--delay=2s"))
        with ExitStack() as clients:
            sockets = [clients.enter_context(connect(daemon.address())) for _ in range(1000)]
            # Connections are accepted in order: a response to the last one means that all are.
            sockets[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: netd\r\n\r\n")
            self.assertIn(b" 200 ", sockets[-1].recv(65536))
            for sock in sockets:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: netd\r\n\r\n")
            daemon.signal()
            whole = [receive(sock).endswith(b"\r\n\r\n" + GREETING) for sock in sockets]
        self.assertEqual(whole.count(True), 1000)
        daemon.ended()

    @needs("curl")
    def test_unread(self) -> None:
        """
        Sixty responses of 6 MiB that nobody reads take a fraction of their size.
        """
        daemon = self.enterContext(Daemon("--unsent=16MiB"))
        body = b"\x01" * 1024 * 1024
        head = b"POST /post HTTP/1.1\r\nHost: netd\r\nContent-Length: %d\r\n\r\n" % len(body)
        before = resident(daemon.pid)
        with ExitStack() as clients:
            for _ in range(60):
                clients.enter_context(connect(daemon.address())).sendall(head + body)
            eventually(lambda: daemon.log.count('"POST /post') > 50 or None, "responses")
            self.assertLess(resident(daemon.pid) - before, 120 * 1024 * 1024)
            values = samples(curl(f"{daemon.url}/metrics").text)
            refused = values.get(("netd_refusals_total", "unsent"), 0)
            self.assertGreater(refused + values["netd_http_stalled_total",], 40)

    @needs("curl", "prlimit")
    def test_noDescriptors(self) -> None:
        """
        With 400 clients and 128 descriptors netd rests instead of spinning, and recovers.
        """
        daemon = self.enterContext(Daemon(way=_limited(128)))
        with ExitStack() as clients:
            for _ in range(400):
                clients.enter_context(connect(daemon.address()))
            before, started = _cpu(daemon.pid), time.monotonic()
            time.sleep(3)
            elapsed = time.monotonic() - started
            # netd rests half a second at a time; a spinning process uses a whole core.
            self.assertLess(_cpu(daemon.pid) - before, elapsed / 4)
        answered = eventually(lambda: _asked(daemon), "response after the crowd has left")
        self.assertEqual(answered, 200)
        complaints = daemon.log.count("cannot accept")
        self.assertLessEqual(complaints, time.monotonic() - started + 2)


def _asked(daemon: Daemon) -> int | None:
    """The status of /healthz; None without a response."""
    try:
        return curl(f"{daemon.url}/healthz", "--max-time", "5").status
    except AssertionError:
        return None


class FullDiskTests(SynchronousTestCase):
    """
    No room for request bodies on the disk.
    """

    @needs("curl", "prlimit")
    def test_full(self) -> None:
        """
        Bodies that do not fit are 503, those that fit are served, and the log says why once.
        """
        folder = self.enterContext(temporary_directory())
        # A write at the limit is a short write, as on a disk that becomes full.
        way = ("prlimit", "--fsize=200001", *MODULE)
        daemon = self.enterContext(
            Daemon("--delay=0s", way=way, environ=environment(TMPDIR=str(folder)))
        )
        for name, size in (("large", 300_000), ("small", 100_000)):
            (folder / name).write_bytes(bytes(size))

        def post(name: str) -> int:
            return curl(f"{daemon.url}/", "--data-binary", f"@{folder / name}").status

        with threads(8) as pool:
            codes = list(pool.map(post, ["large", "small"] * 8))
        self.assertEqual(codes, [503, 200] * 8)
        self.assertEqual(daemon.log.count(f"no room for request bodies in {folder}"), 1)
