"""
What HTTPS needs: a context made of files, and a factory inside it.

Rules: knows no protocol.  Files are read when the daemon is built, so that a
wrong one stops the start and not each handshake.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.interfaces import IReactorTime
from twisted.internet.ssl import AcceptableCiphers, CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.usage import UsageError

# Forward secret and authenticated (RFC 9325 4.2), and what TLS 1.3 has.
_CIPHERS: Final = (
    "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:"
    "ECDHE+AESGCM:ECDHE+CHACHA20"
)


def _reason(wrong: Exception) -> str:
    """OpenSSL's own words for the first thing it stumbled over, on one line."""
    queue = wrong.args[0] if wrong.args else ()
    if queue and isinstance(queue, (list, tuple)):
        return str(queue[0][-1])
    return str(wrong).splitlines()[0] if str(wrong) else type(wrong).__name__


def _read(option: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as wrong:
        raise UsageError(f"{option} {path}: {wrong.strerror}") from None


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


def context(certificate: Path, private_key: Path | None) -> CertificateOptions:
    """
    The server's side of TLS 1.2 and 1.3 for these PEM files, ALPN `http/1.1`.

    UsageError names the option whose file cannot be read, is no PEM or does
    not fit the other.
    """
    key_option, key = (
        ("--certificate", certificate)
        if private_key is None
        else ("--private-key", private_key)
    )
    _read("--certificate", certificate)
    _read(key_option, key)
    options = CertificateOptions(
        raiseMinimumTo=TLSVersion.TLSv1_2,
        acceptableCiphers=AcceptableCiphers.fromOpenSSLCipherString(_CIPHERS),
        acceptableProtocols=[b"http/1.1"],
    )
    try:
        made: SSL.Context = options.getContext()
    except MemoryError:
        # As under systemd's MemoryDenyWriteExecute=yes.
        raise UsageError(
            f"--certificate {certificate}: TLS needs memory that is written and then run, "
            "which is forbidden here"
        ) from None
    try:
        made.use_certificate_chain_file(str(certificate))
    except SSL.Error as wrong:
        raise UsageError(f"--certificate {certificate}: {_reason(wrong)}") from None
    try:
        made.use_privatekey(_private_key(key.read_bytes()))
        made.check_privatekey()
    except (SSL.Error, TypeError, ValueError) as wrong:
        alone = "" if private_key else "; without --private-key it must hold the key too"
        raise UsageError(f"{key_option} {key}: {_reason(wrong)}{alone}") from None
    return options


def wrap(factory: Any, options: CertificateOptions, clock: IReactorTime) -> TLSMemoryBIOFactory:
    """`factory` behind TLS: it sees plain bytes and a transport that is secure."""
    return TLSMemoryBIOFactory(options, False, factory, clock)
