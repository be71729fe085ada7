"""
Tests of netd.transport.temporary_certificate.
"""

from __future__ import annotations

import datetime
import os
import stat
import tempfile
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from netd.transport.temporary_certificate import CertificateFile, make

NOW: Final = 1_751_784_577.0


class MakeTests(SynchronousTestCase):
    """The certificate and its key."""

    def test_names(self) -> None:
        """The certificate is for localhost, its addresses and the names, each once."""
        (certificate,) = make(["b.example", "localhost", "192.0.2.1", "fe80::1%lo"], NOW).chain
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        self.assertEqual(
            names.value.get_values_for_type(x509.DNSName), ["localhost", "b.example"]
        )
        self.assertEqual(
            names.value.get_values_for_type(x509.IPAddress),
            [ip_address(each) for each in ("127.0.0.1", "::1", "192.0.2.1", "fe80::1")],
        )

    def test_signed(self) -> None:
        """The certificate is signed by its own key, which no other one has, and is no CA."""
        one, other = make([], NOW), make([], NOW)
        certificate = one.chain[0]
        certificate.verify_directly_issued_by(certificate)
        self.assertEqual(certificate.public_key(), one.key.public_key())
        self.assertNotEqual(one.key.public_key(), other.key.public_key())
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        self.assertFalse(basic.value.ca)

    def test_days(self) -> None:
        """The certificate is valid for 397 days, and has been for an hour."""
        pair = make([], NOW)
        now = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
        begun = now - pair.chain[0].not_valid_before_utc
        self.assertEqual(begun, datetime.timedelta(hours=1))
        self.assertEqual(pair.expiry, NOW + 397 * 86_400)


class CertificateFileTests(SynchronousTestCase):
    """The file for clients."""

    def setUp(self) -> None:
        self.pair = make([], NOW)
        self.over: Deferred[None] = Deferred()
        self.service = CertificateFile(self.pair, lambda: self.over)

    def start(self) -> str:
        """The line in the log when the service starts."""
        with capturedLogs() as events:
            self.service.startService()
        (line,) = map(formatEvent, events)
        return line

    def test_file(self) -> None:
        """The log names a file that holds the certificate alone, until the stop is over."""
        path = Path(self.start().removeprefix("temporary certificate: "))
        self.assertEqual(x509.load_pem_x509_certificates(path.read_bytes()), [*self.pair.chain])
        self.assertNotIn(b"PRIVATE", path.read_bytes())
        self.assertEqual(stat.S_IMODE(path.parent.stat().st_mode), 0o700)
        stopped = self.service.stopService()
        self.assertTrue(path.exists())
        self.over.callback(None)
        self.successResultOf(stopped)
        self.assertFalse(path.parent.exists())

    def test_neverStarted(self) -> None:
        """A service that never started removes nothing."""
        self.over.callback(None)
        self.successResultOf(self.service.stopService())

    def test_full(self) -> None:
        """Where no file can be written the log says why, and nothing else fails."""
        self.patch(tempfile, "tempdir", os.path.abspath("missing"))
        self.assertEqual(
            self.start(), "--certificate temporary: no file: No such file or directory"
        )
        self.over.callback(None)
        self.successResultOf(self.service.stopService())
