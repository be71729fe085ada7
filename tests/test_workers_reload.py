"""
--workers: SIGHUP changes all processes or none.
"""

from __future__ import annotations

import os
import signal
import ssl
import sys

from twisted.trial.unittest import SynchronousTestCase

from netd.test.stages import identity
from tests.clients import connect
from tests.running import Daemon, eventually, temporary_directory
from tests.workers import get, replaced, workers

# Workers that find the certificate of `later` in place of the one that the supervisor read.
_RACING = """
import os, shutil
from netd.__main__ import main
from netd.workers import two_phase, worker
prepare = worker.Worker._prepare
def racing(self, settings):
    if self._group.index == 0 and os.path.exists("later.pem"):
        shutil.copy("later.pem", "server.pem")
        shutil.copy("later.key", "server.key")
    return prepare(self, settings)
worker.Worker._prepare = racing
main()
"""


class ReloadTests(SynchronousTestCase):
    """
    SIGHUP.
    """

    def setUp(self) -> None:
        self.folder = self.enterContext(temporary_directory())
        self.config = self.folder / "netd.toml"

    def reload(self, daemon: Daemon, number: int = 2) -> str:
        """Reload, and the outcome."""
        daemon.signal(signal.SIGHUP)
        daemon.notice("READY", number)
        return [each["STATUS"] for each in daemon.notices if "READY" in each][number - 1]

    def test_good(self) -> None:
        """Each worker serves by the new settings once the outcome is there."""
        self.config.write_text("max-body = '1MiB'\nworkers = '3'\n")
        with Daemon(f"--config={self.config}", cwd=self.folder) as daemon:
            self.config.write_text("max-body = '1MiB'\nmax-target = '100'\nworkers = '4'\n")
            outcome = self.reload(daemon)
            self.assertEqual(outcome, "Reloaded, but for --workers")
            for _ in range(20):
                self.assertEqual(get(daemon, "/" + 100 * "a")[0], 414)
            self.assertEqual(len(workers(daemon)), 3)
            # A worker that is started later has them, too.
            (first, *_) = workers(daemon)
            os.kill(first, signal.SIGKILL)
            replaced(daemon, first, 3)
            for _ in range(20):
                self.assertEqual(get(daemon, "/" + 100 * "a")[0], 414)
            self.config.write_text("workers = '3'\n")
            self.assertEqual(self.reload(daemon, 3), "Reloaded")
            for _ in range(20):
                self.assertEqual(get(daemon, "/" + 100 * "a")[0], 404)

    def test_bad(self) -> None:
        """Settings that are wrong, or impossible with workers, change nothing."""
        self.config.write_text("")
        with Daemon("--workers=2", f"--config={self.config}") as daemon:
            for number, (text, why) in enumerate(
                (
                    ("max-target = 'x'", "--max-target x"),
                    ("seed = '1'", "--seed: needs --workers 1"),
                    (f"files = '{self.folder / 'missing'}'", "--files"),
                ),
                2,
            ):
                self.config.write_text(text)
                outcome = self.reload(daemon, number)
                self.assertTrue(outcome.startswith(f"Not reloaded: {why}"), outcome)
            self.assertEqual(get(daemon, "/get")[0], 200)

    def served(self, daemon: Daemon) -> set[bytes]:
        """The certificates of twenty connections."""
        found = set()
        for _ in range(20):
            text = ssl.get_server_certificate(daemon.address("https"))
            found.add(ssl.PEM_cert_to_DER_cert(text))
        return found

    def certificate(self, name: str) -> bytes:
        """A new certificate in files of this name."""
        made = identity(name)
        made.write(self.folder, name)
        return ssl.PEM_cert_to_DER_cert(made.certificate_pem.decode())

    def test_certificate(self) -> None:
        """All workers change to a certificate that is renewed in place."""
        old = self.certificate("server")
        with Daemon("--workers=2", *_TLS, cwd=self.folder) as daemon:
            self.assertEqual(self.served(daemon), {old})
            new = self.certificate("server")
            self.assertEqual(self.reload(daemon), "Reloaded")
            self.assertEqual(self.served(daemon), {new})
            (first, _) = workers(daemon)
            os.kill(first, signal.SIGKILL)
            replaced(daemon, first, 2)
            self.assertEqual(self.served(daemon), {new})

    def test_resumed(self) -> None:
        """A client resumes its TLS session with any worker, a replacement too."""
        self.certificate("server")
        context = ssl.create_default_context(cafile=self.folder / "server.pem")
        context.check_hostname = False
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with Daemon("--workers=2", *_TLS, cwd=self.folder) as daemon:
            with connect(daemon.address("https")) as sock, context.wrap_socket(sock) as first:
                session = first.session
            (gone, _) = workers(daemon)
            os.kill(gone, signal.SIGKILL)
            replaced(daemon, gone, 2)
            for _ in range(20):
                with (
                    connect(daemon.address("https")) as sock,
                    context.wrap_socket(sock, session=session) as again,
                ):
                    self.assertTrue(again.session_reused)

    def test_race(self) -> None:
        """A certificate that one worker finds changed meanwhile changes nothing anywhere."""
        old = self.certificate("server")
        way = (sys.executable, "-c", _RACING)
        with Daemon("--workers=2", *_TLS, way=way, cwd=self.folder) as daemon:
            self.certificate("later")
            outcome = self.reload(daemon)
            self.assertRegex(
                outcome, r"^Not reloaded: worker \d: a certificate changed meanwhile$"
            )
            self.assertEqual(self.served(daemon), {old})

    def test_unreadable(self) -> None:
        """A certificate that a worker cannot read changes nothing anywhere."""
        old = self.certificate("server")
        way = (sys.executable, "-c", _RACING)
        with Daemon("--workers=2", *_TLS, way=way, cwd=self.folder) as daemon:
            for name in ("later.pem", "later.key"):
                (self.folder / name).write_text("not PEM")
            outcome = self.reload(daemon)
            self.assertIn(": --certificate server.pem: ", outcome)
            self.assertEqual(self.served(daemon), {old})

    def test_dies(self) -> None:
        """A worker that dies while it prepares is replaced with the new settings."""
        dying = "if self._group.index == 0: os._exit(9)\n    return prepare"
        code = _RACING.replace("return prepare", dying)
        self.config.write_text("")
        way = (sys.executable, "-c", code)
        with Daemon("--workers=2", f"--config={self.config}", way=way) as daemon:
            (first, _) = workers(daemon)
            self.config.write_text("max-target = '100'\n")
            self.assertEqual(self.reload(daemon), "Reloaded")
            self.assertIn("ended with status 9", daemon.logged("ended with status 9"))
            replaced(daemon, first, 2)
            for _ in range(20):
                self.assertEqual(get(daemon, "/" + 100 * "a")[0], 414)

    def test_often(self) -> None:
        """Reloads that come while one is going on are made up for by one more."""
        self.config.write_text("")
        with Daemon("--workers=2", f"--config={self.config}") as daemon:
            self.config.write_text("max-target = '100'\n")
            for _ in range(10):
                daemon.signal(signal.SIGHUP)
            daemon.notice("READY", 2)
            self.config.write_text("max-target = '200'\n")
            daemon.signal(signal.SIGHUP)

            def used() -> bool | None:
                found = {get(daemon, "/" + 100 * "a")[0] for _ in range(20)}
                return True if found == {404} else None

            eventually(used, "the settings of the last reload")


_TLS = ("--https=0", "--certificate=server.pem", "--private-key=server.key")
