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
    ".7z": "application/x-7z-compressed",
    ".avif": "image/avif",
    ".br": "application/octet-stream",
    ".bz2": "application/x-bzip2",
    ".conf": "text/plain",
    ".flac": "audio/flac",
    ".gz": "application/gzip",
    ".ini": "text/plain",
    ".js": "text/javascript",
    ".jsonl": "application/jsonl",
    ".log": "text/plain",
    ".m4a": "audio/mp4",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".otf": "font/otf",
    ".pcap": "application/vnd.tcpdump.pcap",
    ".rst": "text/x-rst",
    ".rtf": "application/rtf",
    ".tgz": "application/gzip",
    ".toml": "application/toml",
    ".ttf": "font/ttf",
    ".wav": "audio/wav",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xhtml": "application/xhtml+xml",
    ".xml": "application/xml",
    ".xz": "application/x-xz",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zst": "application/zstd",
}


def _table() -> dict[bytes, bytes]:
    known = {**mimetypes.MimeTypes(filenames=()).types_map[True], **_OURS}
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
