"""
What single options take, as far as it is nobody else's: each text becomes a value.

Rules: pure.  A parser raises ValueError that says what was wrong; types that
several rooms know are parsed in `netd.values`.
"""

from __future__ import annotations

import re
from math import inf
from pathlib import Path
from sys import maxsize
from typing import Final

from netd.values import TCHAR, Duration, Size, integer


def path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("not a path")
    return Path(text)


def count(text: str) -> int:
    return integer(text, 0, 10**15)


def limit_time(text: str) -> float:
    """Seconds; 0 is no limit."""
    return Duration.parse(text).seconds or inf


def limit_size(text: str) -> int:
    """Bytes; 0 is no limit."""
    return Size.parse(text).count or maxsize


def limit_count(text: str) -> int:
    """A number of things; 0 is no limit."""
    return count(text) or maxsize


def pattern(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("not a name, in which * stands for any characters")
    return text.lower()


def revealed(text: str) -> str:
    if text not in ("hostname", "version"):
        raise ValueError("neither hostname nor version")
    return text


def cache(text: str) -> tuple[str, str]:
    glob, equals, said = text.partition("=")
    if not glob or not equals or not said.isascii() or not said.strip().isprintable():
        raise ValueError("not GLOB=VALUE such as *.css=max-age=3600")
    return glob, said.strip()


# What the server says itself, and what would break the answer around a file.
_OURS: Final = frozenset(
    {
        *("connection", "content-encoding", "content-length", "content-range", "content-type"),
        *("date", "etag", "last-modified", "transfer-encoding", "vary"),
    }
)


def header(text: str) -> tuple[str, str]:
    name, colon, said = text.partition(":")
    if not colon or re.fullmatch(TCHAR + "+", name) is None:
        raise ValueError("not NAME:VALUE")
    if not said.isascii() or not said.strip().isprintable():
        raise ValueError("the value is not printable ASCII")
    if name.lower() in _OURS:
        raise ValueError(f"{name} is not the operator's to say")
    return name, said.strip()


def origin(text: str) -> str:
    if text != "*" and re.fullmatch(r"[a-z][a-z0-9+.-]*://[!-.0-~]+|null", text) is None:
        raise ValueError("neither * nor an origin such as https://example.org")
    return text


def page(text: str) -> str:
    if not text or "\0" in text or any(not name or name[0] == "." for name in text.split("/")):
        raise ValueError("not a file of the tree such as app/index.html")
    return text


def workers(text: str) -> int:
    return integer(text, 1, 64)


def symlinks(text: str) -> str:
    if text not in ("inside", "all", "none"):
        raise ValueError("not one of inside, all, none")
    return text


def log_form(text: str) -> str:
    if text not in ("auto", "text", "json", "journal"):
        raise ValueError("not one of auto, text, json, journal")
    return text
