"""
Tests for netd.transport.certificates.
"""

from __future__ import annotations

import datetime
import os
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from OpenSSL.crypto import FILETYPE_ASN1, X509, load_certificate
from twisted.trial.unittest import SynchronousTestCase

from netd.test import stages
from netd.test.transport.tls_stages import PEMFiles
from netd.transport import certificates
from netd.transport.certificates import facts, identity, load_directory, load_pair, match


class KeyPairTests(PEMFiles):
    """A certificate and its key."""

    def error(self, certificate: Path, key: Path | None) -> str:
        """The one line of the error for two files."""
        return stages.usage_error(self, load_pair, certificate, key)

    def test_twoFiles(self) -> None:
        """Certificate and key may be in two files."""
        loaded = load_pair(self.certificate, self.key)
        self.assertEqual(loaded.chain, (self.server.certificate,))
        self.assertEqual(loaded.key.public_key(), self.server.key.public_key())
        self.assertEqual(loaded.source, f"--certificate {self.certificate}")

    def test_oneFile(self) -> None:
        """Certificate and key may be in one file, in either order."""
        parts = (self.server.certificate_pem, self.server.key_pem)
        for content in (b"".join(parts), b"".join(reversed(parts))):
            self.assertEqual(
                load_pair(self.file(content), None).chain, (self.server.certificate,)
            )

    def test_chain(self) -> None:
        """
        The chain has the order of the file, and the expiry of its first certificate to expire.
        """
        ends = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
        root = stages.identity("root", ends=ends)
        leaf = stages.identity("localhost", root)
        path = self.file(leaf.certificate_pem + root.certificate_pem + leaf.key_pem)
        loaded = load_pair(path, None)
        self.assertEqual(loaded.chain, (leaf.certificate, root.certificate))
        self.assertEqual(loaded.expiry, ends.timestamp())

    def test_certificateFile(self) -> None:
        """The error names a missing or bad certificate file."""
        der = self.server.certificate.public_bytes(serialization.Encoding.DER)
        broken = self.server.certificate_pem.replace(b"M", b"!", 1)
        for path, message in (
            (self.directory / "missing", "No such file or directory"),
            (self.directory, "Is a directory"),
            (self.file(b"", "empty"), "not a certificate in PEM"),
            (self.file(b"hello\n", "text"), "not a certificate in PEM"),
            (self.file(bytes(range(256)), "binary"), "not a certificate in PEM"),
            (self.file(der, "der"), "not a certificate in PEM"),
            (self.file(broken, "broken"), "not a certificate in PEM"),
            (self.file(self.server.key_pem, "only the key"), "not a certificate in PEM"),
        ):
            for key in (self.key, None):
                self.assertEqual(self.error(path, key), f"--certificate {path}: {message}")

    def test_keyFile(self) -> None:
        """The error names a missing or bad key file, and its option."""
        for path, message in (
            (self.directory / "missing", "No such file or directory"),
            (self.directory, "Is a directory"),
            (self.file(b"", "empty"), "not a private key in PEM"),
            (self.file(b"hello\n", "text"), "not a private key in PEM"),
            (self.certificate, "not a private key in PEM"),
        ):
            line = self.error(self.certificate, path)
            self.assertEqual(line, f"--private-key {path}: {message}")

    def test_fifo(self) -> None:
        """A FIFO in the place of a file is refused at once."""
        path = self.directory / "fifo"
        os.mkfifo(path)
        line = f"{path}: not a regular file"
        self.assertEqual(self.error(path, self.key), f"--certificate {line}")
        self.assertEqual(self.error(self.certificate, path), f"--private-key {line}")

    def test_otherKey(self) -> None:
        """The key of another certificate is refused."""
        _, other = stages.identity().write(self.directory, "other")
        line = self.error(self.certificate, other)
        self.assertTrue(line.startswith(f"--private-key {other}: not the key of this"), line)

    def test_keyMissing(self) -> None:
        """The error for a certificate without a key says where the key may be."""
        line = self.error(self.certificate, None)
        self.assertTrue(line.startswith(f"--certificate {self.certificate}: "), line)
        self.assertTrue(line.endswith("without --private-key it must hold the key too"), line)

    def test_passphrase(self) -> None:
        """A key with a passphrase is refused without a prompt on the terminal."""
        locked = self.server.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.BestAvailableEncryption(b"secret"),
        )
        path = self.file(locked, "locked.key")
        line = self.error(self.certificate, path)
        self.assertEqual(line, f"--private-key {path}: not a private key without a passphrase")

    def test_strangeKey(self) -> None:
        """A key of an unknown kind is refused with a readable error."""

        def load(pem: bytes, password: None) -> None:
            raise UnsupportedAlgorithm("x")

        self.patch(certificates, "load_pem_private_key", load)
        self.assertIn(
            "not a kind of key that OpenSSL knows", self.error(self.certificate, self.key)
        )


