"""
Keys and certificates for a test's own HTTPS, made by openssl.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from tests.running import succeed

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def certificate(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """The PEM files of a self-signed certificate for localhost and of its key, in `folder`."""
    leaf, key = folder / f"{name}.pem", folder / f"{name}.key"
    succeed(
        *("openssl", "req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN={name}"),
        *("-addext", f"subjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1"),
        *("-keyout", key, "-out", leaf),
    )
    return leaf, key


@functools.cache
def shared_certificate() -> tuple[str, str]:
    """The files of one for all tests of this process that only need any."""
    folder = Path(tempfile.mkdtemp(prefix="netd-"))
    atexit.register(shutil.rmtree, folder)
    leaf, key = certificate(folder)
    return str(leaf), str(key)


def authority(folder: Path, name: str = "authority") -> tuple[Path, Path]:
    """The PEM files of a certificate that signs others, and of its key."""
    leaf, key = folder / f"{name}.pem", folder / f"{name}.key"
    succeed(
        *("openssl", "req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN={name}"),
        *("-keyout", key, "-out", leaf),
    )
    return leaf, key


def signed(
    folder: Path, by: tuple[Path, Path], name: str, *, expired: bool = False
) -> tuple[Path, Path]:
    """The PEM files of a client's certificate that `by` signed, and of its key."""
    leaf, key = folder / f"{name}.pem", folder / f"{name}.key"
    request, extensions = folder / f"{name}.csr", folder / "client.ext"
    extensions.write_text("extendedKeyUsage=clientAuth\nbasicConstraints=CA:FALSE\n")
    succeed(
        *("openssl", "req", "-new", *_KEY, "-subj", f"/O=netd/CN={name}"),
        *("-keyout", key, "-out", request),
    )
    # A certificate that ends before it begins counts as expired, without another clock.
    succeed(
        *("openssl", "x509", "-req", "-in", request, "-CA", by[0], "-CAkey", by[1]),
        *("-CAcreateserial", "-days", "-1" if expired else "2"),
        *("-extfile", extensions, "-out", leaf),
    )
    return leaf, key
