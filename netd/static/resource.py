"""
The static tree as a Resource: from the URL to a file, a listing or a refusal.

Rules: runs under netd's engine and under stock `twisted.web.server.Site`; what
the client, the tree or the disk did wrong becomes a status here, and only here.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from errno import EMFILE, ENFILE, ENOMEM
from pathlib import Path
from typing import Any, Final, TypeAlias

from twisted.internet.defer import Deferred, DeferredSemaphore, maybeDeferred
from twisted.internet.interfaces import IReactorThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from netd import settings
from netd.http.conditional import Fields
from netd.http.negotiation import choose_media
from netd.lab.call import JSON, BadCall
from netd.static import listing, paths
from netd.static.faults import Fault
from netd.static.headers import METHODS, Lines
from netd.static.listing import Order
from netd.static.paths import Names
from netd.static.serving import Serving, say
from netd.static.tree import Forbidden, Missing, Tree

_log = Logger()

SAMPLE: Final = Path(__file__).parent / "sample"
"""The tree that the package brings."""
_SCANS: Final = 4
"""Directories that are read at a time; the reactor's threads are there for others too."""
_INDEX: Final = b"index.html"
# RFC 9110 13.1 and 14.2
_CONDITION: Final = re.compile(rb"(?i)\n(?:if-|range:)")
_HTML: Final = b"text/html"
_JSON: Final = b"application/json"
_NONE: Final[Fields] = {}
_EXHAUSTED: Final = frozenset({EMFILE, ENFILE, ENOMEM})

Aside: TypeAlias = Callable[[Callable[[], bytes]], Deferred[bytes]]
"""Calls a function where it may take its time."""


def aside(reactor: Any) -> Aside:
    """In a thread of `reactor`'s; at once where it is only a clock."""
    if not IReactorThreads.providedBy(reactor):
        return maybeDeferred
    few = DeferredSemaphore(_SCANS)

    def call(make: Callable[[], bytes]) -> Deferred[bytes]:
        return few.run(deferToThreadPool, reactor, reactor.getThreadPool(), make)

    return call


def resource(config: settings.Files, limits: settings.Limits, clock: IReactorTime) -> IResource:
    """The tree that `config` names; UsageError when it is not a directory one can read."""
    root = config.root if config.root is not None else SAMPLE
    try:
        os.listdir(root)
    except OSError as wrong:
        raise UsageError(f"--files {root}: {wrong.strerror}") from None
    return Files(root, config, limits, clock, aside=aside(clock))


def fields_of(request: Any) -> Fields:
    """All that the request's header says, by lower-case name."""
    head = getattr(request, "head", None)
    if head is not None:
        # netd's engine has them in this form.
        fields: Fields = head.fields
        return fields
    said = request.requestHeaders.getAllRawHeaders()
    return {name.lower(): tuple(values) for name, values in said}


def _conditions(request: Any) -> Fields:
    """The fields of the request when there is a condition or a Range among them."""
    head = getattr(request, "head", None)
    # Most ask for no more than the file: then their fields need not be split.
    return fields_of(request) if head is None or _CONDITION.search(head.raw) else _NONE


