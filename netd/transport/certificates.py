"""
Certificates and keys from PEM files, by server name.

Rules: knows no connection; a bad file is a UsageError naming option, file and fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import frozen
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL.crypto import X509
from twisted.python.usage import UsageError

from netd.regular_file import read_file

T = TypeVar("T")

DEFAULT: Final = "default"
"""The name of the certificate for clients that request no other name."""


@frozen
class KeyPair:
    """A certificate with its chain, and its private key."""

    chain: tuple[x509.Certificate, ...]
    """The server's certificate, then those of its issuers in the file."""
    key: Any
    source: str
    """The option and the file, for messages."""

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate."""
        return self.chain[0].fingerprint(SHA256()).hex()

    @property
    def expiry(self) -> float:
        """When the first certificate of the chain expires, in seconds since the epoch."""
        return min(each.not_valid_after_utc.timestamp() for each in self.chain)


def _read(option: str, path: Path) -> bytes:
    try:
        return read_file(path)
    except ValueError as error:
        raise UsageError(f"{option} {path}: {error}") from None


def load_certificates(option: str, path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of the PEM file that `option` names, at least one."""
    try:
        return tuple(x509.load_pem_x509_certificates(_read(option, path)))
    except ValueError:
        raise UsageError(f"{option} {path}: not a certificate in PEM") from None


def _private_key(pem: bytes) -> Any:
    """The first key in `pem`; ValueError says why there is none that TLS can use."""
    try:
        return load_pem_private_key(pem, None)
    except UnsupportedAlgorithm:
        raise ValueError("not a kind of key that OpenSSL knows") from None
    except TypeError:
        # The key needs a passphrase, or has a kind that TLS cannot use.
        raise ValueError("not a private key without a passphrase") from None
    except ValueError:
        raise ValueError("not a private key in PEM") from None


def load_pair(
    certificate: Path, private_key: Path | None, directory_option: str | None = None
) -> KeyPair:
    """The pair in one or two PEM files; messages may name a `directory_option`."""
    certificate_option = directory_option or "--certificate"
    key_option = directory_option or "--private-key"
    key_path, hint = private_key, ""
    if key_path is None:
        key_path, key_option = certificate, certificate_option
        missing = "a .key file" if directory_option else "--private-key"
        hint = f"; without {missing} it must hold the key too"
    chain = load_certificates(certificate_option, certificate)
    pem = _read(key_option, key_path)
    try:
        key = _private_key(pem)
        if key.public_key() != chain[0].public_key():
            raise ValueError("not the key of this certificate")
    except (UnsupportedAlgorithm, ValueError) as error:
        raise UsageError(f"{key_option} {key_path}: {error}{hint}") from None
    return KeyPair(chain, key, f"{certificate_option} {certificate}")


def load_directory(path: Path) -> dict[str, KeyPair]:
    """The pairs in NAME.pem or NAME.crt, with keys there or in NAME.key, by lower-case NAME."""
    option = "--certificate-dir"
    try:
        files = sorted(path.iterdir())
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from None
    pairs: dict[str, KeyPair] = {}
    for file in files:
        if file.suffix not in (".pem", ".crt") or file.name.startswith("."):
            continue
        name = file.stem.lower()
        if name in pairs:
            raise UsageError(f"{option} {file}: a second certificate for {name}")
        key = file.with_suffix(".key")
        pairs[name] = load_pair(file, key if key.exists() else None, option)
    return pairs


def match(names: Mapping[str, T], name: str) -> T | None:
    """The value for a server name, or for its wildcard `_.example.org` (RFC 9525 6.3)."""
    name = name.lower().removesuffix(".")
    _, dot, parent = name.partition(".")
    value = names.get(name)
    return names.get(f"_.{parent}") if value is None and dot else value


# What cryptography raises for certificates that OpenSSL accepts all the same.
_ODD: Final = (x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType)


def facts(certificate: X509) -> Mapping[str, str]:
    """Subject, serial number and digest of a certificate; no subject that is malformed."""
    subject: Iterable[x509.NameAttribute[str | bytes]] = ()
    with suppress(*_ODD, ValueError):
        subject = certificate.to_cryptography().subject
    return {
        "subject": ", ".join(f"{a.rfc4514_attribute_name}={a.value!s}" for a in subject),
        "serial": f"{certificate.get_serial_number():x}",
        "sha256": certificate.digest("sha256").decode(),
    }


def identity(certificate: X509) -> str:
    """The common name of a certificate, else its first SAN, else its serial number."""
    try:
        parsed = certificate.to_cryptography()
        for common_name in parsed.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME):
            return str(common_name.value)
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        for name in names.value:
            return str(getattr(name, "value", name))
    except (*_ODD, x509.ExtensionNotFound, ValueError):
        # There is no SAN, or a trusted CA has issued a malformed or odd certificate.
        pass
    return f"serial-{certificate.get_serial_number():x}"


def peer_identity(connection: Any) -> str | None:
    """The identity of the client of an SSL.Connection; None without a certificate."""
    # OpenSSL ends the handshake of a client whose certificate it cannot verify.
    certificate: X509 | None = connection.get_peer_certificate()
    return None if certificate is None else identity(certificate)
