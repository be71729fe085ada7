"""
Resources that need the whole of stock's Request, on netd's engine.

Rules: the stock request is given everything it reads from a channel, and its
answer is said through ours; framing, limits, deadlines and the log stay the
engine's.  Sessions, cookies, forms and content encoders work as Twisted has
them, including what they cost: a form is read into memory.
"""

from __future__ import annotations

from io import SEEK_END
from typing import Any, cast

from twisted.internet.interfaces import IAddress, IProducer, IReactorTime
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource, _IEncodingResource, getChildForRequest
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer

_FRAMING = (b"Transfer-Encoding", b"Connection")


@implementer(IResource)
class Foreign:
    """Mounts `resource` and all below it; `clock` times its sessions."""

    isLeaf = True

    def __init__(self, resource: IResource, clock: IReactorTime) -> None:
        self._site = Site(resource, reactor=clock)
        # No word of a traceback to a client.
        self._site.displayTracebacks = False

    def getChildWithDefault(self, name: bytes, request: Any) -> IResource:
        """All that is below belongs to the stock request; nobody asks here."""
        raise NotImplementedError("a leaf has no children")

    def putChild(self, path: bytes, child: IResource) -> None:
        """Children are put on the mounted resource."""
        raise NotImplementedError("a leaf takes no children")

    def render(self, request: Any) -> int:
        """Let a stock request ask in the name of `request`."""
        if isinstance(request, Request):
            # On the stock Site there is nothing to adapt.
            return cast(int, _render(request, self._site.resource))
        channel = _Channel(request, self._site)
        request.notifyFinish().addErrback(channel.lost)
        channel.ask()
        return NOT_DONE_YET


def _render(request: Request, resource: IResource) -> object:
    """What a stock Site does with a request whose `postpath` starts at `resource`."""
    found = getChildForRequest(resource, request)
    if _IEncodingResource.providedBy(found):
        request._encoder = found.getEncoder(request) or request._encoder
    return found.render(request)


class _Mounted(Request):
    """A stock request that starts where the resource is mounted."""

    def process(self) -> None:
        """As stock's, without Server, Date and the way from the root."""
        channel = cast(Any, self.channel)
        self.site = channel.site
        self.prepath = list(channel.asked.prepath)
        self.postpath = list(channel.asked.postpath)
        # Sessions are named after it; stock's Site sets it so.
        self.sitepath: list[bytes] = []
        try:
            found = getChildForRequest(channel.site.resource, self)
            if _IEncodingResource.providedBy(found):
                self._encoder = found.getEncoder(self)
            self.render(found)  # type: ignore[no-untyped-call]  # stock has no types
        except Exception:
            # processingFailed logs the failure, and answers 500.
            self.processingFailed(Failure())  # type: ignore[no-untyped-call]  # nor here


class _Channel:
    """What a stock request takes for its channel."""

    # Ours does the logging.
    factory = None

    def __init__(self, asked: Any, site: Site) -> None:
        self.asked = asked
        self.site = site
        self.transport = asked.channel.transport
        self._stock: Request | None = _Mounted(self)  # type: ignore[no-untyped-call]  # nor here

    def ask(self) -> None:
        """Put the question to the stock request."""
        stock, asked = self._stock, self.asked
        assert stock is not None  # noqa: S101 - for the type checker: it was just made
        for name, values in asked.requestHeaders.getAllRawHeaders():
            stock.requestHeaders.setRawHeaders(name, values)
        stock.parseCookies()
        stock.content = asked.content
        # It takes the size of the body from here, and rewinds.
        stock.content.seek(0, SEEK_END)
        stock.requestReceived(asked.method, asked.uri, asked.clientproto)

    def lost(self, reason: Failure) -> None:
        """The client left."""
        stock, self._stock = self._stock, None
        if stock is not None:
            stock.connectionLost(reason)

    def writeHeaders(
        self, version: bytes, code: bytes, reason: bytes, headers: Headers
    ) -> None:
        """Pass the head of the answer on; how the body is framed is not stock's to say."""
        asked = self.asked
        asked.setResponseCode(int(code), reason)
        for name, values in headers.getAllRawHeaders():
            if name not in _FRAMING:
                asked.responseHeaders.setRawHeaders(name, values)
        if self._stock is not None:
            self._stock.chunked = 0
        asked.write(b"")

    def write(self, data: bytes) -> None:
        """Pass a piece of the body on."""
        self.asked.write(data)

    def writeSequence(self, pieces: list[bytes]) -> None:
        """Pass pieces of the body on."""
        self.asked.write(b"".join(pieces))

    def requestDone(self, request: Request) -> None:
        """The answer is complete."""
        self._stock = None
        self.asked.finish()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Pace `producer` as any other."""
        self.asked.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Take no more from it."""
        self.asked.unregisterProducer()

    def loseConnection(self) -> None:
        """Close after what was written."""
        self.asked.loseConnection()

    def _respondToBadRequestAndDisconnect(self) -> None:
        """A form that could not be read."""
        self._stock = None
        self.asked.setResponseCode(400)
        self.asked.setHeader(b"Connection", b"close")
        self.asked.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        self.asked.write(b"malformed form\n")
        self.asked.finish()

    def isSecure(self) -> bool:
        """Whether this is TLS."""
        return bool(self.asked.isSecure())

    def getPeer(self) -> IAddress:
        """Who asks."""
        return cast(IAddress, self.asked.getClientAddress())

    def getHost(self) -> IAddress:
        """Where they ask."""
        return cast(IAddress, self.transport.getHost())