class Files(Resource):
    """The files below `root`, and its directories as pages."""

    isLeaf = True

    def __init__(
        self,
        root: Path,
        config: settings.Files,
        limits: settings.Limits,
        clock: IReactorTime,
        *,
        aside: Aside,
        now: Callable[[], float] = time.time,
    ) -> None:
        Resource.__init__(self)
        self._disk = Tree(root, config.symlinks)
        self._delivery = Serving(self._disk, config, limits.stall, clock, now)
        self._sheets = self._delivery.sheets
        self._aside = aside
        self._faults = config.faults
        self._longest = limits.max_delay
        self._spa = _page(config.spa)
        self._missing = _page(config.missing)

    def render(self, request: Any) -> bytes | int:
        """Answer `request`."""
        return self._guarded(request, lambda: self._found(request))

    def _guarded(self, request: Any, answer: Callable[[], bytes | int]) -> bytes | int:
        """What `answer` gives, or the refusal that its exception stands for."""
        try:
            return answer()
        except BadCall as bad:
            return self._absent(request) if bad.status == 404 else self._refuse(request, bad)
        except Missing:
            return self._absent(request)
        except Forbidden:
            return self._refuse(request, BadCall("this may not be read", 403))
        except OSError as error:
            return self._refuse(request, _own(error))

    def _found(self, request: Any) -> bytes | int:
        if request.method not in (b"GET", b"HEAD"):
            return self._other(request)
        fault = None
        if self._faults and b"netd." in request.uri:
            fault = Fault.parse(request.args, self._longest)
        if fault is None:
            kept = self._delivery.kept(request, _conditions(request))
            if kept is not None:
                return kept
        fields = fields_of(request)
        path, slash = paths.resolve(request.postpath)
        found = self._disk.find(path)
        if not found.folder:
            if slash:
                os.close(found.fd)
                raise Missing
            return self._delivery.file(request, fields, path, found, fault=fault)
        if not slash:
            return self._slash(request)
        page = (*path, _INDEX)
        try:
            found = self._disk.find(page)
        except Missing:
            return self._list(request, fields, path)
        if found.folder:
            return self._list(request, fields, path)
        return self._delivery.file(request, fields, page, found, fault=fault)

    def _other(self, request: Any) -> bytes | int:
        if request.method != b"OPTIONS":
            raise BadCall("files are only read here", 405, (("Allow", METHODS.decode()),))
        asked = fields_of(request).get(b"access-control-request-headers", ())
        return self._say(request, 204, ((b"Allow", METHODS), *self._sheets.preflight(asked)))

    def _slash(self, request: Any) -> bytes | int:
        """The links of a directory's page are relative: they need the slash at its end."""
        path = [*request.prepath, *request.postpath]
        where = paths.location(path, request.uri.partition(b"?")[2])
        return self._say(request, 308, ((b"Location", where),))

    def _say(self, request: Any, code: int, lines: Lines, body: bytes = b"") -> bytes | int:
        """An answer that is no file's."""
        if not any(name == b"Vary" for name, _ in lines):
            lines = (*lines, *self._sheets.vary())
        return say(request, code, (*lines, *self._sheets.common), body)

    # What is not there

    def _absent(self, request: Any) -> bytes | int:
        """The page that stands in for what is not there, or a plain 404."""
        fields = fields_of(request)
        last = request.postpath[-1] if request.postpath else b""
        wanted = b"." not in last and choose_media(fields.get(b"accept", ()), (_HTML,)) == _HTML
        for page, code, fits in ((self._spa, 200, wanted), (self._missing, 404, True)):
            if page is None or not fits:
                continue
            try:
                found = self._disk.find(page)
                if not found.folder:
                    return self._delivery.file(
                        request, fields, page, found, code=code, instead=True
                    )
            except BadCall as bad:
                return self._refuse(request, bad)
            except (Missing, Forbidden, OSError):
                _log.warn("cannot read {page} below --files", page=b"/".join(page))
        return self._refuse(request, BadCall("no such file", 404))

    def _refuse(self, request: Any, bad: BadCall) -> bytes | int:
        reply = bad.reply()
        lines = [(b"Content-Type", JSON.encode())]
        lines += [(name.encode(), value.encode()) for name, value in reply.headers]
        body = reply.body if isinstance(reply.body, bytes) else b""
        return self._say(request, reply.status, tuple(lines), body)

    # Directories

    def _list(self, request: Any, fields: Fields, path: Names) -> int:
        """Read the directory elsewhere; the answer follows, unless the client leaves."""
        asked = request.args
        try:
            order = Order.parse(_last(asked, b"sort", "name"), _last(asked, b"order", "asc"))
        except ValueError as wrong:
            raise BadCall(str(wrong)) from None
        form = _last(asked, b"format", "")
        if form not in ("", "json", "html"):
            raise BadCall("format is json or html")
        as_json = form == "json" or (
            not form and choose_media(fields.get(b"accept", ()), (_HTML, _JSON)) == _JSON
        )
        write = listing.as_json if as_json else listing.as_html
        kind = JSON.encode() if as_json else b"text/html; charset=utf-8"
        lines: Lines = (
            (b"Content-Type", kind),
            (b"Cache-Control", b"no-cache"),
            *self._sheets.vary(b"Accept"),
        )
        if not as_json:
            lines = (*lines, (b"Content-Security-Policy", listing.POLICY))
        made = self._aside(lambda: write(path, self._disk.scan(path), order))
        self._later(request, made, lines)
        return NOT_DONE_YET

    def _later(self, request: Any, made: Deferred[bytes], lines: Lines) -> None:
        """Answer with what is made of a directory, unless the client leaves before."""
        gone: list[Failure] = []

        def answer(page: bytes | Failure) -> None:
            if gone:
                return
            body = self._guarded(request, lambda: self._say(request, 200, lines, _said(page)))
            if isinstance(body, bytes):
                if request.method != b"HEAD":
                    request.setHeader(b"Content-Length", b"%d" % len(body))
                request.write(body)
                request.finish()

        def bug(failure: Failure) -> None:
            _log.failure("while listing a directory", failure)
            request.transport.abortConnection()

        request.notifyFinish().addErrback(gone.append)
        made.addBoth(answer).addErrback(bug)


def _said(page: bytes | Failure) -> bytes:
    if isinstance(page, Failure):
        page.raiseException()
    return page


def _last(query: dict[bytes, list[bytes]], name: bytes, default: str) -> str:
    values = query.get(name)
    return values[-1].decode("latin-1") if values else default


def _page(name: str | None) -> Names | None:
    return tuple(os.fsencode(name).split(b"/")) if name is not None else None


def _own(error: OSError) -> BadCall:
    """What the disk or the machine itself got wrong."""
    if error.errno in _EXHAUSTED:
        return BadCall("no room to open a file at the moment", 503, (("Retry-After", "1"),))
    _log.error("while reading a file: {error}", error=error)
    return BadCall("the disk failed", 500)
