"""
The static tree as a Resource: from the URL to a file, a listing or an error.

Rules: only this module turns errors of the client, the tree and the disk into a status.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from errno import EMFILE, ENFILE, ENOMEM
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from twisted.internet.defer import Deferred, DeferredSemaphore, maybeDeferred
from twisted.internet.interfaces import IReactorThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from netd import settings
from netd.http.fields import FieldLines
from netd.http.negotiation import choose_media
from netd.http.request import Request
from netd.lab.call import HTML, JSON, BadCall
from netd.static import listing, paths
from netd.static.faults import Fault, last
from netd.static.headers import METHODS
from netd.static.listing import Order
from netd.static.paths import Names
from netd.static.serving import FileServer, respond
from netd.static.tree import Forbidden, Missing, Tree

_log = Logger()

SAMPLE: Final = Path(__file__).parent / "sample"
"""The tree that the package contains."""
_MAX_SCANS: Final = 4
"""Directories that are read at a time; others need the reactor's threads, too."""
_INDEX: Final = b"index.html"
_HTML: Final = b"text/html"
_JSON: Final = b"application/json"
_ERRORS: Final = (BadCall, Missing, Forbidden, OSError)
_EXHAUSTED: Final = frozenset({EMFILE, ENFILE, ENOMEM})

DeferToThread: TypeAlias = Callable[[Callable[[], bytes]], Deferred[bytes]]
"""Calls a function where it may block."""


def defer_to_thread(reactor: IReactorTime) -> DeferToThread:
    """Call in a thread of `reactor`; at once where that is only a clock."""
    threads = IReactorThreads(reactor, None)
    if threads is None:
        return maybeDeferred
    limit = DeferredSemaphore(_MAX_SCANS)

    def call(function: Callable[[], bytes]) -> Deferred[bytes]:
        return limit.run(lambda: deferToThreadPool(threads, threads.getThreadPool(), function))

    return call


