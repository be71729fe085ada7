"""
The `netd` command: health checks and shell completions.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import certificate
from tests.programs import needs
from tests.running import (
    DEADLINE,
    MODULE,
    Daemon,
    Finished,
    environment,
    free_port,
    run,
    run_netd,
    temporary_directory,
)


class HealthTests(SynchronousTestCase):
    """
    `netd --healthcheck [URL]`.
    """

    def check(self, *words: str | Path) -> Finished:
        """The finished `netd --healthcheck`, which must print one line."""
        done = run_netd("--healthcheck", *words)
        self.assertEqual((done.out + done.err).count("\n"), 1, done.out + done.err)
        return done

    def test_own(self) -> None:
        """
        Without a URL the check asks a daemon that has the same options.
        """
        daemon = self.enterContext(Daemon("--metrics-http", "0"))
        port = daemon.where("metrics-http").port
        done = self.check("--metrics-http", str(port))
        self.assertEqual((done.status, done.err), (0, ""))
        self.assertEqual(done.out, f"netd: http://127.0.0.1:{port}/healthz: 200\n")
        daemon.stop()
        done = self.check("--metrics-http", str(port))
        self.assertEqual((done.status, done.out), (1, ""))
        self.assertIn("refused", done.err)

    def test_wait(self) -> None:
        """
        With --wait a check that begins before the daemon sees it start.
        """
        port = free_port()
        command = (*MODULE, "--healthcheck", f"--wait={DEADLINE:.0f}s", f"--port={port}")
        with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE) as check:
            self.enterContext(Daemon("--port", str(port), "--udp", "0"))
            out, _ = check.communicate(timeout=DEADLINE)
        self.assertEqual(check.returncode, 0)
        self.assertEqual(out.decode(), f"netd: http://127.0.0.1:{port}/healthz: 200\n")
        done = self.check("--wait=0.2s", f"--port={free_port()}")
        self.assertIn("refused", done.err)

    @needs("openssl")
    def test_secure(self) -> None:
        """
        Over HTTPS the check trusts the system's authorities or the file of --ca, and no others.
        """
        folder = self.enterContext(temporary_directory())
        leaf, key = certificate(folder)
        daemon = self.enterContext(
            Daemon("--https", "0", "--certificate", leaf, "--private-key", key)
        )
        port = daemon.where("https").port
        url = f"https://localhost:{port}/healthz"
        self.assertEqual(self.check("--ca", leaf, url).status, 0)
        self.assertEqual(
            self.check(f"--ca={leaf}", f"https://127.0.0.1:{port}/readyz").status, 0
        )
        self.assertIn("certificate verify failed", self.check(url).err)

    def test_refused(self) -> None:
        """
        A response other than 200, a second URL and an unknown port are different errors.
        """
        daemon = self.enterContext(Daemon())
        self.assertIn(": 404", self.check(f"{daemon.url}/status/404").err)
        self.assertIn("not an option", self.check(daemon.url, "http://two/").err)
        self.assertIn("say a URL", self.check("--port=0").err)


class CompletionTests(SynchronousTestCase):
    """
    `netd --completion SHELL`.
    """

    @needs("bash", "fish", "zsh")
    def test_shells(self) -> None:
        """
        Each shell reads its script without an error.
        """
        for shell in ("bash", "zsh", "fish"):
            script = run_netd("--completion", shell).out
            done = run(shell, "-n", "/dev/stdin", stdin=script)
            self.assertEqual((done.status, done.err), (0, ""), shell)

    def test_unknown(self) -> None:
        """
        An unknown shell is refused in one line.
        """
        done = run_netd("--completion", "tcsh")
        self.assertEqual(done.status, 1)
        self.assertEqual(done.err, "netd: --completion tcsh: not one of bash, zsh, fish\n")

    def complete(self, *words: str) -> list[str]:
        """The completions that bash offers for the last of `words`."""
        line = " ".join(f"'{word}'" for word in ("netd", *words))
        completion = f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; _netd"
        shell = f"{self.script}\n{completion}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        done = subprocess.run(
            ["bash", "--norc", "-c", shell],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    @needs("bash")
    def test_bash(self) -> None:
        """
        bash offers flags, the choices of a flag, and files for a flag that takes a file.
        """
        self.script = run_netd("--completion", "bash").out
        self.assertEqual(self.complete("--certificate-"), ["--certificate-dir"])
        self.assertEqual(self.complete("--log", "j"), ["json", "journal"])
        self.assertEqual(self.complete("--log", "=", "t"), ["text"])
        self.assertEqual(self.complete("--log", "="), ["auto", "text", "json", "journal"])
        self.assertEqual(self.complete("--port", ""), [])
        self.assertIn("/etc/passwd", self.complete("--certificate", "/etc/pass"))
