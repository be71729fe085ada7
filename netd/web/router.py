"""
From a Request to a Call, and from its Reply back to the Request.

Rules: knows the table's form and none of its endpoints; runs on whatever
offers the part of IRequest that it uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from attrs import frozen
from twisted.internet.interfaces import IProducer, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from netd.player import IStage, Player
from netd.settings import HTTP
from netd.web.exchange import BadCall, Call, Reply, Route

_log = Logger()

# Statuses whose answers have no body and so no Content-Length (RFC 9110 8.6).
_BODILESS: Final = frozenset({204, 304})


@implementer(IStage)
@frozen
class _Stage:
    """An HTTP answer as a stage: nothing is sent, the head included, before the first bytes."""

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
        self.request.transport.abortConnection()


def _segments(path: bytes) -> tuple[str, ...]:
    try:
        return tuple(unquote_to_bytes(part).decode() for part in path[1:].split(b"/"))
    except UnicodeDecodeError:
        raise BadCall("the path is not UTF-8") from None


class Router(Resource):
    """The leaf that answers every path of a table, and 404 for the rest."""

    isLeaf = True

    def __init__(self, routes: Sequence[Route], config: HTTP, clock: IReactorTime) -> None:
        Resource.__init__(self)
        self._routes = tuple(routes)
        self._config = config
        self._clock = clock
        self._by_length: dict[int, list[Route]] = {}
        for route in routes:
            self._by_length.setdefault(len(route.segments), []).append(route)

    def render(self, request: Any) -> bytes | int:
        """Answer `request` by its route; what the client did wrong is a 4xx in JSON."""
        try:
            reply = self._reply(request)
        except BadCall as bad:
            reply = bad.reply()
        return self._answer(request, reply)

    def _reply(self, request: Any) -> Reply:
        method = request.method.decode("latin-1")
        route, parameters = self._find(request.path)
        if not route.takes(method):
            if method == "OPTIONS":
                return Reply(status=204, headers=(("Allow", route.allow),))
            raise BadCall(f"{method} is not for {route.path}", 405, (("Allow", route.allow),))
        content = request.content
        length = content.seek(0, 2)
        content.seek(0)
        kind = request.getHeader(b"content-type")
        said = kind.decode("latin-1") if kind is not None else None
        return route.endpoint(
            Call(method, route, self._routes, self._config, parameters, content, length, said)
        )

    def _find(self, path: bytes) -> tuple[Route, dict[str, str]]:
        segments = _segments(path)
        for route in self._by_length.get(len(segments), ()):
            parameters = route.match(segments)
            if parameters is not None:
                return route, parameters
        raise BadCall("nothing is here; /help lists what is", 404)

    def _answer(self, request: Any, reply: Reply) -> bytes | int:
        request.setResponseCode(reply.status)
        if reply.status not in _BODILESS:
            request.setHeader(b"Content-Type", reply.type.encode("latin-1"))
        request.setHeader(b"X-Content-Type-Options", b"nosniff")
        for name, value in reply.headers:
            request.setHeader(name.encode("latin-1"), value.encode("latin-1"))
        body = reply.body
        if not isinstance(body, bytes):
            self._perform(request, reply)
            return NOT_DONE_YET
        if reply.status in _BODILESS:
            request.finish()
            return NOT_DONE_YET
        if request.method == b"HEAD":
            request.setHeader(b"Content-Length", b"%d" % len(body))
            return b""
        return body

    def _perform(self, request: Any, reply: Reply) -> None:
        if reply.length is not None:
            request.setHeader(b"Content-Length", b"%d" % reply.length)
        player = Player(reply.body, _Stage(request), self._clock)  # type: ignore[arg-type]  # a script, not bytes

        def left(_: Failure) -> None:
            player.stopProducing()

        def broke(failure: Failure) -> None:
            _log.failure("the script of {uri!r} failed", failure, uri=request.uri)
            if request.startedWriting:
                request.transport.abortConnection()
            else:
                self._apologise(request)

        request.notifyFinish().addErrback(left)
        player.perform().addErrback(broke)

    def _apologise(self, request: Any) -> None:
        body = BadCall("netd made a mistake; its log says which", 500).reply()
        request.setResponseCode(500)
        request.setHeader(b"Content-Type", body.type.encode())
        request.setHeader(b"Content-Length", b"%d" % len(body.body))  # type: ignore[arg-type]
        request.write(body.body)
        request.finish()