def resource(config: settings.Files, limits: settings.Limits, clock: IReactorTime) -> IResource:
    """The tree that `config` names; UsageError when its directory cannot be read."""
    root = config.root if config.root is not None else SAMPLE
    try:
        os.listdir(root)
    except OSError as error:
        raise UsageError(f"--files {root}: {error.strerror}") from None
    return Files(root, config, limits, clock, defer_to_thread=defer_to_thread(clock))


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
        defer_to_thread: DeferToThread,
        now: Callable[[], float] = time.time,
    ) -> None:
        Resource.__init__(self)
        self._tree = Tree(root, config.symlinks)
        self._server = FileServer(self._tree, config, limits.stall, clock, now)
        self._rules = self._server.rules
        self._defer_to_thread = defer_to_thread
        self._faults = config.faults
        self._max_delay = limits.max_delay
        self._spa = _names(config.spa)
        self._missing = _names(config.missing)

    def render(self, request: Request) -> bytes | int:
        """Respond to `request`."""
        try:
            return self._respond(request)
        except _ERRORS as error:
            return self._fail(request, error)

    def _respond(self, request: Request) -> bytes | int:
        if request.method not in (b"GET", b"HEAD"):
            return self._options(request)
        fault = None
        if self._faults and b"netd." in request.uri:
            fault = Fault.parse(request.args, self._max_delay)
        fields = request.head.fields
        if fault is None:
            cached = self._server.cached(request, fields)
            if cached is not None:
                return cached
        names, slash = paths.resolve(request.path, len(request.prepath))
        file = self._tree.find(names)
        if file.directory:
            if not slash:
                return self._add_slash(request, names)
            directory, names = names, (*names, _INDEX)
            try:
                file = self._tree.find(names)
            except Missing:
                return self._list(request, directory)
            if file.directory:
                return self._list(request, directory)
        elif slash:
            os.close(file.fd)
            raise Missing
        return self._server.serve(request, fields, names, file, fault=fault)

    def _options(self, request: Request) -> bytes:
        if request.method != b"OPTIONS":
            raise BadCall("files are only read here", 405, (("Allow", METHODS.decode()),))
        requested = request.head.fields.get(b"access-control-request-headers", ())
        fields = ((b"Allow", METHODS), *self._rules.preflight(requested))
        return self._say(request, 204, fields)

    def _add_slash(self, request: Request, names: Names) -> bytes:
        """Redirect: the relative links of a directory's page need the slash at the end."""
        location = paths.location((*request.prepath, *names), request.uri.partition(b"?")[2])
        return self._say(request, 308, ((b"Location", location),))

    def _say(self, request: Request, code: int, fields: FieldLines, body: bytes = b"") -> bytes:
        """A response without a file."""
        if not any(name == b"Vary" for name, _ in fields):
            fields = (*fields, *self._rules.vary())
        return respond(request, code, (*fields, *self._rules.common), body)

    def _fail(self, request: Request, error: BaseException | None) -> bytes | int:
        """The response for one of `_ERRORS`."""
        if isinstance(error, OSError):
            error = _disk_error(error)
        elif isinstance(error, Forbidden):
            error = BadCall("this may not be read", 403)
        if isinstance(error, BadCall) and error.status != 404:
            return self._refuse(request, error)
        return self._absent(request)

    def _absent(self, request: Request) -> bytes | int:
        """The operator's page for a missing file, or a plain 404."""
        fields = request.head.fields
        last = request.postpath[-1] if request.postpath else b""
        page_wanted = b"." not in last and choose_media(fields.get(b"accept", ()), (_HTML,))
        for page, code, fits in ((self._spa, 200, page_wanted), (self._missing, 404, True)):
            if page is None or not fits:
                continue
            try:
                file = self._tree.find(page)
                if not file.directory:
                    return self._server.serve(
                        request, fields, page, file, code=code, cache=False
                    )
            except BadCall as error:
                return self._refuse(request, error)
            except (Missing, Forbidden, OSError):
                _log.warn("cannot read {page} below --files", page=b"/".join(page))
        return self._refuse(request, BadCall("no such file", 404))

    def _refuse(self, request: Request, error: BadCall) -> bytes:
        reply = error.reply()
        fields = [(b"Content-Type", _JSON)]
        fields += [(name.encode(), value.encode()) for name, value in reply.headers]
        body = reply.body if isinstance(reply.body, bytes) else b""
        return self._say(request, reply.status, tuple(fields), body)

    def _list(self, request: Request, names: Names) -> int:
        """Read the directory in a thread, and respond later unless the client disconnects."""
        query = request.args
        try:
            sort, direction = last(query, b"sort", "name"), last(query, b"order", "asc")
            order = Order.parse(sort.lower(), direction.lower())
        except ValueError as error:
            raise BadCall(str(error)) from None
        form = last(query, b"format", "").lower()
        if form not in ("", "json", "html"):
            raise BadCall("format is json or html")
        accept = request.head.fields.get(b"accept", ())
        as_json = form == "json"
        if not form:
            as_json = choose_media(accept, (_HTML, _JSON)) == _JSON
        above = tuple(request.prepath)
        as_page = partial(listing.as_html, above=above)
        write, kind = (listing.as_json, JSON) if as_json else (as_page, HTML)
        fields: FieldLines = (
            (b"Content-Type", kind.encode()),
            (b"Cache-Control", b"no-cache"),
            *self._rules.vary(b"Accept"),
            *(() if as_json else ((b"Content-Security-Policy", listing.POLICY),)),
        )
        page = self._defer_to_thread(lambda: write(names, self._tree.scan(names), order))
        self._send_later(request, page, fields)
        return NOT_DONE_YET

    def _send_later(self, request: Request, page: Deferred[bytes], fields: FieldLines) -> None:
        """Respond with `page` unless the client disconnects before."""
        disconnected: list[Failure] = []

        def finish(result: bytes | Failure) -> None:
            if disconnected:
                return
            body: bytes | int
            if isinstance(result, Failure):
                result.trap(*_ERRORS)
                body = self._fail(request, result.value)
            else:
                body = self._say(request, 200, fields, result)
            if isinstance(body, bytes):
                if body:
                    request.setHeader(b"Content-Length", b"%d" % len(body))
                    request.write(body)
                request.finish()

        def bug(failure: Failure) -> None:
            _log.failure("while listing a directory", failure)
            request.transport.abortConnection()

        request.notifyFinish().addErrback(disconnected.append)
        page.addBoth(finish).addErrback(bug)


def _names(page: str | None) -> Names | None:
    return tuple(os.fsencode(page).split(b"/")) if page is not None else None


def _disk_error(error: OSError) -> BadCall:
    """The error response for a disk fault or for exhausted resources."""
    if error.errno in _EXHAUSTED:
        return BadCall("no room to open a file at the moment", 503, (("Retry-After", "1"),))
    _log.error("while reading a file: {error}", error=error)
    return BadCall("the disk failed", 500)
