"""
The web site as a factory: one tree of resources on one HTTP channel.

Rules: knows no address.  It stands on stock `twisted.web.server.Site`, with
what a workbench needs beside it: half-closed clients are answered, a stop
drains, and a body has a limit.
"""

from __future__ import annotations

import time
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http, server
from twisted.web.iweb import IAccessLogFormatter, IRequest
from twisted.web.resource import IResource, Resource
from zope.interface import implementer, provider

from netd import settings
from netd.counters import Counters
from netd.net.drain import IDrainable
from netd.rpc.resource import RPC
from netd.web import files
from netd.web.lab.table import ROUTES
from netd.web.router import Router

_IDLE: Final = 60.0

# A FIN this soon after the request came with it: the client only said that it
# has no more to ask.  A later one, with nothing answered yet, means it left.
_TOGETHER: Final = 0.1

_TOO_LARGE: Final = (
    b"HTTP/1.1 413 Content Too Large\r\nServer: netd\r\nConnection: close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 27\r\n\r\n"
    b"the request body is too big"
)


class _Root(Resource):
    """Children by their first segment, the router for every other path."""

    def __init__(self, router: Router) -> None:
        Resource.__init__(self)
        self._router = router

    def getChild(self, path: bytes, request: IRequest) -> IResource:
        return self._router


def tree(config: settings.Settings, clock: IReactorTime) -> IResource:
    """The resources of one daemon; UsageError when the files directory cannot be served."""
    root = _Root(Router(ROUTES, config.http, clock))
    root.putChild(b"files", files.resource(config.files))
    root.putChild(b"RPC2", RPC())
    return root


def factory(config: settings.Settings, clock: IReactorTime, counters: Counters) -> Site:
    """The web site described by `config`, listening nowhere yet."""
    limit = config.http.limits.max_body.count
    return Site(tree(config, clock), clock, counters, limit)


class _Request(server.Request):
    """A stock request that says who answers and counts what it received."""

    channel: _Channel
    _received = 0

    def render(self, resrc: IResource) -> None:
        self.responseHeaders.setRawHeaders(b"Server", [b"netd"])
        self.responseHeaders.setRawHeaders(b"X-Content-Type-Options", [b"nosniff"])
        server.Request.render(self, resrc)

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > self.channel.site.max_body:
            self.channel.refuse_body()
        else:
            server.Request.handleContentChunk(self, data)

    def connectionLost(self, reason: Failure) -> None:
        if self.channel.answering:
            self.setResponseCode(499)
            self.channel.site.log(self)
        server.Request.connectionLost(self, reason)


@implementer(IHalfCloseableProtocol)
class _Channel(http.HTTPChannel):
    """A stock channel that answers half-closed clients and can be drained."""

    site: Site
    transport: Any
    _since = 0.0
    _last = False

    @property
    def answering(self) -> bool:
        """Whether a whole request waits for its answer, or the rest of it."""
        return self._handlingRequest

    def connectionMade(self) -> None:
        self.site.channels.add(self)
        http.HTTPChannel.connectionMade(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        http.HTTPChannel.connectionLost(self, reason)
        self.site.lost(self)

    def allHeadersReceived(self) -> None:
        if (self.length or 0) > self.site.max_body:
            self.refuse_body()
        else:
            http.HTTPChannel.allHeadersReceived(self)

    def allContentReceived(self) -> None:
        self._since = self.site.clock.seconds()
        if self._last and not any(self._dataBuffer):
            self.last_answer()
        http.HTTPChannel.allContentReceived(self)

    def refuse_body(self) -> None:
        """Answer 413 and hang up."""
        self.site.counters.refusals["body"] += 1
        self.transport.write(_TOO_LARGE)
        http.HTTPChannel.loseConnection(self)

    def requestDone(self, request: _Request) -> None:
        http.HTTPChannel.requestDone(self, request)
        if self._last and self.persistent and not self.requests:
            http.HTTPChannel.loseConnection(self)

    def readConnectionLost(self) -> None:
        """The client will ask no more; it may still be reading."""
        early = self.site.clock.seconds() - self._since <= _TOGETHER
        if self.answering and (early or self.requests[0].startedWriting):
            self._last = True
        else:
            self.transport.abortConnection()

    def writeConnectionLost(self) -> None:
        """Nothing can be said any more."""
        self.transport.abortConnection()

    def last_answer(self) -> None:
        """Close after the answer in flight, and say so in its head when that is still open."""
        self.persistent = 0
        self.requests[0].responseHeaders.setRawHeaders(b"Connection", [b"close"])

    def drain(self) -> None:
        """Take no more requests; close now when none is on its way."""
        self._last = True
        if self.answering:
            self.last_answer()
        elif not self.requests:
            http.HTTPChannel.loseConnection(self)


@provider(IAccessLogFormatter)
def _combined(timestamp: str, request: IRequest) -> str:
    """The combined log format; the reactor's clock does not know the time of day."""
    line: str = http.combinedLogFormatter(http.datetimeToLogString(time.time()), request)
    return line


@implementer(IDrainable)
class Site(server.Site):
    """A stock Site whose channels are known, so that a stop can wait for them."""

    displayTracebacks = False
    # Instead of stock's wrapper, which negotiates HTTP/2 and hides half-closing.
    protocol = _Channel  # type: ignore[assignment]
    requestFactory = _Request

    def __init__(
        self, resource: IResource, clock: IReactorTime, counters: Counters, max_body: int
    ) -> None:
        server.Site.__init__(
            self,
            resource,
            timeout=_IDLE,
            reactor=clock,
            logFormatter=_combined,
            parsePOSTFormSubmission=False,
        )
        self.clock = clock
        self.counters = counters
        self.max_body = max_body
        self.channels: set[_Channel] = set()
        self._empty: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A channel for the client at `addr`; None while draining."""
        return None if self._empty is not None else server.Site.buildProtocol(self, addr)

    def log(self, request: Any) -> None:
        """Count and log one answer."""
        self.counters.answers[request.code] += 1
        server.Site.log(self, request)

    def lost(self, channel: _Channel) -> None:
        """`channel` is gone."""
        self.channels.discard(channel)
        if self._empty is not None and not self.channels and not self._empty.called:
            self._empty.callback(None)

    def drain(self) -> Deferred[None]:
        """Fire when every answer in flight is out and its connection gone."""
        self._empty = Deferred()
        for channel in tuple(self.channels):
            channel.drain()
        if not self.channels and not self._empty.called:
            self._empty.callback(None)
        return self._empty

    def abort(self) -> int:
        """Cut every connection that is left."""
        left = tuple(self.channels)
        for channel in left:
            channel.transport.abortConnection()
        return len(left)
