"""
netd under a true systemd, as contrib/systemd/ installs it.
"""

from __future__ import annotations

import json
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import certificate
from tests.clients import GREETING
from tests.container import Container
from tests.programs import needs
from tests.running import ROOT, environment, eventually, run

_URL = "http://127.0.0.1:8000/"
_ECHO = (
    "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(30);"
    "s.connect(('127.0.0.1', 8000)); s.send(b'hello'); print(s.recv(9).decode())"
)


@needs("systemd-nspawn", "curl")
class SystemdTests(SynchronousTestCase):
    """
    Socket, service, reload, restart, watchdog.
    """

    def setUp(self) -> None:
        self.machine = self.enterContext(Container())

    def options(self, *lines: str) -> None:
        """Write /etc/default/netd."""
        text = "".join(f"{line}\n" for line in ("NETD_DELAY=10ms", *lines))
        (self.machine.root / "etc/default/netd").write_text(text)

    def served(self) -> None:
        """HTTP and UDP respond."""
        self.assertEqual(self.machine.curl(_URL), GREETING.decode())
        done = run(*self.machine.near(sys.executable, "-c", _ECHO))
        self.assertEqual(done.out, "hello\n", done.err)

    def test_life(self) -> None:
        """
        netd serves the sockets of systemd, reloads, and restarts under load without a failure.
        """
        machine = self.machine
        self.options()
        machine.systemctl("daemon-reload")
        machine.systemctl("start", "netd.socket", "netd.service")
        self.served()
        self.assertEqual(machine.show("DynamicUser"), "yes")
        machine.systemctl("reload", "netd.service")
        eventually(lambda: "reloaded" in machine.journal() or None, "the reload")
        self.assertEqual(machine.show("ActiveState"), "active")
        load = subprocess.Popen(
            [*machine.near(sys.executable, "-m", "tests.load", "127.0.0.1", "8000")],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(3):
            machine.systemctl("restart", "netd.service")
            self.served()
        out, _ = load.communicate(b"")
        counts = json.loads(out)
        self.assertEqual(counts["failures"], [])
        self.assertEqual(list(counts["responses"]), ["200"])
        # A busy machine sends at least so many requests meanwhile.
        self.assertGreater(counts["responses"]["200"], 20)

    def test_workers(self) -> None:
        """
        Two workers serve the sockets of systemd through a reload and a restart under load,
        and a killed one is replaced while the unit stays as it is.
        """
        machine = self.machine
        self.options("NETD_WORKERS=2")
        machine.systemctl("daemon-reload")
        machine.systemctl("start", "netd.socket", "netd.service")
        self.served()
        self.assertEqual(machine.show("OOMPolicy"), "continue")
        main = machine.show("MainPID")
        load = subprocess.Popen(
            [*machine.near(sys.executable, "-m", "tests.load", "127.0.0.1", "8000")],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        machine.systemctl("reload", "netd.service")
        eventually(lambda: "reloaded" in machine.journal() or None, "the reload")
        machine.systemctl("restart", "netd.service")
        self.served()
        self.assertNotEqual(machine.show("MainPID"), main)
        out, _ = load.communicate(b"")
        counts = json.loads(out)
        self.assertEqual((counts["failures"], list(counts["responses"])), ([], ["200"]))
        main = machine.show("MainPID")
        health = machine.curl(f"{_URL}healthz")
        self.assertRegex(health, r"^ok worker [12] of 2 pid \d+$")
        pid = health.split()[-1]
        machine.inside("kill", "-9", pid)

        def replaced() -> bool | None:
            done = machine.curl(f"{_URL}readyz") == "ready 2 of 2\n"
            return (
                True if done and f"(pid {pid}): ended by SIGKILL" in machine.journal() else None
            )

        eventually(replaced, "a worker in place of the killed one")
        self.assertEqual(machine.show("ActiveState"), "active")
        self.assertEqual(machine.show("MainPID"), main)
        machine.systemctl("stop", "netd.service")
        self.assertEqual(machine.show("Result"), "success")
        self.assertNotIn("Traceback", machine.journal())

    def test_journal(self) -> None:
        """
        Access and daemon lines are journal entries with fields, and belong to the unit.
        """
        machine = self.machine
        self.options()
        machine.systemctl("daemon-reload")
        machine.systemctl("start", "netd.socket", "netd.service")
        self.served()

        def entries(*fields: str) -> list[dict[str, str]] | None:
            words = ("journalctl", "-q", "--no-pager", "-u", "netd.service", "-o", "json")
            out = machine.inside(*words, "-t", "netd", *fields).out
            return [json.loads(line) for line in out.splitlines()] or None

        (response,) = eventually(lambda: entries("NETD_STATUS=200"), "the response's entry")
        self.assertEqual(
            {name: response[name] for name in ("NETD_METHOD", "NETD_TARGET", "PRIORITY")},
            {"NETD_METHOD": "GET", "NETD_TARGET": "/", "PRIORITY": "6"},
        )
        events = eventually(lambda: entries("NETD_EVENT=daemon"), "the daemon's entries")
        self.assertTrue(
            [e for e in events if e["MESSAGE"].startswith("ready: http://")], events
        )

    def test_watchdog(self) -> None:
        """
        A stopped process is killed and started again.
        """
        machine = self.machine
        self.options()
        machine.drop_in("watchdog", "[Service]\nWatchdogSec=5\n")
        machine.systemctl("daemon-reload")
        machine.systemctl("start", "netd.socket", "netd.service")
        self.served()
        self.assertEqual(machine.show("NRestarts"), "0")
        machine.systemctl("kill", "--kill-whom=main", "--signal=STOP", "netd.service")
        eventually(lambda: machine.show("NRestarts") != "0" or None, "the restart")
        self.served()

    def test_strict(self) -> None:
        """
        Without a network of its own netd serves the sockets of systemd.
        """
        machine = self.machine
        self.options()
        machine.drop_in("strict")
        machine.systemctl("daemon-reload")
        machine.systemctl("start", "netd.socket", "netd.service")
        self.served()
        own = machine.inside("readlink", f"/proc/{machine.show('MainPID')}/ns/net").out
        self.assertNotEqual(own, machine.inside("readlink", "/proc/1/ns/net").out)

    def test_direct(self) -> None:
        """
        With direct.conf netd binds its addresses itself.
        """
        machine = self.machine
        self.options()
        machine.drop_in("direct")
        machine.systemctl("daemon-reload")
        machine.systemctl("start", "netd.service")
        self.served()
        self.assertIn("inactive", machine.inside("systemctl", "is-active", "netd.socket").out)

    @needs("openssl")
    def test_tls(self) -> None:
        """
        HTTPS without tls.conf stops the start with one line; with tls.conf it is served.
        """
        machine = self.machine
        folder = machine.root / "etc/netd/tls"
        folder.mkdir(parents=True)
        leaf, key = certificate(folder)
        leaf.rename(folder / "certificate.pem")
        key.rename(folder / "key.pem")
        (folder / "certificate.pem").chmod(0o644)
        self.options()
        machine.drop_in("tls")
        machine.drop_in("zz-forbidden", "[Service]\nMemoryDenyWriteExecute=yes\n")
        machine.systemctl("daemon-reload")
        machine.inside("systemctl", "start", "netd-https.socket", "netd.service")
        eventually(
            lambda: "written and then run, which is forbidden" in machine.journal() or None,
            "the line",
        )
        machine.systemctl("stop", "netd.service")
        machine.drop_in("zz-forbidden", "")
        machine.systemctl("daemon-reload")
        machine.systemctl("reset-failed", "netd.service")
        machine.systemctl("start", "netd.socket", "netd-https.socket", "netd.service")
        body = machine.curl(
            "--cacert", str(folder / "certificate.pem"), "https://localhost:8443/"
        )
        self.assertEqual(body, GREETING.decode())
