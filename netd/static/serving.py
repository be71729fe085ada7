"""
A file on its way into an answer: which form of it, which part, and by what means.

Rules: knows requests and open files, not URLs; every descriptor that it is
given is closed in the end, whatever happens on the way.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from math import inf
from typing import Any, Final

from attrs import frozen
from twisted.internet.interfaces import IProducer, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from netd import settings
from netd.http import negotiation
from netd.http.conditional import Fields
from netd.http.ranges import Part, Span, length
from netd.player import Player, Sink
from netd.static.cache import FileCache, steady
from netd.static.faults import Fault
from netd.static.headers import FileHeaders, HeaderTable, Lines
from netd.static.paths import Names
from netd.static.selection import Selection, plan
from netd.static.sendfile import Sender, read
from netd.static.tree import Forbidden, Missing, OpenFile, Tree

_log = Logger()

SMALL: Final = 64 * 1024
"""Bytes of a body that are read at once and sent together with the head."""
_CODED: Final = tuple(negotiation.SUFFIXES.values())
# What ends with the head, and so has no Content-Length (RFC 9110 8.6).
_BODILESS: Final = frozenset({204, 304})


def say(
    request: Any, code: int, lines: Lines, body: bytes, size: int | None = None
) -> bytes | int:
    """What `render` returns for a whole body; a HEAD may leave it out and say its `size`."""
    request.setResponseCode(code)
    for name, value in lines:
        request.setHeader(name, value)
    if code in _BODILESS:
        request.finish()
        return NOT_DONE_YET
    if request.method == b"HEAD":
        request.setHeader(b"Content-Length", b"%d" % (len(body) if size is None else size))
        return b""
    return body


@implementer(Sink)
@frozen
class _Stage:
    """An answer as a stage; what was said before an abort still gets there."""

    request: Any

    def write(self, data: bytes) -> None:
        self.request.write(data)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        self.request.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self.request.unregisterProducer()

    def finish(self) -> None:
        self.request.finish()

    def abort(self) -> None:
        self.request.loseConnection()


class Serving:
    """Answers requests with files of one tree."""

    def __init__(
        self,
        disk: Tree,
        config: settings.Files,
        stall: float,
        clock: IReactorTime,
        now: Callable[[], float],
    ) -> None:
        self.sheets = HeaderTable(config)
        self._disk = disk
        self._zero_copy = config.sendfile
        self._stall = stall or inf
        self._clock = clock
        self._now = now
        self._shelf = FileCache(clock.seconds)

    def kept(self, request: Any, fields: Fields) -> bytes | int | None:
        """The answer from memory; None when the file is not there or no longer the same."""
        kept = self._shelf.get(request.path)
        if kept is None:
            return None
        body = kept.body
        if body is None:
            try:
                found = kept.open()
            except Missing:
                self._shelf.drop(request.path)
                return None
            return self._answer(request, fields, found, kept.sheet)
        if not fields and request.method == b"GET":
            # Nothing to weigh up: what most requests for small files are.
            request.setLines(kept.block)
            return body
        made = plan(request.method, fields, kept.sheet, len(body), self._now())
        if made.code == 206:
            body = _cut(body, made.parts)
        return say(request, made.code, made.lines, body)

    def file(
        self,
        request: Any,
        fields: Fields,
        names: Names,
        found: OpenFile,
        *,
        fault: Fault | None = None,
        code: int = 200,
        instead: bool = False,
    ) -> bytes | int:
        """
        The answer with `found`, which stands under `names`.

        A `code` other than 200 goes with all of it.  `instead`: it stands in
        for what was asked, and is not to be remembered as that.
        """
        siblings = self._siblings(names, found)
        coding = negotiation.coding(fields.get(b"accept-encoding", ()), siblings)
        if coding is not None:
            found, coding = self._coded(names, found, coding)
        now = self._now()
        sheet = self.sheets.sheet(names, found.stat, now, coding, bool(siblings))
        if not siblings and not instead:
            self._keep(request.path, names, found, sheet, now)
        return self._answer(request, fields, found, sheet, code=code, fault=fault)

    def _keep(
        self, key: bytes, names: Names, found: OpenFile, sheet: FileHeaders, now: float
    ) -> None:
        """Put `found` on the shelf: with its bytes when they are few."""
        size = found.stat.st_size
        if not steady(found.stat, now):
            return
        try:
            body = read(found.fd, (Span(0, size),)) if size <= SMALL else None
        except OSError:
            # The answer will meet it too, and say so.
            return
        if size > SMALL or body is not None:
            self._shelf.put(key, self._disk.path(names), found.stat, sheet, body)

    def _answer(
        self,
        request: Any,
        fields: Fields,
        found: OpenFile,
        sheet: FileHeaders,
        *,
        code: int = 200,
        fault: Fault | None = None,
    ) -> bytes | int:
        """The answer with what `sheet` says of `found`, which is closed in the end."""
        fd, size = found.fd, found.stat.st_size
        try:
            made = Selection(code, sheet.lines, (Span(0, size),))
            if code == 200:
                made = plan(request.method, fields, sheet, size, self._now())
            total = length(made.parts)
            if request.method == b"HEAD" or not total:
                return say(request, made.code, made.lines, b"", total)
            if fault is None and total <= SMALL:
                return self._whole(request, made, read(fd, made.parts))
            fd = -1
            self._send(request, made, total, found.fd, fault)
            return NOT_DONE_YET
        finally:
            if fd >= 0:
                os.close(fd)

    def _whole(self, request: Any, made: Selection, body: bytes | None) -> bytes | int:
        if body is not None:
            return say(request, made.code, made.lines, body)
        # It shrank since it was opened: what is there is neither the old file nor the new.
        request.transport.abortConnection()
        return NOT_DONE_YET

    def _send(
        self, request: Any, made: Selection, total: int, fd: int, fault: Fault | None
    ) -> None:
        request.setResponseCode(made.code)
        for name, value in made.lines:
            request.setHeader(name, value)
        request.setHeader(b"Content-Length", b"%d" % total)
        if fault is not None:
            self._perform(request, made, fd, fault)
        else:
            Sender(
                request,
                fd,
                made.parts,
                self._clock,
                stall=self._stall,
                zero_copy=self._zero_copy,
            ).start()

    def _perform(self, request: Any, made: Selection, fd: int, fault: Fault) -> None:
        player = Player(fault.script(fd, made.parts), _Stage(request), self._clock)

        def left(_: Failure) -> None:
            player.stopProducing()

        def broke(failure: Failure) -> None:
            _log.error("while sending a file: {error}", error=failure.value)
            request.transport.abortConnection()

        request.notifyFinish().addErrback(left)
        player.perform().addErrback(broke).addBoth(lambda _: os.close(fd))

    def _siblings(self, names: Names, found: OpenFile) -> dict[bytes, int]:
        """The sizes of `found` in the codings that lie beside it and are not outdated."""
        sizes: dict[bytes, int] = {}
        if names[-1].endswith(_CODED):
            return sizes
        path = self._disk.path(names)
        for coding, suffix in negotiation.SUFFIXES.items():
            try:
                stat = os.stat(path + suffix)
            except OSError:
                continue
            if stat.st_mtime_ns >= found.stat.st_mtime_ns:
                sizes[coding] = stat.st_size
        return sizes

    def _coded(
        self, names: Names, found: OpenFile, coding: bytes
    ) -> tuple[OpenFile, bytes | None]:
        """The sibling of `found` in `coding`; `found` itself when that may not be served."""
        try:
            other = self._disk.find((*names[:-1], names[-1] + negotiation.SUFFIXES[coding]))
        except (Missing, Forbidden):
            return found, None
        if other.folder:
            return found, None
        os.close(found.fd)
        return other, coding


def _cut(body: bytes, parts: Iterable[Part]) -> bytes:
    """The parts of `body`."""
    return b"".join(
        [body[part.start : part.stop] if isinstance(part, Span) else part for part in parts]
    )
