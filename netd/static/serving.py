"""
The response with a file: in which coding, which part, from memory, at once or by a producer.

Rules: knows requests and open files, not URLs.  Every descriptor that is passed in is
closed in the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from math import inf
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import NOT_DONE_YET

from netd import settings
from netd.http.fields import FieldLines, Fields
from netd.http.negotiation import IDENTITY, choose_coding
from netd.http.ranges import ByteRange, Part, length
from netd.http.request import Request
from netd.lab.delayed import ResponseSink
from netd.static.cache import CachedFile, FileCache, cacheable
from netd.static.faults import Fault
from netd.static.headers import SELECTING, SUFFIXES, FileHeaders, HeaderRules, Selection, select
from netd.static.paths import Names
from netd.static.sendfile import FileProducer, read, send_at_once
from netd.static.tree import Forbidden, Missing, OpenFile, Tree

_log = Logger()

SMALL: Final = 32 * 1024
"""Bytes of the largest body that is read at once and sent together with the head."""
KEPT: Final = 128 * 1024
"""Bytes of the largest body that is kept in memory; what it saves is less for larger ones."""
_CODED: Final = tuple(SUFFIXES.values())


def respond(request: Request, code: int, fields: FieldLines, body: bytes) -> bytes:
    """Set status and fields, and give back `body` for `render` to return."""
    request.setResponseCode(code)
    for name, value in fields:
        request.setHeader(name, value)
    return body


class FileServer:
    """Responds to requests with the files of one tree."""

    def __init__(
        self,
        tree: Tree,
        config: settings.Files,
        stall: float,
        clock: IReactorTime,
        now: Callable[[], float],
    ) -> None:
        self.rules = HeaderRules(config)
        self._tree = tree
        self._zero_copy = config.sendfile
        self._stall = stall or inf
        self._clock = clock
        self._now = now
        self._cache = FileCache(clock.seconds)

    def cached(self, request: Request, fields: Fields) -> bytes | int | None:
        """The response from the cache; None when the file is not cached or has changed."""
        cached = self._cache.get(request.path)
        if cached is None:
            return None
        body = cached.body
        # Most requests have no condition and no range.
        plain = request.method == b"GET" and SELECTING.isdisjoint(fields)
        if plain and body is not None:
            request.setHeaders(cached.block)
            if isinstance(body, bytes):
                return body
            return self._send_copy(request, cached, body.fd)
        if isinstance(body, bytes):
            selection = select(request.method, fields, cached.headers, len(body), self._now())
            if selection.code == 206:
                body = _selected(body, selection.parts)
            return respond(request, selection.code, selection.fields, body)
        try:
            file = cached.open()
        except Missing:
            self._cache.drop(request.path)
            return None
        if plain:
            return self._send_large(request, cached, file)
        return self._respond(request, fields, file, cached.headers)

    def _send_large(self, request: Request, cached: CachedFile, file: OpenFile) -> int:
        """Respond with all of `file`, and keep it if it fits: it was requested a moment ago."""
        request.setHeaders(cached.block)
        size = file.stat.st_size
        if size <= KEPT:
            self._cache.keep(request.path, file.fd)
        request.begin(size)
        self._produce(request, (ByteRange(0, size),), file.fd, None)
        return NOT_DONE_YET

    def _send_copy(self, request: Request, cached: CachedFile, fd: int) -> int:
        """Respond with the copy at `fd`; a producer sends what the kernel does not take."""
        size = cached.stat.st_size
        request.begin(size)
        sent = send_at_once(request, fd, size) if self._zero_copy else 0
        if sent == size:
            request.finish()
            return NOT_DONE_YET
        try:
            file = cached.open()
        except Missing:
            # No descriptor is left.
            request.transport.abortConnection()
        else:
            self._produce(request, (ByteRange(sent, size),), file.fd, None)
        return NOT_DONE_YET

    def serve(
        self,
        request: Request,
        fields: Fields,
        names: Names,
        file: OpenFile,
        *,
        fault: Fault | None = None,
        code: int = 200,
        cache: bool = True,
    ) -> bytes | int:
        """
        The response with `file`, which is called `names`; closes it in the end.

        A `code` other than 200 ignores conditions and ranges.
        """
        siblings = self._siblings(names, file)
        coding = None
        if siblings:
            file, coding = self._preferred(names, file, siblings, fields)
        now = self._now()
        headers = self.rules.headers(names, file.stat, now, coding, bool(siblings))
        if cache and not siblings and cacheable(file.stat, now):
            self._put(request.path, names, file, headers)
        return self._respond(request, fields, file, headers, code=code, fault=fault)

    def _put(self, key: bytes, names: Names, file: OpenFile, headers: FileHeaders) -> None:
        """Cache `file`, with its body if that is small."""
        size = file.stat.st_size
        try:
            body = read(file.fd, (ByteRange(0, size),)) if size <= SMALL else None
        except OSError:
            # The response meets the same error and reports it.
            return
        if size > SMALL or body is not None:
            self._cache.put(key, self._tree.path(names), file.stat, headers, body)

    def _respond(
        self,
        request: Request,
        fields: Fields,
        file: OpenFile,
        headers: FileHeaders,
        *,
        code: int = 200,
        fault: Fault | None = None,
    ) -> bytes | int:
        """The response with `file` and its `headers`; closes the file in the end."""
        fd, size = file.fd, file.stat.st_size
        try:
            selection = Selection(code, headers.fields, (ByteRange(0, size),))
            if code == 200:
                selection = select(request.method, fields, headers, size, self._now())
            total = length(selection.parts)
            if request.method != b"HEAD" and fault is None and total <= SMALL:
                body = read(fd, selection.parts) if total else b""
                if body is not None:
                    return respond(request, selection.code, selection.fields, body)
                # The file has become shorter: its bytes are neither the old nor the new ones.
                request.transport.abortConnection()
                return NOT_DONE_YET
            respond(request, selection.code, selection.fields, b"")
            if not selection.parts:
                return b""
            request.setHeader(b"Content-Length", b"%d" % total)
            if request.method == b"HEAD" or not total:
                return b""
            fd = -1
            self._produce(request, selection.parts, file.fd, fault)
            return NOT_DONE_YET
        finally:
            if fd >= 0:
                os.close(fd)

    def _produce(
        self, request: Request, parts: tuple[Part, ...], fd: int, fault: Fault | None
    ) -> None:
        """Write the body `parts` of the file open at `fd`, and close it in the end."""
        if fault is None:
            producer = FileProducer(
                request, fd, parts, self._clock, stall=self._stall, zero_copy=self._zero_copy
            )
            producer.start()
            return
        request.notes = fault.notes
        # Bytes written before an abort are still sent.
        sink = ResponseSink(request, self._clock, abort_flushes=True)

        def failed(failure: Failure) -> None:
            _log.error("while sending a file: {error}", error=failure.value)
            request.transport.abortConnection()

        done = sink.perform(fault.script(fd, parts))
        done.addErrback(failed).addBoth(lambda _: os.close(fd))

    def _siblings(self, names: Names, file: OpenFile) -> dict[bytes, int]:
        """The sizes of the siblings of `file` that are not outdated, by their coding."""
        sizes: dict[bytes, int] = {}
        if names[-1].endswith(_CODED):
            return sizes
        path = self._tree.path(names)
        for coding, suffix in SUFFIXES.items():
            try:
                stat = os.stat(path + suffix)
            except OSError:
                continue
            if stat.st_mtime_ns >= file.stat.st_mtime_ns:
                sizes[coding] = stat.st_size
        return sizes

    def _preferred(
        self, names: Names, file: OpenFile, siblings: dict[bytes, int], fields: Fields
    ) -> tuple[OpenFile, bytes | None]:
        """The sibling that the client prefers and its coding; otherwise `file` and None."""
        # Of equal weight, the smallest.
        offered = sorted(siblings, key=siblings.__getitem__)
        coding = choose_coding(fields.get(b"accept-encoding", ()), offered)
        if coding is None or coding == IDENTITY:
            return file, None
        try:
            sibling = self._tree.find((*names[:-1], names[-1] + SUFFIXES[coding]))
        except (Missing, Forbidden):
            return file, None
        if sibling.directory:
            return file, None
        os.close(file.fd)
        return sibling, coding


def _selected(body: bytes, parts: tuple[Part, ...]) -> bytes:
    """The bytes of `parts`, with ranges taken from `body`."""
    return b"".join([p if isinstance(p, bytes) else body[p.start : p.stop] for p in parts])
