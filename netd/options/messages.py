"""
Text that fits into a message of one line.

Rules: pure.
"""

from __future__ import annotations


def shown(text: str) -> str:
    """`text` as a message can hold it: on one line, and never nothing."""
    return text if text.isprintable() and text else repr(text)


def one_line(text: str) -> str:
    """`text` with whatever would break the line escaped."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
