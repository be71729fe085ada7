"""
What is said about a file in the head of an answer.

Rules: pure; knows the name and the state of a file, not where it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from fnmatch import translate
from typing import Final, TypeAlias

from attrs import frozen

from netd.http import dates
from netd.http.conditional import Validators
from netd.http.cors import Policy
from netd.settings import Files
from netd.static.mime import kind
from netd.static.paths import Names

Lines: TypeAlias = tuple[tuple[bytes, bytes], ...]

METHODS: Final = b"GET, HEAD, OPTIONS"
SUFFIXES: Final = {b"br": b".br", b"zstd": b".zst", b"gzip": b".gz"}
"""The suffix of a sibling by its content coding."""
STEADY_SECONDS: Final = 2.0
"""How old a file is before its ETag is strong: a later write may leave the same time stamp."""

# RFC 9110 15.4.5: what a 304 repeats of the 200; the rest would only describe a body.
_OF_BODY: Final = frozenset({b"Content-Type", b"Content-Encoding", b"Accept-Ranges"})
_EXPOSED: Final = b"ETag, Content-Length, Content-Range, Accept-Ranges, Content-Encoding"


@frozen
class FileHeaders:
    """The fields of a file's answer, and the validators they name."""

    lines: Lines
    here: Validators
    kind: bytes
    """Its Content-Type."""

    @property
    def short(self) -> Lines:
        """The lines that go with a 304."""
        return tuple(line for line in self.lines if line[0] not in _OF_BODY)


class HeaderTable:
    """Makes the sheet of each file, as the operator's settings want it."""

    def __init__(self, config: Files) -> None:
        self._globs = tuple(
            (re.compile(translate(glob)), "/" in glob, said.encode())
            for glob, said in config.cache
        )
        origin = config.cors.encode("latin-1") if config.cors is not None else None
        origins = frozenset(() if origin is None else (origin,))
        self._sharing = Policy(METHODS, origins, exposed=_EXPOSED)
        extra = [
            (name.encode("latin-1"), said.encode("latin-1")) for name, said in config.headers
        ]
        self.common: Lines = (
            (b"X-Content-Type-Options", b"nosniff"),
            *self._sharing.allow(origin),
            *extra,
        )
        """What every answer of the tree says."""
        self._vary = [b"Origin"] if config.cors not in (None, "*") else []

    def vary(self, *names: bytes) -> Lines:
        """The Vary field for an answer that `names` had a part in."""
        names = (*names, *self._vary)
        return ((b"Vary", b", ".join(names)),) if names else ()

    def preflight(self, requested: Iterable[bytes]) -> Lines:
        """The fields of the response to OPTIONS that CORS adds."""
        return self._sharing.preflight(b", ".join(requested)) if self._sharing.origins else ()

    def cache(self, names: Names) -> bytes:
        """The value of Cache-Control for the file `names`."""
        path = os.fsdecode(b"/".join(names))
        last = path.rpartition("/")[2]
        for pattern, whole, said in self._globs:
            if pattern.match(path if whole else last):
                return said
        return b"no-cache"

    def sheet(
        self, names: Names, stat: os.stat_result, now: float, coding: bytes | None, varies: bool
    ) -> FileHeaders:
        """
        What is said of the file `names` at the time `now`; `coding` is its content coding.

        `varies`: there are siblings in other codings.
        """
        here = validators(stat, now, coding)
        named = kind(names[-1])
        lines: list[tuple[bytes, bytes]] = [
            (b"Content-Type", named),
            (b"ETag", here.etag),
            (b"Last-Modified", dates.http_date(here.modified).encode()),
            (b"Accept-Ranges", b"bytes"),
            (b"Cache-Control", self.cache(names)),
            *self.vary(*([b"Accept-Encoding"] if varies else [])),
            *self.common,
        ]
        if coding is not None:
            lines.append((b"Content-Encoding", coding))
        return FileHeaders(tuple(lines), here, named)


def validators(stat: os.stat_result, now: float, coding: bytes | None = None) -> Validators:
    """What tells this state of a file from every other, as far as one can know at `now`."""
    mark = SUFFIXES[coding].replace(b".", b"-") if coding is not None else b""
    steady = now - stat.st_mtime >= STEADY_SECONDS
    tag = b'"%x-%x-%x%b"' % (stat.st_mtime_ns % 2**64, stat.st_size, stat.st_ino, mark)
    # Floored, and never after Date (RFC 9110 8.8.2.1).
    modified = max(0, min(stat.st_mtime_ns // 1_000_000_000, int(now)))
    return Validators(tag if steady else b"W/" + tag, modified, steady)
