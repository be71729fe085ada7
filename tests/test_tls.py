"""
HTTPS.
"""

from __future__ import annotations

import json
import re
import signal
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import authority, certificate, shared_certificate, signed
from tests.clients import GREETING, ab, connect, curl
from tests.programs import need, needs
from tests.running import (
    Daemon,
    Finished,
    eventually,
    run,
    shared,
    temporary_directory,
)


class TemporaryTests(SynchronousTestCase):
    """
    `--certificate temporary`.
    """

    @needs("curl")
    def test_curl(self) -> None:
        """
        curl trusts the file that the log names, for every name, until the daemon has ended.
        """
        arguments = ("--https", "0", "--certificate", "temporary", "--host", "a.example")
        daemon = self.enterContext(Daemon(*arguments))
        found = re.search(r"temporary certificate: (\S+)", daemon.logged("temporary certif"))
        assert found is not None
        path, port = Path(found[1]), daemon.where("https").port
        there = ("--cacert", str(path), "--connect-to", f"::127.0.0.1:{port}")
        for name in ("localhost", "127.0.0.1", "[::1]", "a.example"):
            self.assertEqual(curl(f"https://{name}:{port}/healthz", *there).status, 200)
        daemon.signal(signal.SIGHUP)
        daemon.logged("reloaded")
        self.assertEqual(curl(f"https://localhost:{port}/healthz", *there).status, 200)
        daemon.stop()
        self.assertFalse(path.parent.exists())

    def test_strict(self) -> None:
        """
        A Python client that checks as RFC 5280 says trusts the file too.
        """
        daemon = self.enterContext(
            shared("--https", "0", "--certificate", "temporary", "--host", "a.example")
        )
        found = re.search(r"temporary certificate: (\S+)", daemon.logged("temporary certif"))
        assert found is not None
        context = ssl.create_default_context(cafile=found[1])
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        with (
            connect(daemon.address("https")) as plain,
            context.wrap_socket(plain, server_hostname="a.example") as secure,
        ):
            self.assertEqual(secure.version(), "TLSv1.3")


