"""
HTTPS with a certificate of one's own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import certificate
from tests.clients import GREETING, ab, curl
from tests.running import Daemon, Finished, run


class TLSTests(SynchronousTestCase):
    """
    `--https 0 --certificate F --private-key F`.
    """

    def setUp(self) -> None:
        room = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.leaf, self.key = certificate(room)
        self.daemon = self.enterContext(
            Daemon(
                *("--delay", "0.1s", "--https", "0"),
                *("--certificate", self.leaf, "--private-key", self.key),
            )
        )
        self.port = self.daemon.where("https").port

    def handshake(self, *arguments: str) -> Finished:
        """What `openssl s_client` makes of the port."""
        to = f"127.0.0.1:{self.port}"
        return run("openssl", "s_client", "-connect", to, "-CAfile", self.leaf, *arguments)

    def test_curl(self) -> None:
        """
        A client that trusts the certificate gets every answer over HTTPS, and over HTTP too.
        """
        url = f"https://localhost:{self.port}"
        answer = curl(f"{url}/", "--cacert", str(self.leaf))
        self.assertEqual((answer.status, answer.body), (200, GREETING))
        self.assertGreaterEqual(answer.seconds, 0.1)
        large = curl(f"{url}/files/zeros.bin", "--cacert", str(self.leaf))
        self.assertEqual(large.body, bytes(len(large.body)))
        self.assertEqual(large.headers["content-length"], str(len(large.body)))
        self.assertEqual(curl(f"{self.daemon.url}/").body, GREETING)

    def test_stranger(self) -> None:
        """
        A client that does not trust the certificate breaks off, and the log stays clean.
        """
        done = run("curl", "-qsS", "--noproxy", "*", f"https://localhost:{self.port}/")
        self.assertEqual(done.status, 60, done.err)

    def test_versions(self) -> None:
        """
        TLS 1.2 and 1.3 are spoken; 1.1 is answered with the alert for a wrong version.
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
        ALPN settles on http/1.1.
        """
        done = self.handshake("-alpn", "h2,http/1.1")
        self.assertIn("ALPN protocol: http/1.1", done.out)

    def test_notTLS(self) -> None:
        """
        Plain HTTP to the HTTPS port is refused without a trace in the log.
        """
        done = run("curl", "-qsS", "--noproxy", "*", f"http://localhost:{self.port}/")
        self.assertNotEqual(done.status, 0)
        self.assertEqual(curl(f"{self.daemon.url}/healthz").status, 200)

    def test_ab(self) -> None:
        """
        `ab` over HTTPS fails no request.
        """
        bench = ab(f"https://localhost:{self.port}/", "-n", "20", "-c", "10")
        self.assertEqual((bench.length, bench.complete, bench.failed), (58, 20, 0))
