"""
PEM files as certificates and keys, which of them a name wants, and whom one names.

Rules: knows no connection and no OpenSSL context.  Whatever is wrong with a
file is a UsageError that names the option, the file and the fault in one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import frozen
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from twisted.python.usage import UsageError

T = TypeVar("T")

DEFAULT: Final = "default"
"""The name, in a directory too, of what is shown to a client that names no other."""
_WILD: Final = "_"


@frozen
class Pair:
    """A certificate with its chain, and its key."""

    chain: tuple[x509.Certificate, ...]
    """The leaf, then whoever signed it, as far as the file goes."""
    key: Any
    source: str
    """The option and the file, for messages."""

    @property
    def ends(self) -> float:
        """When the first of the chain expires, in seconds since the epoch."""
        return min(each.not_valid_after_utc.timestamp() for each in self.chain)


def contents(option: str, path: Path) -> bytes:
    """The bytes of the file that `option` names."""
    try:
        return path.read_bytes()
    except OSError as wrong:
        raise UsageError(f"{option} {path}: {wrong.strerror}") from None


def certificates(option: str, path: Path) -> tuple[x509.Certificate, ...]:
    """Every certificate of a PEM file, at least one."""
    try:
        return tuple(x509.load_pem_x509_certificates(contents(option, path)))
    except ValueError:
        raise UsageError(f"{option} {path}: not a certificate in PEM") from None


def _private_key(pem: bytes) -> Any:
    """The first key in `pem`; ValueError in words when there is none that can be used."""
    try:
        return load_pem_private_key(pem, None)
    except UnsupportedAlgorithm:
        raise ValueError("a kind of key that OpenSSL does not know") from None
    except TypeError:
        # cryptography's word for a key that needs a passphrase, or for one TLS cannot use.
        raise ValueError("not a private key without a passphrase") from None
    except ValueError:
        raise ValueError("not a private key in PEM") from None


def pair(
    certificate: Path, private_key: Path | None, options: tuple[str, str] | None = None
) -> Pair:
    """
    What two PEM files hold, or one that holds both.

    `options` are those to name for each file, `--certificate` and
    `--private-key` unless said.
    """
    certificate_option, key_option = options or ("--certificate", "--private-key")
    key_path, alone = private_key, ""
    if key_path is None:
        key_path, key_option = certificate, certificate_option
        alone = f"; without {'a .key file' if options else '--private-key'} "
        alone += "it must hold the key too"
    chain = certificates(certificate_option, certificate)
    pem = contents(key_option, key_path)
    try:
        key = _private_key(pem)
        if key.public_key() != chain[0].public_key():
            raise ValueError("mismatch: the key of another certificate")
    except (UnsupportedAlgorithm, ValueError) as wrong:
        raise UsageError(f"{key_option} {key_path}: {wrong}{alone}") from None
    return Pair(chain, key, f"{certificate_option} {certificate}")


def directory(path: Path) -> dict[str, Pair]:
    """
    The pair of each server name in a directory, by name in small letters.

    NAME.pem holds both, or NAME.key the key; NAME.crt is as good as NAME.pem.
    `_.example.org` is for every name of one label more.  Other files are left
    alone.
    """
    option = "--certificate-dir"
    try:
        files = sorted(path.iterdir())
    except OSError as wrong:
        raise UsageError(f"{option} {path}: {wrong.strerror}") from None
    found: dict[str, Pair] = {}
    for file in files:
        if file.suffix not in (".pem", ".crt") or file.name.startswith("."):
            continue
        name = file.name[: -len(file.suffix)].lower()
        if name in found:
            raise UsageError(f"{option} {file}: a second certificate for {name}")
        key = file.with_name(f"{file.name[: -len(file.suffix)]}.key")
        found[name] = pair(file, key if key.exists() else None, (option, option))
    return found


def choose(names: Mapping[str, T], name: str) -> T | None:
    """What `names` has for a server name: its own, or that of its wildcard (RFC 9525 6.3)."""
    name = name.lower().removesuffix(".")
    found = names.get(name)
    if found is None:
        _, dot, rest = name.partition(".")
        found = names.get(f"{_WILD}.{rest}") if dot else None
    return found


def identity(certificate: x509.Certificate) -> str:
    """Whom a certificate names: its common name, else its first SAN, else its serial number."""
    try:
        for each in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME):
            return str(each.value)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        for name in names.value:
            return str(getattr(name, "value", name))
    except (x509.ExtensionNotFound, ValueError):
        # Signed by a CA that is trusted, and written by one that is not careful.
        pass
    return f"serial-{certificate.serial_number:x}"
