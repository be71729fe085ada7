"""
Tests for netd.transport.certificates.
"""

from __future__ import annotations

import datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from netd.test import stages
from netd.transport import certificates
from netd.transport.certificates import identity, load_directory, load_pair, match


class _Files(SynchronousTestCase):
    """
    PEM files of one test.
    """

    def setUp(self) -> None:
        self.room = Path(self.mktemp())
        self.room.mkdir(parents=True)
        self.server = stages.identity()
        self.certificate, self.key = self.server.write(self.room)

    def file(self, content: bytes, name: str = "file.pem") -> Path:
        """The path of a file that holds `content`."""
        path = self.room / name
        path.write_bytes(content)
        return path


class PairTests(_Files):
    """
    A certificate and its key.
    """

    def refused(self, certificate: Path, key: Path | None) -> str:
        """The one line with which they are refused."""
        with self.assertRaises(UsageError) as caught:
            load_pair(certificate, key)
        said = str(caught.exception)
        self.assertTrue(said.isprintable(), said)
        self.assertFalse(said.rstrip().endswith(":"), said)
        return said

    def test_two_files(self) -> None:
        """
        They may stand in two files.
        """
        found = load_pair(self.certificate, self.key)
        self.assertEqual(found.chain, (self.server.certificate,))
        self.assertEqual(found.key.public_key(), self.server.key.public_key())
        self.assertEqual(found.source, f"--certificate {self.certificate}")

    def test_one_file(self) -> None:
        """
        Both may stand in one, in either order.
        """
        parts = (self.server.certificate_pem, self.server.key_pem)
        for content in (b"".join(parts), b"".join(reversed(parts))):
            self.assertEqual(
                load_pair(self.file(content), None).chain, (self.server.certificate,)
            )

    def test_chain(self) -> None:
        """
        The chain is in the order of the file, and ends when the first of it does.
        """
        ends = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
        root = stages.identity("root", ends=ends)
        leaf = stages.identity("localhost", root)
        path = self.file(leaf.certificate_pem + root.certificate_pem + leaf.key_pem)
        found = load_pair(path, None)
        self.assertEqual(found.chain, (leaf.certificate, root.certificate))
        self.assertEqual(found.expiry, ends.timestamp())

    def test_certificate_file(self) -> None:
        """
        A certificate file that is missing, a directory, or holds none is refused by name.
        """
        der = self.server.certificate.public_bytes(serialization.Encoding.DER)
        broken = self.server.certificate_pem.replace(b"M", b"!", 1)
        for path, said in (
            (self.room / "missing", "No such file or directory"),
            (self.room, "Is a directory"),
            (self.file(b"", "empty"), "not a certificate in PEM"),
            (self.file(b"hello\n", "text"), "not a certificate in PEM"),
            (self.file(bytes(range(256)), "binary"), "not a certificate in PEM"),
            (self.file(der, "der"), "not a certificate in PEM"),
            (self.file(broken, "broken"), "not a certificate in PEM"),
            (self.file(self.server.key_pem, "only the key"), "not a certificate in PEM"),
        ):
            for key in (self.key, None):
                self.assertEqual(self.refused(path, key), f"--certificate {path}: {said}")

    def test_key_file(self) -> None:
        """
        So is a key file, by the option that named it.
        """
        for path, said in (
            (self.room / "missing", "No such file or directory"),
            (self.room, "Is a directory"),
            (self.file(b"", "empty"), "not a private key in PEM"),
            (self.file(b"hello\n", "text"), "not a private key in PEM"),
            (self.certificate, "not a private key in PEM"),
        ):
            line = self.refused(self.certificate, path)
            self.assertEqual(line, f"--private-key {path}: {said}")

    def test_other_key(self) -> None:
        """
        A key of another certificate is refused.
        """
        _, other = stages.identity().write(self.room, "other")
        line = self.refused(self.certificate, other)
        self.assertTrue(line.startswith(f"--private-key {other}: mismatch"), line)

    def test_key_missing(self) -> None:
        """
        A certificate alone is refused with the hint that the key has to be somewhere.
        """
        line = self.refused(self.certificate, None)
        self.assertTrue(line.startswith(f"--certificate {self.certificate}: "), line)
        self.assertTrue(line.endswith("without --private-key it must hold the key too"), line)

    def test_passphrase(self) -> None:
        """
        A key under a passphrase is refused, and nobody is asked for it on the terminal.
        """
        locked = self.server.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.BestAvailableEncryption(b"secret"),
        )
        path = self.file(locked, "locked.key")
        line = self.refused(self.certificate, path)
        self.assertEqual(line, f"--private-key {path}: not a private key without a passphrase")

    def test_strange_key(self) -> None:
        """
        A key that nobody here knows is refused in words.
        """

        def load(pem: bytes, password: None) -> None:
            raise UnsupportedAlgorithm("x")

        self.patch(certificates, "load_pem_private_key", load)
        self.assertIn("does not know", self.refused(self.certificate, self.key))


