"""
The HTTP/1.1 server: the factory of connections, and how they come to an end.

Rules: knows no socket.  What its connections share is the context's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory
from twisted.web.resource import IResource, Resource
from zope.interface import implementer

from netd.addresses import limited
from netd.counters import Counters
from netd.http.connection import LINGER_SECONDS, HTTPConnection
from netd.http.context import AccessLog, ServedConnection, ServerContext
from netd.http.timeouts import ROUND_SECONDS
from netd.settings import Limits
from netd.transport.connections import ConnectionTable
from netd.transport.drain import IDrainable
from netd.transport.tcp import unread

_FRESH_SECONDS: Final = 1.0
"""How long a drain waits for the first request of a connection that was just opened."""
DENIED_CONNECTIONS: Final = 64
"""Connections of denied networks at one time."""


@implementer(IDrainable)
class HTTPServer(Factory):
    """Serves `resource` over HTTP/1.1, within `limits`; see `ServerContext` for the rest."""

    noisy = False

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
        self.context = ServerContext(
            resource, clock, limits, counters, log=log, now=now, bodies=bodies
        )
        self.change = self.context.change
        self._counters = counters

    @property
    def resource(self) -> IResource:
        """The root of the tree; another one holds for requests to come."""
        return self.context.resource

    @resource.setter
    def resource(self, resource: IResource) -> None:
        self.context.resource = resource

    @property
    def connections(self) -> ConnectionTable[ServedConnection]:
        """The open connections."""
        return self.context.connections

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
        client = limited(addr)
        self._counters.connections += 1
        refusal = self.context.make_room(client)
        return HTTPConnection(self.context, addr, client, refusal)

    def drain(self) -> Deferred[None]:
        """Close idle connections; fires when the responses in flight have left, too."""
        context = self.context
        if not context.draining:
            context.draining = True
            soon = context.clock.seconds() + _FRESH_SECONDS
            for connection in context.connections:
                if connection.idle and not unread(connection.output.transport):
                    if connection.fresh:
                        # The first request may be on the way.
                        connection.deadline = min(connection.deadline, soon)
                    else:
                        connection.close()
        return context.connections.drain()

    def abort(self) -> int:
        """Cut every connection that is left; how many those were."""
        return self.context.connections.abort()


class DeniedConnection(HTTPConnection):
    """A connection of a denied network: whatever is received first is refused."""

    __slots__ = ()

    def _serve(self, data: bytes) -> None:
        if not data:
            HTTPConnection._serve(self, data)
            return
        self._buffer = data
        self.refuse("network")


@implementer(IDrainable)
class DeniedServer(Factory):
    """
    Tells clients of denied networks why, where a bare close would look like a fault.

    Such connections are few and short, so that being refused is no way to hold a
    place.  They are neither counted nor logged: the access policy counts them.
    """

    noisy = False

    def __init__(self, clock: IReactorTime, now: Callable[[], float] = time.time) -> None:
        # The deadline of an idle connection is up to one round late.
        brief = LINGER_SECONDS - ROUND_SECONDS
        self.context = ServerContext(
            Resource(),
            clock,
            Limits(handshake=brief, idle=brief, stall=LINGER_SECONDS),
            Counters(),
            log=None,
            now=now,
            bodies={},
        )

    def buildProtocol(self, addr: IAddress | None) -> DeniedConnection | None:  # type: ignore[override]  # no Protocol is inherited
        """A connection that refuses; None when there are too many already."""
        if len(self.context.connections) >= DENIED_CONNECTIONS:
            return None
        return DeniedConnection(self.context, addr, None)

    def drain(self) -> Deferred[None]:
        """Cut every connection; fires at once."""
        self.abort()
        return succeed(None)

    def abort(self) -> int:
        """Cut every connection; 0, because these were to be closed anyway."""
        self.context.connections.abort()
        return 0
