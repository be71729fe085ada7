"""
TLS, audited by testssl.sh.  trial runs this file early, because it takes longest.
"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import shared_certificate
from tests.programs import needs
from tests.running import Daemon, run, temporary_directory


@needs("openssl", "testssl")
class VulnerabilityTests(SynchronousTestCase):
    """
    The findings of testssl.sh.
    """

    def test_nothing(self) -> None:
        """
        testssl.sh reports no weak protocol, cipher or vulnerability.
        """
        folder = self.enterContext(temporary_directory())
        leaf, key = shared_certificate()
        daemon = self.enterContext(
            Daemon("--https", "0", "--certificate", leaf, "--private-key", key, "--delay", "0s")
        )
        report = folder / "found.json"
        done = run(
            *("testssl", "--quiet", "--color", "0", "--warnings", "off", "--ip", "one"),
            *("--nodns", "min", "--jsonfile", report, "-p", "-s", "-f", "-U"),
            f"localhost:{daemon.where('https').port}",
            deadline=300,
        )
        self.assertTrue(report.exists(), done.out + done.err)
        findings = {each["id"]: each for each in json.loads(report.read_text())}
        # testssl.sh warns that this openssl lacks features, which says nothing about netd.
        findings.pop("engine_problem", None)
        bad = [each for each in findings.values() if each["severity"] not in ("OK", "INFO")]
        self.assertEqual(bad, [])
        for name in ("TLS1_2", "TLS1_3", "cipherlist_STRONG", "heartbleed", "ROBOT", "LUCKY13"):
            self.assertEqual(findings[name]["severity"], "OK", findings[name])
        for name in ("SSLv2", "SSLv3", "TLS1", "TLS1_1", "cipherlist_AVERAGE"):
            self.assertEqual(findings[name]["finding"], "not offered")
