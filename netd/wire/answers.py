"""
What the small services say.

Rules: pure.
"""

from __future__ import annotations


def echo(data: bytes) -> bytes:
    """The datagram itself (RFC 862)."""
    return data
