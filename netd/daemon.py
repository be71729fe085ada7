"""
The whole daemon as a list: the one place that knows both addresses and protocols.

Rules: builds and wires, decides nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred

from netd.counters import Counters
from netd.net import tls
from netd.net.drain import Drain
from netd.net.listen import Listener, datagram, stream
from netd.ops.signals import impatient
from netd.ops.systemd import Ready
from netd.settings import Settings
from netd.web import site
from netd.wire import answers, udp


class House(MultiService):
    """Every service of one daemon, and its tallies."""

    def __init__(self, reactor: Any) -> None:
        MultiService.__init__(self)
        self.counters = Counters()
        self._reactor = reactor

    def stopService(self) -> Deferred[Any]:
        """Stop every service; fires when the last answer is out or the grace over."""
        drain: Drain = MultiService.getServiceNamed(self, "drain")
        restore: Callable[[Any], Any] = impatient(self._reactor, drain.hurry)
        stopped: Deferred[Any] = MultiService.stopService(self)
        return stopped.addBoth(restore)

    def abandon(self) -> None:
        """Close what was opened before a start that failed."""
        for child in self:
            if isinstance(child, Listener):
                child.stopService()

    def listening(self) -> dict[str, str]:
        """The endpoint of each listener by its name, once they are bound."""
        return {
            child.name: str(child.bound)
            for child in self
            if isinstance(child, Listener) and child.bound is not None and child.name
        }


def build(settings: Settings, reactor: Any, environ: Mapping[str, str] = os.environ) -> House:
    """
    Every service that `settings` asks for, in starting order, nothing bound yet.

    UsageError names the option when a file cannot be read or a host is unknown.
    """
    house = House(reactor)
    for name, child in _services(settings, reactor, house, environ):
        child.setName(name)
        child.setServiceParent(house)
    return house


def _services(
    settings: Settings, reactor: Any, house: House, environ: Mapping[str, str]
) -> Iterator[tuple[str, IService]]:
    counters = house.counters
    web = site.factory(settings, reactor, counters)
    for name, where in _named("http", settings.http.listen):
        yield name, stream(where, web, reactor)
    if settings.tls.listen and settings.tls.certificate is not None:
        context = tls.context(settings.tls.certificate, settings.tls.private_key)
        for name, where in _named("https", settings.tls.listen):
            yield name, stream(where, tls.wrap(web, context, reactor), reactor)
    if settings.udp.listen is not None:
        yield "udp", datagram(settings.udp.listen, udp.serve(answers.echo, counters, reactor))
    yield "drain", Drain([web], settings.grace.seconds, reactor, counters)
    yield "ready", Ready(reactor, house.listening, environ)


def _named(name: str, items: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """`http`, `http-2`, `http-3`: a service's name is its own within a MultiService."""
    for number, item in enumerate(items, 1):
        yield (name if number == 1 else f"{name}-{number}"), item
