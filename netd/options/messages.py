"""
Text that fits into a message of one line.

Rules: pure.
"""

from __future__ import annotations


def quote_unprintable(text: str) -> str:
    """`text`, quoted as in Python where it is empty or would break or hide in the line."""
    return text if text.isprintable() and text else repr(text)


def escape_unprintable(text: str, keep: str = "") -> str:
    """`text` with each character escaped that would break the line or control a terminal."""
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)