class DirectoryTests(_Files):
    """
    A directory of certificates by server name.
    """

    def setUp(self) -> None:
        super().setUp()
        self.names = self.room / "names"
        self.names.mkdir()

    def put(self, name: str, *, key: bool = True) -> None:
        """A certificate, with its key in the same file."""
        made = stages.identity(name)
        (self.names / name).write_bytes(made.certificate_pem + (made.key_pem if key else b""))

    def refused(self, path: Path) -> str:
        """The one line with which a directory is refused."""
        with self.assertRaises(UsageError) as caught:
            load_directory(path)
        return str(caught.exception)

    def test_names(self) -> None:
        """
        Each name has its file, or its two; other files are left alone.
        """
        self.put("A.Example.org.pem")
        self.put("_.example.org.crt")
        certificate, _ = stages.identity().write(self.names, "two")
        self.put(".hidden.pem")
        (self.names / "README").write_text("hello")
        (self.names / "lonely.key").write_text("hello")
        found = load_directory(self.names)
        self.assertEqual(set(found), {"a.example.org", "_.example.org", "two"})
        self.assertEqual(found["two"].source, f"--certificate-dir {certificate}")

    def test_empty(self) -> None:
        """
        An empty directory holds none.
        """
        self.assertEqual(load_directory(self.names), {})

    def test_missing(self) -> None:
        """
        A directory that is none is refused.
        """
        for path, said in (
            (self.room / "missing", "No such file or directory"),
            (self.key, "Not a directory"),
        ):
            self.assertEqual(self.refused(path), f"--certificate-dir {path}: {said}")

    def test_broken(self) -> None:
        """
        One broken file spoils it, and is named.
        """
        self.put("good.pem")
        bad = self.names / "bad.pem"
        bad.write_text("x")
        self.assertEqual(
            self.refused(self.names), f"--certificate-dir {bad}: not a certificate in PEM"
        )

    def test_no_key(self) -> None:
        """
        A certificate without a key is told where the key may stand.
        """
        self.put("a.pem", key=False)
        self.assertTrue(
            self.refused(self.names).endswith("without a .key file it must hold the key too")
        )

    def test_twice(self) -> None:
        """
        Two certificates for one name are one too many.
        """
        self.put("a.pem")
        self.put("A.crt")
        self.assertIn("a second certificate for a", self.refused(self.names))


class ChooseTests(SynchronousTestCase):
    """
    Which entry a server name wants.
    """

    def test_chosen(self) -> None:
        """
        Its own before the wildcard's; a wildcard is for exactly one label more.
        """
        names = {"a.example.org": 1, "_.example.org": 2, "localhost": 3}
        for name, found in (
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
            self.assertEqual(match(names, name), found, name)


class IdentityTests(SynchronousTestCase):
    """
    Whom a certificate names.
    """

    def test_common_name(self) -> None:
        """
        The common name, whatever its letters.
        """
        for name in ("Alice Smith", "\u0410\u043b\u0438\u0441\u0430"):
            made = stages.identity(name, sans=(x509.DNSName("a.example"),))
            self.assertEqual(identity(made.certificate), name)

    def test_alternative(self) -> None:
        """
        Without one, the first alternative name, whatever its kind.
        """
        for name, said in (
            (x509.DNSName("a.example"), "a.example"),
            (x509.RFC822Name("a@example.org"), "a@example.org"),
            (x509.UniformResourceIdentifier("spiffe://a/b"), "spiffe://a/b"),
            (x509.IPAddress(ip_address("192.0.2.1")), "192.0.2.1"),
        ):
            made = stages.identity(common=False, sans=(name, x509.DNSName("other")))
            self.assertEqual(identity(made.certificate), said)

    def test_nameless(self) -> None:
        """
        Without any, the serial number.
        """
        certificate = stages.identity(common=False, sans=()).certificate
        self.assertEqual(identity(certificate), f"serial-{certificate.serial_number:x}")
