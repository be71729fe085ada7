"""
Routers of a few routes, to be asked on netd's engine and on stock's.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.web import http, server

from netd.counters import Counters
from netd.http.server import HTTPServer
from netd.lab.call import Reply
from netd.lab.router import Router
from netd.lab.routes import EndpointFunction, Route
from netd.test.lab.conversation import HTTP, Answer, Conversation, Transport, configured


def fixed(body: Any = b"said\n", **reply: Any) -> EndpointFunction:
    """An endpoint that always replies the same."""
    return lambda call: Reply(body, **reply)


def conversation(*routes: Route, transport: Transport | None = None) -> Conversation:
    """A conversation with nothing but a router over `routes`."""
    clock, counters = Clock(), Counters()
    router = Router(routes, HTTP, clock, counters)
    site = HTTPServer(router, clock, HTTP.limits, counters, now=lambda: 0.0)
    carried = Transport() if transport is None else transport
    return Conversation(configured(), clock, counters, site, transport=carried)


def stocked(*routes: Route) -> Conversation:
    """The same on stock's engine."""
    clock, counters = Clock(), Counters()
    site = server.Site(Router(routes, HTTP, clock, counters), reactor=clock, timeout=None)
    site.protocol = http.HTTPChannel  # type: ignore[assignment]  # without its wrapper
    site.log = lambda request: None  # type: ignore[method-assign]
    return Conversation(configured(), clock, counters, site)


EITHER = (conversation, stocked)


def timers(talk: Conversation) -> int:
    """How many timers run that are no engine's."""
    own = [each for each in talk.clock.getDelayedCalls() if "_leave" in str(each)]
    return len(own)


def broken() -> bytes:
    """A body with a bug."""
    raise ZeroDivisionError


def answered(route: Route, line: str, *headers: str, body: bytes = b"") -> Answer:
    """What a router over `route` answers at once."""
    return conversation(route).request(line, *headers, body=body)
