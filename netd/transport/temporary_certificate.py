"""
`--certificate temporary`: a self-signed certificate that lives as long as the daemon.

Rules: the private key is in memory only; the certificate is also a file, for clients.
"""

from __future__ import annotations

import datetime
import shutil
import tempfile
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from netd.settings import TEMPORARY
from netd.transport.certificates import KeyPair

_log = Logger()

_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
# Clients whose clock is a little slow accept the certificate too.
_BEFORE: Final = datetime.timedelta(hours=1)
# Some clients refuse certificates of more than 398 days.
_AFTER: Final = datetime.timedelta(days=397)


def make(names: Iterable[str], now: float) -> KeyPair:
    """A fresh pair for localhost and `names`, host names or IP addresses, `now` in seconds."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "netd temporary")])
    begun = datetime.datetime.fromtimestamp(now, datetime.UTC)
    alternatives = [_general_name(name) for name in dict.fromkeys((*_LOCAL, *sorted(names)))]
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    digest = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begun - _BEFORE)
        .not_valid_after(begun + _AFTER)
        # Whoever trusts the certificate trusts it for these names and for nothing else.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(usage, critical=False)
        .add_extension(digest, critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair((certificate,), key, f"--certificate {TEMPORARY}")


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class CertificateFile(Service):
    """The certificate of `pair` in a temporary directory, until a stop is `over`."""

    def __init__(self, pair: KeyPair, over: Callable[[], Deferred[None]]) -> None:
        self._pem = pair.chain[0].public_bytes(Encoding.PEM)
        self._over = over
        self._directory: str | None = None

    def startService(self) -> None:
        """Write the file, and its path to the log."""
        Service.startService(self)
        # Not before: twistd has forked and shed its privileges by now.
        try:
            self._directory = tempfile.mkdtemp(prefix="netd-")
            path = Path(self._directory, "certificate.pem")
            path.write_bytes(self._pem)
        except OSError as error:
            _log.error("--certificate temporary: no file: {why}", why=error.strerror)
        else:
            _log.info("temporary certificate: {path}", path=str(path))

    def stopService(self) -> Deferred[None]:
        """Remove the file when no client needs it any more."""
        Service.stopService(self)
        return self._over().addBoth(self._remove)

    def _remove(self, _: object) -> None:
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
