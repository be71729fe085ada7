"""
Sites with a few routes, on netd's server and on Twisted's.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from netd import settings
from netd.counters import Counters
from netd.http.context import AccessRecord
from netd.http.server import HTTPServer
from netd.lab.call import Reply
from netd.lab.router import Router
from netd.lab.routes import Endpoint, Route
from netd.test.http.stock import stock_site
from netd.test.lab.client import HTTP, Client, Response, Transport, configured


def fixed(body: Any = b"text\n", **reply: Any) -> Endpoint:
    """An endpoint that always returns the same reply."""
    return lambda call: Reply(body, **reply)


def netd_client(
    *routes: Route, transport: Transport | None = None, config: settings.HTTP = HTTP
) -> Client:
    """A client of netd's server with nothing but a router of `routes`."""
    clock, counters = Clock(), Counters()
    router = Router(routes, config, clock, counters)
    site = HTTPServer(router, clock, HTTP.limits, counters, now=lambda: 0.0)
    return Client(configured(), clock, counters, site, transport=transport or Transport())


def stock_client(*routes: Route, config: settings.HTTP = HTTP) -> Client:
    """The same on Twisted's server."""
    clock, counters = Clock(), Counters()
    router = Router(routes, config, clock, counters)
    return Client(configured(), clock, counters, stock_site(router, clock))


def notes_of(server: HTTPServer) -> list[dict[str, str | int | float]]:
    """What else the log of `server` has of each response from now on."""

    class Log:
        detailed = True

        def record(self, entry: AccessRecord) -> None:
            assert entry.details is not None
            notes.append(dict(entry.details.notes))

    notes: list[dict[str, str | int | float]] = []
    server.context._log = Log()
    return notes


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
