"""
A throw-away certificate authority, and certificates that clients have to refuse.

`python -m netd.testing.ca` prints the bundle of an authority that is kept for a week.

Rules: needs trustme, and only when an authority is made.  No authority is ever
trusted by the system.
"""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

NAMES: Final = ("localhost", "127.0.0.1", "::1")
"""What the certificates are for."""
WRONG_NAME: Final = "wrong.invalid"
"""What the certificate of another host is for."""
KEPT_SECONDS: Final = 7 * 86_400
"""How long the authority of the user's cache is used."""


class Certificate(NamedTuple):
    """
    Paths of PEM; a pair, as requests' `cert` and `load_cert_chain` take it.

    Both are in one file, so that they fit whatever other processes do.
    """

    certificate: str
    """The certificate, and those that lead to the authority."""
    key: str


class CA:
    """
    An authority whose files are in `directory`, which must exist.

    `bundle` is the path of its certificate.  An authority that is in the
    directory already is used again.  ModuleNotFoundError without trustme.
    """

    def __init__(self, directory: str | os.PathLike[str], *, temporary: bool = False) -> None:
        # The daemon runs in another directory.
        self.directory = Path(directory).absolute()
        self.temporary = temporary
        """Whether the directory should go when the process is killed."""
        both = _kept(self.directory / "ca.key", _authority)
        bundle = self.directory / "ca.pem"
        self.bundle = str(bundle)
        import trustme

        self._ca: Any = trustme.CA.from_pem(both, both)
        _kept(bundle, self._ca.cert_pem.bytes)

    def context(self) -> ssl.SSLContext:
        """The context of a client that trusts this authority alone."""
        return ssl.create_default_context(cafile=self.bundle)

    def server(self, *names: str) -> Certificate:
        """A good certificate for `names`, by default `NAMES`."""
        return self._issue("server-" + "-".join(names) if names else "server", *names or NAMES)

    def client(self, name: str = "client") -> Certificate:
        """The certificate of a client called `name`, for a daemon with --client-ca."""
        # Its common name, since a person's name can be no host's.
        return self._issue(f"client-{name}", "client.invalid", common_name=name)

    def expired(self) -> Certificate:
        """A certificate whose time ended yesterday."""
        now = datetime.now(UTC)
        times = {"not_before": now - timedelta(30), "not_after": now - timedelta(1)}
        return self._issue("expired", *NAMES, **times)

    def wrong_name(self) -> Certificate:
        """A good certificate, for another host."""
        return self._issue("wrong-name", WRONG_NAME)

    def self_signed(self) -> Certificate:
        """A certificate for `NAMES` that signs itself."""
        return self._certificate("self-signed", _self_signed)

    def _issue(self, name: str, *names: str, **traits: object) -> Certificate:
        """The certificate called `name`, made when it is asked for first."""
        return self._certificate(name, lambda: _pem(self._ca.issue_cert(*names, **traits)))

    def _certificate(self, name: str, make: Callable[[], bytes]) -> Certificate:
        path = self.directory / f"{quote(name, safe='')}.pem"
        _kept(path, make)
        return Certificate(str(path), str(path))


def _authority() -> bytes:
    """The key and the certificate of a new authority."""
    import trustme

    made = trustme.CA(organization_name="netd.testing")
    return made.private_key_pem.bytes() + made.cert_pem.bytes()


def _pem(issued: Any) -> bytes:
    """The key and the chain of a certificate of trustme."""
    pem: bytes = issued.private_key_and_cert_chain_pem.bytes()
    return pem


def _self_signed() -> bytes:
    """A key and its certificate."""
    # trustme has none of these, but the library below it.
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAMES[0])])
    names = [x509.DNSName(NAMES[0]), *(x509.IPAddress(ip_address(each)) for each in NAMES[1:])]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(30))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    no_password = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, no_password) + certificate.public_bytes(encoding)


def _kept(path: Path, make: Callable[[], bytes]) -> bytes:
    """
    What is in the file at `path`, which only the user may read.

    Without a file it is what `make` returns; of several processes the first makes it.
    """
    if not path.exists():
        descriptor, beside = tempfile.mkstemp(prefix=".", dir=path.parent)
        try:
            with open(descriptor, "wb") as file:
                file.write(make())
            # Unlike a rename, this replaces nothing.
            with suppress(FileExistsError):
                os.link(beside, path)
        finally:
            os.unlink(beside)
    return path.read_bytes()


def cache_directory() -> Path:
    """Where the authority is that is kept, by the custom of the system."""
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "netd" / "authority"


def kept() -> CA:
    """The authority of the user's cache, made anew each `KEPT_SECONDS`; or OSError."""
    directory = cache_directory()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = directory.lstat()
    if hasattr(os, "getuid") and (state.st_uid != os.getuid() or state.st_mode & 0o077):
        raise PermissionError(f"{directory}: others may change it; remove it")
    bundle = directory / "ca.pem"
    # Another process may renew it, too; the one that comes second finds what the first made.
    with _locked(directory):
        if bundle.exists() and not 0 <= time.time() - bundle.stat().st_mtime < KEPT_SECONDS:
            for path in directory.iterdir():
                path.unlink(missing_ok=True)
        return CA(directory)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keep other processes out meanwhile, where the system can lock a directory."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def trusted() -> CA | None:
    """The authority of the cache, where this process is told to trust it; None elsewhere."""
    bundle = cache_directory() / "ca.pem"
    if str(bundle) in map(os.environ.get, TRUST) and bundle.exists():
        return CA(bundle.parent)
    return None


TRUST: Final = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
"""The variables that tell clients which authorities to trust."""


def main() -> None:
    """Print the path of the bundle."""
    sys.stdout.write(f"{kept().bundle}\n")


if __name__ == "__main__":
    main()
