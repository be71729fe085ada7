"""
Sites with a few routes, on netd's server and on Twisted's.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.web import http, server

from netd.counters import Counters
from netd.http.server import Site
from netd.lab.call import Reply
from netd.lab.router import Router
from netd.lab.routes import Endpoint, Route
from netd.test.lab.client import HTTP, Client, Response, Transport, configured
from netd.test.lab.stock import StockRequest


def fixed(body: Any = b"text\n", **reply: Any) -> Endpoint:
    """An endpoint that always returns the same reply."""
    return lambda call: Reply(body, **reply)


def netd_client(*routes: Route, transport: Transport | None = None) -> Client:
    """A client of netd's server with nothing but a router of `routes`."""
    clock, counters = Clock(), Counters()
    router = Router(routes, HTTP, clock, counters)
    site = Site(router, clock, HTTP.limits, counters, now=lambda: 0.0)
    return Client(configured(), clock, counters, site, transport=transport or Transport())


def stock_client(*routes: Route) -> Client:
    """The same on Twisted's server."""
    clock, counters = Clock(), Counters()
    router = Router(routes, HTTP, clock, counters)
    site = server.Site(router, reactor=clock, timeout=None, requestFactory=StockRequest)
    site.protocol = http.HTTPChannel  # type: ignore[assignment]  # without its wrapper
    site.log = lambda request: None  # type: ignore[method-assign]
    return Client(configured(), clock, counters, site)


BOTH = (netd_client, stock_client)


def timers(client: Client) -> int:
    """How many delayed responses have a timer."""
    return len([call for call in client.clock.getDelayedCalls() if "_send" in str(call)])


def failing_body() -> bytes:
    """A body with a bug."""
    raise ZeroDivisionError


def response_of(route: Route, line: str, *headers: str, body: bytes = b"") -> Response:
    """The immediate response of a site with one route."""
    return netd_client(route).request(line, *headers, body=body)
