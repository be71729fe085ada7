"""
The HTTP/1.1 server: a factory of connections, and how they come to an end.

Rules: knows no socket.  What the connections share is in `ServerContext`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory
from twisted.web.resource import IResource, Resource
from zope.interface import implementer

from netd.addresses import limited
from netd.counters import Counters
from netd.http.connection import LINGER_SECONDS, HTTPConnection
from netd.http.context import AccessLog, ServerContext
from netd.http.errors import RequestError
from netd.http.request import Request
from netd.http.request_head import Head
from netd.http.timeouts import ROUND_SECONDS
from netd.settings import Limits
from netd.transport.drain import IDrainable
from netd.transport.tcp import has_unread_input

_FRESH_SECONDS: Final = 1.0
"""How long a drain waits for the first request of a connection that was just opened."""
DENIED_CONNECTIONS: Final = 64
"""Connections of denied networks at one time."""
_DENIED_LINGER_BYTES: Final = 1024 * 1024
PROBES: Final = frozenset({b"/healthz", b"/readyz", b"/metrics"})
"""The paths that peers on loopback may always ask for."""


@implementer(IDrainable)
class HTTPServer(Factory):
    """Serves a tree of Resources over HTTP/1.1; `ServerContext` documents the arguments."""

    noisy = False
    connection_type: ClassVar[type[HTTPConnection]] = HTTPConnection

    def __init__(
        self,
        resource: IResource,
        clock: IReactorTime,
        limits: Limits,
        counters: Counters,
        *,
        log: AccessLog | None = None,
        now: Callable[[], float] = time.time,
        bodies: Mapping[bytes, int] = MappingProxyType({}),
    ) -> None:
        self.context = ServerContext(resource, clock, limits, counters, log, now, bodies)
        self.connections = self.context.connections
        self.change(limits)
        self._counters = counters

    def change(self, limits: Limits) -> None:
        """Keep to other limits from now on."""
        self.context.change(limits)

    @property
    def resource(self) -> IResource:
        """The root of the tree; another one holds for requests to come."""
        return self.context.resource

    @resource.setter
    def resource(self, resource: IResource) -> None:
        self.context.resource = resource

    @property
    def in_flight(self) -> int:
        """How many responses are being waited for."""
        return self.context.in_flight

    def startFactory(self) -> None:
        """The first port listens."""
        self.context.listen(True)

    def stopFactory(self) -> None:
        """The last port is closed."""
        self.context.listen(False)

    def buildProtocol(self, addr: IAddress | None) -> HTTPConnection:  # type: ignore[override]  # no Protocol is inherited
        """The connection of a client at `addr`."""
        self._counters.connections += 1
        client = limited(addr)
        refusal = self.context.make_room(client)
        connection = self.connection_type(self.context, addr, client)
        connection.refusal = refusal
        connection.number = self._counters.connections
        return connection

    def dismiss(self) -> None:
        """Close each connection after its next response; new ones are served as well."""
        self.context.draining = True

    def drain(self) -> Deferred[None]:
        """Close idle connections; fires when the responses in flight have left, too."""
        self.dismiss()
        soon = self.context.clock.seconds() + _FRESH_SECONDS
        for connection in self.connections:
            if not connection.idle or has_unread_input(connection.output.transport):
                continue
            if not connection.served:
                # The first request may be on the way.
                connection.deadline = min(connection.deadline, soon)
            else:
                connection.close()
        return self.connections.drain()

    def abort(self) -> int:
        """Cut every connection that is left; how many those were."""
        return self.connections.abort()


class LocalConnection(HTTPConnection):
    """A connection that may ask for `PROBES`; anything else is refused, as to strangers."""

    __slots__ = ()

    linger_bytes = _DENIED_LINGER_BYTES

    def _respond(self, request: Request) -> None:
        if request.head.path not in PROBES:
            self.request = request
            raise RequestError("network")
        HTTPConnection._respond(self, request)

    def _begin_upload(self, head: Head, all_read: bool) -> None:
        # No probe takes a body, and no other body is let in.
        self.request = Request(self, head)
        raise RequestError("network")


class LocalServer(HTTPServer):
    """Serves the probes to peers on loopback that the access lists leave out."""

    connection_type = LocalConnection

    def change(self, limits: Limits) -> None:
        """Keep to other limits from now on, with as few connections as for denied networks."""
        self.context.change(evolve(limits, connections=DENIED_CONNECTIONS))


class DeniedConnection(HTTPConnection):
    """A connection of a denied network: the first bytes that are received are refused."""

    __slots__ = ()

    linger_bytes = _DENIED_LINGER_BYTES

    def _serve(self, data: bytes) -> None:
        if data:
            self._buffer = data
            self.refuse("network", data.startswith(b"HEAD "))
        else:
            HTTPConnection._serve(self, data)


class DeniedServer(HTTPServer):
    """
    Tells clients of denied networks why, where a bare close would look like a fault.

    The connections are few and short, so that being refused is no way to hold a
    place; they are neither counted nor logged, because the access policy counts them.
    """

    def __init__(self, clock: IReactorTime, now: Callable[[], float] = time.time) -> None:
        # A deadline is noticed up to one round late.
        brief = LINGER_SECONDS - ROUND_SECONDS
        limits = Limits(handshake=brief, idle=brief, stall=LINGER_SECONDS)
        HTTPServer.__init__(self, Resource(), clock, limits, Counters(), now=now)

    def buildProtocol(self, addr: IAddress | None) -> HTTPConnection | None:  # type: ignore[override]  # None: the port closes
        """A connection that refuses; None when there are too many already."""
        if len(self.connections) >= DENIED_CONNECTIONS:
            return None
        return DeniedConnection(self.context, addr, None)

    def drain(self) -> Deferred[None]:
        """Cut every connection; fires at once."""
        self.abort()
        return succeed(None)

    def abort(self) -> int:
        """Cut every connection; 0, because they were to be closed anyway."""
        self.connections.abort()
        return 0
