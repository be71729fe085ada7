"""
--workers: what becomes of clients when a worker dies, hangs or is replaced.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import xmlrpc.client
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import connect, datagrams, receive
from tests.load import Load
from tests.running import (
    ROOT,
    Daemon,
    alive,
    eventually,
    run,
    run_netd,
    shared,
    temporary_directory,
)
from tests.workers import (
    descriptors,
    get,
    group,
    metrics,
    replaced,
    signal_all,
    template,
    who,
    workers,
)

_REQUEST = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n"
_ALONE = """
import sys
from netd import tap
options = tap.Options()
options.parseOptions(["--port=0", *sys.argv[1:]])
service = tap.makeService(options)
service.abandon()
print(*[name for name in sys.modules if name.startswith("netd.workers")])
"""

_FAULTY = """
from twisted.python.usage import UsageError
from netd.__main__ import main
from netd.workers import supervisor, worker
def refuse(*_):
    raise UsageError("--rpc x: no such room")
{fault}
main()
"""


class OneTests(SynchronousTestCase):
    """
    A daemon of one process.
    """

    def test_notImported(self) -> None:
        """Without --workers, and with 1, no module of the package is imported."""
        for arguments in ((), ("--workers=1",)):
            done = run(sys.executable, "-c", _ALONE, *arguments)
            self.assertEqual((done.status, done.out.strip(), done.err), (0, "", ""))
        done = run(sys.executable, "-c", _ALONE, "--workers=2")
        self.assertIn("netd.workers.supervisor", done.out.split())

    def test_noOtherProcess(self) -> None:
        """The daemon has no child, and its probes do not speak of workers."""
        with shared() as daemon:
            self.assertEqual(get(daemon, "/healthz"), (200, "ok\n"))
            self.assertEqual(get(daemon, "/readyz"), (200, "ready\n"))
            self.assertNotIn(("netd_workers",), metrics(daemon))
            self.assertEqual(
                Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text(), ""
            )


class StartTests(SynchronousTestCase):
    """
    A daemon of several processes starts.
    """

    def test_ready(self) -> None:
        """READY=1 comes when all serve; each of them gets connections."""
        with shared("--workers=3") as daemon:
            self.assertEqual(get(daemon, "/readyz"), (200, "ready 3 of 3\n"))
            self.assertEqual(len(workers(daemon)), 3)
            seen = {}

            def all_seen() -> bool | None:
                number, pid = who(daemon)
                seen[number] = pid
                return True if len(seen) == 3 else None

            with ExitStack() as kept:
                # Connections that stay make those who have them step aside.
                for _ in range(60):
                    kept.enter_context(connect(daemon.address()))
                eventually(all_seen, "a response of each worker")
            self.assertEqual(sorted(seen), [1, 2, 3])
            self.assertEqual(sorted(seen.values()), sorted(workers(daemon)))

    def test_auto(self) -> None:
        """`auto` is the number of CPUs that the process may use."""
        code = "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        code += "os.execv(sys.executable, [sys.executable, '-m', 'netd', *sys.argv[1:]])"
        with Daemon("--workers=auto", way=(sys.executable, "-c", code)) as daemon:
            self.assertEqual(get(daemon, "/healthz"), (200, "ok\n"))

    def test_refused(self) -> None:
        """A value or a combination that cannot be is one line and status 1."""
        for arguments, message in (
            (("--workers=0",), "netd: --workers 0: not a whole number from 1 to 256\n"),
            (
                ("--workers=2", "--seed=1"),
                "netd: --seed: needs --workers 1, several processes would repeat nothing\n",
            ),
        ):
            done = run_netd("--port=0", *arguments)
            self.assertEqual((done.status, done.err), (1, message))

    def test_failed(self) -> None:
        """A worker that cannot start at first stops everything: one line, status 1."""
        for fault, why in (
            ("supervisor.main = lambda *_: 1 / 0", "ended with status 1"),
            ("worker.Worker.prepare = refuse", "--rpc x: no such room"),
        ):
            done = run(
                *(sys.executable, "-c", _FAULTY.format(fault=fault)),
                *("--port=0", "--workers=2", "--access-log=off"),
            )
            self.assertEqual(done.status, 1)
            self.assertEqual(done.out.count(f"cannot go on: {why}\n"), 1, done.out)
            self.assertNotIn("Traceback", done.out + done.err)

    def test_descriptors(self) -> None:
        """The template and the workers have the descriptors that they need and no others."""
        with temporary_directory() as folder:
            log = folder / "access"
            options = ("--workers=2", f"--access-log={log}", "--metrics-http=0")
            with Daemon(*options) as daemon:
                first, second = workers(daemon)
                # Only what was inherited is in two processes.
                shared_by_two = _links(first) & _links(second)
                self.assertEqual(
                    sorted(link.split(":")[0] for link in shared_by_two),
                    sorted(["/dev/null", str(log), "socket"]),
                )
                own = sorted(link.split(":")[0] for link in _links(template(daemon)))
                # The control socket, and the pipe that its signals write to.
                self.assertEqual(own, sorted(["/dev/null", str(log), "pipe", *3 * ["socket"]]))
                self.assertLessEqual(shared_by_two, _links(template(daemon)))


def _links(pid: int) -> set[str]:
    """What the descriptors of a process are, without the standard ones and epoll's."""
    found = {link for number, link in descriptors(pid).items() if number > 2}
    return {link for link in found if not link.startswith("anon_inode:")}


