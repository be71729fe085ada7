"""
The media type of a file by its name (RFC 9110 8.3).

Rules: pure; the same on every machine, because no file of the system is read.
"""

from __future__ import annotations

import mimetypes
from typing import Final

DEFAULT: Final = b"application/octet-stream"

# Types that the standard library lacks, or has only in some versions.
_OURS: Final = {
    "application/gzip": ".gz .tgz",
    "application/jsonl": ".jsonl",
    "application/octet-stream": ".br",
    "application/rtf": ".rtf",
    "application/toml": ".toml",
    "application/vnd.tcpdump.pcap": ".pcap",
    "application/x-7z-compressed": ".7z",
    "application/x-bzip2": ".bz2",
    "application/x-xz": ".xz",
    "application/xhtml+xml": ".xhtml",
    "application/xml": ".xml",
    "application/yaml": ".yaml .yml",
    "application/zstd": ".zst",
    "audio/flac": ".flac",
    "audio/mp4": ".m4a",
    "audio/ogg": ".ogg .opus",
    "audio/wav": ".wav",
    "font/otf": ".otf",
    "font/ttf": ".ttf",
    "font/woff": ".woff",
    "font/woff2": ".woff2",
    "image/avif": ".avif",
    "image/webp": ".webp",
    "text/javascript": ".js .mjs",
    "text/markdown": ".md",
    "text/plain": ".conf .ini .log",
    "text/x-rst": ".rst",
}


def _table() -> dict[bytes, bytes]:
    known = mimetypes.MimeTypes(filenames=()).types_map[True]
    for kind, suffixes in _OURS.items():
        known |= dict.fromkeys(suffixes.split(), kind)
    return {
        suffix.encode(): (
            kind + "; charset=utf-8" if kind.startswith("text/") else kind
        ).encode()
        for suffix, kind in known.items()
    }


TYPES: Final = _table()
"""Content-Type by the last suffix of a name, in lower case."""


def media_type(name: bytes) -> bytes:
    """The value of Content-Type for a file called `name`; `DEFAULT` for an unknown suffix."""
    stem, dot, suffix = name.rpartition(b".")
    return TYPES.get(b"." + suffix.lower(), DEFAULT) if dot and stem else DEFAULT