class DirectoryTests(PEMFiles):
    """A directory of certificates by server name."""

    def put(self, name: str, *, key: bool = True) -> None:
        """Write a certificate, with its key in the same file."""
        created = stages.identity(name)
        (self.names / name).write_bytes(
            created.certificate_pem + (created.key_pem if key else b"")
        )

    def error(self, path: Path) -> str:
        """The one line of the error for a directory."""
        return stages.usage_error(self, load_directory, path)

    def test_names(self) -> None:
        """Each name has one file or two; other files are ignored."""
        self.put("A.Example.org.pem")
        self.put("_.example.org.crt")
        certificate, _ = stages.identity().write(self.names, "two")
        self.put(".hidden.pem")
        (self.names / "README").write_text("hello")
        (self.names / "lonely.key").write_text("hello")
        loaded = load_directory(self.names)
        self.assertEqual(set(loaded), {"a.example.org", "_.example.org", "two"})
        self.assertEqual(loaded["two"].source, f"--certificate-dir {certificate}")

    def test_empty(self) -> None:
        """An empty directory has no certificates."""
        self.assertEqual(load_directory(self.names), {})

    def test_missing(self) -> None:
        """A path that is no directory is refused."""
        for path, message in (
            (self.directory / "missing", "No such file or directory"),
            (self.key, "Not a directory"),
        ):
            self.assertEqual(self.error(path), f"--certificate-dir {path}: {message}")

    def test_broken(self) -> None:
        """The error names the one bad file of a directory."""
        self.put("good.pem")
        bad = self.names / "bad.pem"
        bad.write_text("x")
        self.assertEqual(
            self.error(self.names), f"--certificate-dir {bad}: not a certificate in PEM"
        )

    def test_noKey(self) -> None:
        """The error for a certificate without a key names the .key file."""
        self.put("a.pem", key=False)
        self.assertTrue(
            self.error(self.names).endswith("without a .key file it must hold the key too")
        )

    def test_twice(self) -> None:
        """Two certificates for one name are refused."""
        self.put("a.pem")
        self.put("A.crt")
        self.assertIn("a second certificate for a", self.error(self.names))


class MatchTests(SynchronousTestCase):
    """The value for a server name."""

    def test_match(self) -> None:
        """The exact name comes before the wildcard, which stands for exactly one label."""
        names = {"a.example.org": 1, "_.example.org": 2, "localhost": 3}
        for name, loaded in (
            ("a.example.org", 1),
            ("A.EXAMPLE.ORG", 1),
            ("a.example.org.", 1),
            ("b.example.org", 2),
            ("_.example.org", 2),
            ("c.b.example.org", None),
            ("example.org", None),
            ("localhost", 3),
            ("", None),
            (".", None),
            ("org", None),
        ):
            self.assertEqual(match(names, name), loaded, name)


class IdentityTests(SynchronousTestCase):
    """The name in a certificate."""

    def test_commonName(self) -> None:
        """The common name is the identity, in any script."""
        for name in ("Alice Smith", "\u0410\u043b\u0438\u0441\u0430"):
            created = stages.identity(name, sans=(x509.DNSName("a.example"),))
            self.assertEqual(self.name(created), name)

    def test_alternative(self) -> None:
        """Without a common name, the first alternative name of any kind is the identity."""
        for name, message in (
            (x509.DNSName("a.example"), "a.example"),
            (x509.RFC822Name("a@example.org"), "a@example.org"),
            (x509.UniformResourceIdentifier("spiffe://a/b"), "spiffe://a/b"),
            (x509.IPAddress(ip_address("192.0.2.1")), "192.0.2.1"),
        ):
            created = stages.identity(common=False, sans=(name, x509.DNSName("other")))
            self.assertEqual(self.name(created), message)

    def test_nameless(self) -> None:
        """Without names, the serial number is the identity."""
        created = stages.identity(common=False, sans=())
        serial = f"serial-{created.certificate.serial_number:x}"
        self.assertEqual(self.name(created), serial)

    def test_unreadable(self) -> None:
        """Names that cryptography cannot read are none, whatever OpenSSL has verified."""
        for sans, (old, new) in (
            # An x400Address, an ediPartyName, a name of no kind, a name cut short.
            (b"\x30\x02\xa3\x00", _SAME),
            (b"\x30\x06\xa5\x04\xa1\x02\x0c\x00", _SAME),
            (b"\x30\x02\x8f\x00", _SAME),
            (b"\x30\x02\x82\x05", _SAME),
            # The numbers of a version 2 certificate, with parts of version 3.
            (b"", (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01")),
        ):
            odd = _odd(sans, "" if sans else "Alice", old, new)
            self.assertEqual(identity(odd), "serial-1234", (sans, new))
            self.assertEqual((facts(odd)["subject"], facts(odd)["serial"]), ("", "1234"))

    def name(self, created: stages.Identity) -> str:
        """The name in a certificate."""
        return identity(X509.from_cryptography(created.certificate))


_SAME: Final = (b"", b"")


def _odd(sans: bytes, name: str, old: bytes, new: bytes) -> X509:
    """A signed certificate with these bytes as alternative names, or others in its place."""
    key = ed25519.Ed25519PrivateKey.generate()
    attributes = [x509.NameAttribute(x509.NameOID.COMMON_NAME, name)] if name else []
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(0x1234)
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC))
    )
    if sans:
        oid = x509.oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, sans), critical=False)
    signed = builder.sign(key, None)
    body = signed.tbs_certificate_bytes
    changed = body.replace(old, new) if old else body
    der = signed.public_bytes(serialization.Encoding.DER).replace(body, changed)
    # The last bytes are the signature.
    return load_certificate(FILETYPE_ASN1, der[:-64] + key.sign(changed))