@needs("openssl")
class TLSTests(SynchronousTestCase):
    """
    `--https 0 --certificate F --private-key F`.
    """

    def setUp(self) -> None:
        self.leaf, key = shared_certificate()
        secure = ("--certificate", self.leaf, "--private-key", key)
        self.daemon = self.enterContext(shared("--delay", "0.1s", "--https", "0", *secure))
        self.port = self.daemon.where("https").port

    def handshake(self, *arguments: str | Path, stdin: str = "") -> Finished:
        """The output of `openssl s_client` for the port."""
        to = f"127.0.0.1:{self.port}"
        words = ("openssl", "s_client", "-connect", to, "-CAfile", self.leaf, *arguments)
        return run(*words, stdin=stdin)

    @needs("curl")
    def test_curl(self) -> None:
        """
        A client that trusts the certificate gets every response over HTTPS, and over HTTP too.
        """
        url = f"https://localhost:{self.port}"
        response = curl(f"{url}/", "--cacert", self.leaf)
        self.assertEqual((response.status, response.body), (200, GREETING))
        self.assertGreaterEqual(response.seconds, 0.1)
        large = curl(f"{url}/files/zeros.bin", "--cacert", self.leaf)
        self.assertEqual(large.body, bytes(len(large.body)))
        self.assertEqual(large.headers["content-length"], str(len(large.body)))
        self.assertEqual(curl(f"{self.daemon.url}/").body, GREETING)

    @needs("curl")
    def test_stranger(self) -> None:
        """
        A client that does not trust the certificate closes, and the log has no error.
        """
        done = run("curl", "-qsS", "--noproxy", "*", f"https://localhost:{self.port}/")
        self.assertEqual(done.status, 60, done.err)

    def test_versions(self) -> None:
        """
        TLS 1.2 and 1.3 work; 1.1 gets the alert for a wrong version.
        """
        for version, name in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
            done = self.handshake(version)
            self.assertIn(f"New, {name}", done.out)
            self.assertIn("Verification: OK", done.out)
        # Without @SECLEVEL=0 openssl itself would not offer it.
        done = self.handshake("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        self.assertEqual(done.status, 1, done.out)
        self.assertIn("alert protocol version", done.err)

    def test_protocol(self) -> None:
        """
        ALPN selects http/1.1.
        """
        done = self.handshake("-alpn", "h2,http/1.1")
        self.assertIn("ALPN protocol: http/1.1", done.out)

    def test_renegotiation(self) -> None:
        """
        A client that asks for a new handshake in TLS 1.2 is refused.
        """
        with self.conversation("-tls1_2") as client:
            client.stdin.write(b"R\n")
            self.until(client, b"RENEGOTIATING")
            # The input stays open: openssl would leave at its end, without the response.
            self.until(client, b"no renegotiation")

    def test_keyUpdates(self) -> None:
        """
        A client may change its keys now and then; one that does nothing else is cut.
        """
        with self.conversation("-tls1_3") as client:
            # openssl updates the keys once for each read of its input.
            for _ in range(50):
                client.stdin.write(b"k\n")
                self.until(client, b"KEYUPDATE")
            client.stdin.write(b"GET /get HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.until(client, b"200 OK")
            try:
                # netd may be far behind openssl.
                for _ in range(10_000):
                    client.stdin.write(b"k\n")
                    self.until(client, b"KEYUPDATE")
            except (EOFError, BrokenPipeError):
                return
        self.fail("10 000 key updates")

    @contextmanager
    def conversation(self, version: str) -> Iterator[Any]:
        """An openssl in a connection to the port; its `stdin` and `stdout` have no buffer."""
        to = f"127.0.0.1:{self.port}"
        command = [need("openssl"), "s_client", version, "-connect", to, "-CAfile", self.leaf]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, bufsize=0, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT
        ) as client:
            try:
                self.until(client, b"Verify return code")
                yield client
            finally:
                client.kill()

    def until(self, client: Any, text: bytes) -> None:
        """Read the output up to a line with `text`; EOFError when it ends before."""
        while text not in (line := client.stdout.readline()):
            if not line:
                raise EOFError(text)

    @needs("curl")
    def test_notTLS(self) -> None:
        """
        Plain HTTP to the HTTPS port is refused, and the log has no error.
        """
        done = run("curl", "-qsS", "--noproxy", "*", f"http://localhost:{self.port}/")
        self.assertNotEqual(done.status, 0)
        self.assertEqual(curl(f"{self.daemon.url}/healthz").status, 200)

    @needs("openssl", "curl")
    def test_resumption(self) -> None:
        """
        openssl resumes sessions in both versions of TLS until a reload, and curl does, too.
        """
        session = Path(self.leaf).parent / "session"
        for version in ("-tls1_2", "-tls1_3"):
            # The ticket of TLS 1.3 comes with the response.
            question = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            self.handshake(version, "-ign_eof", "-sess_out", session, stdin=question)
            done = self.handshake(version, "-sess_in", session)
            self.assertRegex(done.out, r"(?m)^Reused, TLSv1\.[23]")
            self.assertIn("Verification: OK", done.out)
        self.daemon.signal(signal.SIGHUP)
        eventually(
            lambda: "New, " in self.handshake("-tls1_3", "-sess_in", session).out or None,
            "new keys for tickets",
        )
        done = self.handshake("-tls1_2", "-reconnect")
        self.assertEqual(done.out.count("Reused, TLSv1.2"), 5, done.out)
        url = f"https://localhost:{self.port}/tls"
        done = run(
            *("curl", "-qsSv", "--noproxy", "*", "--cacert", self.leaf),
            *("-H", "Connection: close", url, url),
        )
        self.assertRegex(done.err, "(?i)SSL re-?using session")
        self.assertEqual(done.out.count('"sni": "localhost"'), 2)

    @needs("ab")
    def test_ab(self) -> None:
        """
        `ab` over HTTPS reports no failed request.
        """
        bench = ab(f"https://localhost:{self.port}/", "-n", "20", "-c", "10")
        self.assertEqual((bench.length, bench.complete, bench.failed), (58, 20, 0))


@needs("openssl", "curl")
class ClientCertificateTests(SynchronousTestCase):
    """
    `--client-ca F`, with certificates made by openssl.
    """

    def setUp(self) -> None:
        self.folder = self.enterContext(temporary_directory())
        self.leaf, self.key = certificate(self.folder)
        self.authority = authority(self.folder)

    def start(self, *more: str) -> None:
        """Start a daemon that requests client certificates."""
        pair = ("--certificate", str(self.leaf), "--private-key", str(self.key))
        authority = ("--client-ca", str(self.authority[0]))
        self.daemon = self.enterContext(Daemon("--https", "0", *pair, *authority, *more))
        self.url = f"https://localhost:{self.daemon.where('https').port}"

    def ask(self, shown: tuple[Path, Path] | None) -> Finished:
        """The finished curl of /tls with this certificate."""
        words = ("--cert", shown[0], "--key", shown[1]) if shown else ()
        return run(
            *("curl", "-q", "-sS", "--noproxy", "*", "--cacert", self.leaf, *words),
            f"{self.url}/tls",
        )

    def test_accepted(self) -> None:
        """
        A certificate of the authority is accepted; /tls and the access log name its owner.
        """
        self.start()
        done = self.ask(signed(self.folder, self.authority, "Alice Smith"))
        self.assertEqual(done.status, 0, done.err)
        shown = json.loads(done.out)["tls"]
        self.assertEqual(shown["client"], "Alice Smith")
        self.assertEqual(shown["client_certificate"]["subject"], "O=netd, CN=Alice Smith")
        self.assertIn(r" - Alice\x20Smith [", self.daemon.logged("GET /tls"))

    def test_refused(self) -> None:
        """
        No certificate, a stranger's and an expired one fail the handshake without a traceback.
        """
        self.start()
        stranger = authority(self.folder, "stranger")
        for shown in (
            None,
            certificate(self.folder, "self"),
            signed(self.folder, stranger, "Mallory"),
            signed(self.folder, self.authority, "Late", expired=True),
        ):
            done = self.ask(shown)
            self.assertNotEqual(done.status, 0, shown)
            self.assertEqual(done.out, "")
        self.assertEqual(curl(f"{self.daemon.url}/healthz").status, 200)
        self.assertNotIn("GET /tls", self.daemon.log)

    def test_optional(self) -> None:
        """
        With --client-ca-optional a client without a certificate is accepted as nobody.
        """
        self.start("--client-ca-optional", "yes")
        shown = json.loads(self.ask(None).out)["tls"]
        self.assertEqual((shown["client"], shown["client_certificate"]), (None, None))
        mallory = signed(self.folder, authority(self.folder, "stranger"), "Mallory")
        self.assertNotEqual(self.ask(mallory).status, 0)


@needs("openssl")
class RotationTests(SynchronousTestCase):
    """
    Certificates that change, and several of them.
    """

    def setUp(self) -> None:
        self.folder = self.enterContext(temporary_directory())

    def shown(self, daemon: Daemon, name: str) -> str:
        """The subject of the certificate that openssl gets for `name`."""
        done = run(
            *("openssl", "s_client", "-connect", f"127.0.0.1:{daemon.where('https').port}"),
            *("-servername", name),
        )
        (line,) = [each for each in done.out.splitlines() if each.startswith("subject=")]
        return line.removeprefix("subject=").replace(" ", "")

    def test_reload(self) -> None:
        """
        SIGHUP loads a new certificate; a broken one changes nothing and is one line.
        """
        leaf, key = certificate(self.folder, "first")
        other = certificate(self.folder, "second")
        daemon = self.enterContext(
            Daemon("--https", "0", "--certificate", leaf, "--private-key", key)
        )
        self.assertEqual(self.shown(daemon, "localhost"), "CN=first")
        leaf.write_bytes(b"-----BEGIN CERTIFICATE-----\nnot\n")
        daemon.signal(signal.SIGHUP)
        daemon.logged(f"--certificate {leaf}: not a certificate in PEM")
        self.assertEqual(self.shown(daemon, "localhost"), "CN=first")
        leaf.write_bytes(other[0].read_bytes())
        key.write_bytes(other[1].read_bytes())
        daemon.signal(signal.SIGHUP)
        eventually(
            lambda: True if self.shown(daemon, "localhost") == "CN=second" else None,
            "the new certificate",
        )

    def test_names(self) -> None:
        """
        `--certificate-dir` serves each name its own certificate, or that of its wildcard.
        """
        names = self.folder / "names"
        names.mkdir()
        for name in ("default", "a.example.org"):
            certificate(names, name)
        leaf, key = certificate(self.folder, "wild")
        (names / "_.example.org.pem").write_bytes(leaf.read_bytes() + key.read_bytes())
        daemon = self.enterContext(Daemon("--https", "0", "--certificate-dir", names))
        for name, subject in (
            ("a.example.org", "CN=a.example.org"),
            ("b.example.org", "CN=wild"),
            ("example.com", "CN=default"),
        ):
            self.assertEqual(self.shown(daemon, name), subject)