def _more(load: Load, number: int) -> bool | None:
    """True when `load` has so many responses, whatever failed meanwhile."""
    return True if len(load.answered) >= number else None


def _ended(daemon: Daemon, processes: list[int]) -> list[int] | None:
    """Those of these workers whose end is in the log; None where it has none."""
    log = daemon.log
    return [pid for pid in processes if f"(pid {pid}): ended" in log] or None


class DeathTests(SynchronousTestCase):
    """
    A worker ends while clients come and go.
    """

    def lost(self, load: Load) -> list[str]:
        """The failures that are not the end of a connection which the dead worker had."""
        ends = ("ConnectionResetError", "BrokenPipeError", "ValueError", "KeyError")
        return [each for each in load.failures if not each.startswith(ends)]

    def test_killed(self) -> None:
        """Six kills of a worker refuse nobody, and cut the worker's own connections only."""
        with Daemon("--workers=2") as daemon:
            with Load(daemon.address()) as load:
                for _ in range(6):
                    answered = len(load.answered)
                    pid = workers(daemon)[0]
                    os.kill(pid, signal.SIGKILL)
                    replaced(daemon, pid, 2)
                    served = partial(_more, load, answered + 10)
                    eventually(served, "ten responses more")
                load.stop()
            self.assertEqual(self.lost(load), [])
            # At a time the worker has at most the requests of all threads of the load.
            self.assertLess(len(load.failures), 6 * 8)
            self.assertEqual(set(load.answered), {200})
            self.assertEqual(daemon.log.count("ended by SIGKILL; "), 6)

    def test_others(self) -> None:
        """A kept connection of the other worker goes on as if nothing had happened."""
        with Daemon("--workers=2") as daemon, ExitStack() as clients:
            by_pid: dict[int, list[socket.socket]] = {}

            def both() -> bool | None:
                sock = clients.enter_context(connect(daemon.address()))
                sock.sendall(_REQUEST % b"/healthz")
                pid = int(sock.recv(65_536).split()[-1])
                by_pid.setdefault(pid, []).append(sock)
                return True if len(by_pid) == 2 else None

            eventually(both, "connections of both workers")
            (gone, cut), (_, kept) = by_pid.items()
            os.kill(gone, signal.SIGKILL)
            replaced(daemon, gone, 2)
            for sock in kept:
                sock.sendall(_REQUEST % b"/status/201")
                self.assertIn(b" 201 ", sock.recv(65_536))
            for sock in cut:
                with contextlib.suppress(ConnectionResetError):
                    self.assertEqual(sock.recv(65_536), b"")

    def test_all(self) -> None:
        """All workers are killed at once: nobody is refused, responses come late."""
        with Daemon("--workers=2") as daemon:
            with Load(daemon.address()) as load:
                load.more(20)
                gone = workers(daemon)
                signal_all(gone, signal.SIGKILL)
                for pid in gone:
                    replaced(daemon, pid, 2)
                load.more(20)
            self.assertEqual(self.lost(load), [])

    def test_terminated(self) -> None:
        """SIGTERM at one worker lets its responses finish, loses nobody, and replaces it."""
        with Daemon("--workers=2") as daemon:
            with Load(daemon.address()) as load, connect(daemon.address()) as sock:
                sock.sendall(_REQUEST % b"/healthz" + _REQUEST % b"/delay/1?duration=1s")
                pid = int(sock.recv(65_536).partition(b"pid ")[2].split()[0])
                os.kill(pid, signal.SIGTERM)
                load.more(20)
                self.assertTrue(receive(sock).startswith(b"HTTP/1.1 200 OK\r\n"))
                replaced(daemon, pid, 2)
                load.more(20)
            self.assertEqual(load.failures, [])
            self.assertIn("ended with status 0", daemon.log)

    def test_hung(self) -> None:
        """A worker that stands still costs newcomers nothing, writes its stack, is replaced."""
        body = xmlrpc.client.dumps((os.devnull,), "stuck.reactor").encode()
        head = b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
        options = ("--rpc=netd.test.xmlrpc.published:stuck", "--worker-timeout=3s")
        with Daemon("--workers=2", *options, cwd=ROOT) as daemon:
            with Load(daemon.address()) as load, connect(daemon.address()) as client:
                load.more(20)
                both = workers(daemon)
                client.sendall(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))
                daemon.logged("stands still (hung)")
                (hung,) = eventually(partial(_ended, daemon, both), "the end of a worker")
                replaced(daemon, hung, 2)
                load.more(20)
            self.assertEqual(self.lost(load), [])
            log = daemon.logged("most recent call first")
            self.assertIn("in blocks", log)
            restarts = metrics(daemon)
            hangs = [restarts.get(("netd_worker_restarts_total", "hung", n), 0) for n in "12"]
            self.assertEqual(sum(hangs), 1)

    def test_supervisor(self) -> None:
        """When the supervisor is killed no process stays, and the port is free at once."""
        with Daemon("--workers=2") as daemon:
            address = daemon.address()
            processes = group(daemon)
            daemon.signal(signal.SIGKILL)
            daemon.ended()
            eventually(lambda: None if any(map(alive, processes)) else True, "the end of all")
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(address)

    def test_template(self) -> None:
        """When the template is killed everything ends with status 1 and a line says so."""
        with Daemon("--workers=2") as daemon:
            processes = group(daemon)
            os.kill(template(daemon), signal.SIGKILL)
            self.assertEqual(daemon.ended(), 1)
            self.assertIn("the process that workers are forked from has ended", daemon.log)
            eventually(lambda: None if any(map(alive, processes)) else True, "the end of all")

    def test_storm(self) -> None:
        """A worker that dies at each start is restarted again and again, and others serve."""
        code = _FAULTY.format(
            fault="run, names = worker.main, set()\n"
            "def main_once(daemon, group, index, sock):\n"
            "    import os\n"
            "    if index == 0 and os.path.exists('bad'): os._exit(3)\n"
            "    run(daemon, group, index, sock)\n"
            "supervisor.main = main_once"
        )
        with temporary_directory() as folder:
            way = (sys.executable, "-c", code)
            with Daemon("--workers=2", way=way, cwd=folder) as daemon:
                (folder / "bad").touch()
                os.kill(workers(daemon)[0], signal.SIGKILL)
                eventually(partial(self.ends, daemon, 4), "four ends")
                self.assertEqual(get(daemon, "/readyz"), (200, "ready 1 of 2\n"))
                (folder / "bad").unlink()
                replaced(daemon, 0, 2)

    def ends(self, daemon: Daemon, number: int) -> bool | None:
        """True when so many workers have ended at their start."""
        return True if daemon.log.count("ended with status 3") >= number else None


class DatagramTests(SynchronousTestCase):
    """
    UDP listeners.
    """

    def test_replaced(self) -> None:
        """Each port has one reader; while that is replaced datagrams wait, none is lost."""
        options = ("--workers=2", "--service=echo=udp:0", "--worker-timeout=0")
        with Daemon(*options) as daemon, datagrams() as client:
            for name in ("udp", "udp-echo"):
                for number in range(100):
                    client.sendto(b"%d" % number, daemon.address(name))
                received = [int(client.recv(100)) for _ in range(100)]
                self.assertEqual(received, list(range(100)))
            signal_all(workers(daemon), signal.SIGKILL)
            for name in ("udp", "udp-echo"):
                client.sendto(b"waited", daemon.address(name))
                self.assertEqual(client.recv(100), b"waited")
