"""
Keys and certificates for a test's own HTTPS, made by openssl.
"""

from __future__ import annotations

from pathlib import Path

from tests.running import succeed


def certificate(room: Path, name: str = "localhost") -> tuple[Path, Path]:
    """The PEM files of a self-signed certificate for localhost and of its key, in `room`."""
    leaf, key = room / f"{name}.pem", room / f"{name}.key"
    succeed(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", leaf),
    )
    return leaf, key
