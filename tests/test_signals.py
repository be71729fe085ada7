"""
Signals to the daemon, and notifications to its service manager.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import connect, curl, receive
from tests.load import Load
from tests.programs import needs
from tests.running import TWISTD, Daemon, environment, eventually, temporary_directory


class _Configured(SynchronousTestCase):
    """
    A daemon with a file of options.
    """

    def setUp(self) -> None:
        self.folder = self.enterContext(temporary_directory())
        self.file = self.folder / "netd.toml"
        self.file.write_text("")
        self.reloads = 0

    def reload(self, daemon: Daemon, text: str) -> str:
        """Reload with this configuration, and return the status in the notification."""
        self.file.write_text(text)
        self.reloads += 1
        daemon.signal(signal.SIGHUP)
        daemon.notice("RELOADING", self.reloads)
        daemon.notice("READY", self.reloads + 1)
        return [each["STATUS"] for each in daemon.notices if "READY" in each][-1]


@needs("curl")
class ReloadTests(_Configured):
    """
    SIGHUP.
    """

    def test_underLoad(self) -> None:
        """
        Twenty reloads under load fail no request, and a broken file changes nothing.
        """
        daemon = self.enterContext(Daemon("--config", self.file))
        with Load(daemon.address()) as load:
            load.more(20)
            for number in range(20):
                broken = number % 4 == 3
                text = f'max-target = "{100 + number}"\n' + ("grace = -1\n" if broken else "")
                status = self.reload(daemon, text)
                self.assertEqual(status.startswith("Not reloaded: --grace -1"), broken, status)
                load.more(10)
                most = 100 + number - broken
                responses = [
                    curl(f"{daemon.url}/{'a' * length}") for length in (most - 1, most)
                ]
                self.assertEqual([each.status for each in responses], [404, 414])
        self.assertEqual(load.failures, [])
        self.assertEqual(set(load.answered), {200})
        self.assertEqual(daemon.log.count("not reloaded, all stays as it was"), 5)

    def test_lists(self) -> None:
        """
        A reload reads network lists again, and names the options that need a restart.
        """
        networks = self.folder / "networks"
        networks.write_text("192.0.2.0/24\n")
        daemon = self.enterContext(Daemon("--config", self.file, "--deny", f"@{networks}"))
        self.assertEqual(curl(f"{daemon.url}/healthz").status, 200)
        networks.write_text("127.0.0.0/8\n")
        status = self.reload(daemon, 'http = ["tcp:0"]')
        self.assertEqual(status, "Reloaded, but for --port, --bind or --http")
        with connect(daemon.address()) as sock, contextlib.suppress(ConnectionError):
            sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            self.assertNotIn(b" 200 ", receive(sock))
        daemon.logged("only a restart changes --port, --bind or --http")

    def test_fifo(self) -> None:
        """
        A FIFO in the place of the configuration or of a list blocks nothing.
        """
        networks = self.folder / "networks"
        networks.write_text("192.0.2.0/24\n")
        daemon = self.enterContext(Daemon("--config", self.file, "--deny", f"@{networks}"))
        for path, option in ((networks, "--deny @"), (self.file, "--config ")):
            path.unlink()
            os.mkfifo(path)
            self.reloads += 1
            daemon.signal(signal.SIGHUP)
            status = daemon.notice("READY", self.reloads + 1)
            self.assertEqual(status, "1")
            self.assertEqual(curl(f"{daemon.url}/healthz").status, 200)
            daemon.logged(f"{option}{path}: not a regular file")

    def test_logs(self) -> None:
        """
        SIGHUP and SIGUSR1 reopen the logs under their names.
        """
        log = self.folder / "access"
        daemon = self.enterContext(Daemon("--config", self.file, "--access-log", log))
        for number in (signal.SIGHUP, signal.SIGUSR1):
            log.rename(self.folder / number.name)
            daemon.signal(number)
            eventually(lambda: log.exists() or None, "a new log")
            path = f"/status/{200 + number}"
            curl(f"{daemon.url}{path}")
            self.written(log, path)

    def written(self, log: Path, text: str) -> None:
        """Wait until `text` stands in `log`."""
        eventually(lambda: text in log.read_text() or None, f"{text} in {log}")

    def test_modes(self) -> None:
        """
        Others read neither the logs nor the pid file, whatever the umask was.
        """
        names = ("access", "log", "pid")
        access, log, pid = (self.folder / name for name in names)
        umask = "import os; os.umask(0); from twisted.scripts.twistd import run; run()"
        way = (sys.executable, "-c", umask, "-n", "--logfile", log, "--pidfile", pid, "netd")
        daemon = self.enterContext(Daemon("--access-log", access, way=way))
        modes = [stat.S_IMODE((self.folder / name).stat().st_mode) for name in names]
        self.assertEqual([f"{mode:o}" for mode in modes], ["640", "640", "640"])
        self.assertEqual(daemon.stop(), -signal.SIGTERM)

    def test_twistd(self) -> None:
        """
        Plain `twistd -n` survives all these signals.
        """
        daemon = self.enterContext(Daemon("--config", self.file, way=(*TWISTD, "netd")))
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            daemon.signal(number)
        daemon.logged("state: services")
        self.assertEqual(curl(f"{daemon.url}/healthz").status, 200)


@needs("curl")
class StateTests(_Configured):
    """
    SIGUSR2.
    """

    def test_dump(self) -> None:
        """
        SIGUSR2 logs the clients and the waiting responses, one in a line.
        """
        daemon = self.enterContext(Daemon("--service", "echo=tcp:0", "--grace", "0s"))
        with connect(daemon.address()) as one, connect(daemon.address("tcp-echo")) as other:
            one.sendall(b"GET /delay/50 HTTP/1.1\r\nHost: a\r\n\r\n")
            other.sendall(b"a")
            other.recv(1)
            curl(f"{daemon.url}/healthz")
            daemon.signal(signal.SIGUSR2)
            log = daemon.logged("state: counters: ")
            self.assertIn("state: services: http=", log)
            self.assertRegex(log, r"state: connections: [23] \(http=[12] tcp-echo=1\)")
            self.assertIn("state: waiting responses: 1 (http=1)", log)
            self.assertIn("state: timers: ", log)


class WatchdogTests(_Configured):
    """
    WATCHDOG=1.
    """

    def state(self, daemon: Daemon) -> str:
        """The kernel's state of the process; T is stopped."""
        return Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def test_stopped(self) -> None:
        """
        The watchdog stops while the reactor stands still, and then goes on.
        """
        interval = 0.2
        environ = environment(WATCHDOG_USEC=str(int(interval * 1_000_000)))
        daemon = self.enterContext(Daemon(environ=environ))
        daemon.notice("WATCHDOG", 3)
        os.kill(daemon.pid, signal.SIGSTOP)
        eventually(lambda: self.state(daemon) == "T" or None, "the stop")
        while daemon.hear():
            pass
        count = len(daemon.notices)
        time.sleep(5 * interval)
        daemon.hear()
        self.assertEqual(len(daemon.notices), count)
        os.kill(daemon.pid, signal.SIGCONT)
        before = sum("WATCHDOG" in each for each in daemon.notices)
        daemon.notice("WATCHDOG", before + 3)

    def test_otherProcess(self) -> None:
        """
        A WATCHDOG_PID of another process gets no watchdog.
        """
        environ = environment(WATCHDOG_USEC="100000", WATCHDOG_PID="1")
        daemon = self.enterContext(Daemon(environ=environ))
        time.sleep(0.5)
        while daemon.hear():
            pass
        self.assertFalse([each for each in daemon.notices if "WATCHDOG" in each])

    @needs("curl")
    def test_stopping(self) -> None:
        """
        The watchdog goes on while a stop waits for a response.
        """
        environ = environment(WATCHDOG_USEC="200000")
        daemon = self.enterContext(Daemon(environ=environ))
        with connect(daemon.address()) as sock:
            sock.sendall(b"GET /delay/50 HTTP/1.1\r\nHost: a\r\n\r\n")
            curl(f"{daemon.url}/healthz")
            daemon.signal()
            daemon.notice("STOPPING")
            before = sum("WATCHDOG" in each for each in daemon.notices)
            daemon.notice("WATCHDOG", before + 2)
            # The second signal does not wait for the response.
            daemon.signal()
            daemon.ended()
