"""
The whole daemon as a list: the one place that knows both addresses and protocols.

Rules: builds and wires, decides nothing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from attrs import evolve
from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred
from twisted.python.usage import UsageError

from netd.counters import Counters
from netd.net import tls
from netd.net.drain import Drain, IDrainable
from netd.net.gate import Access, Gate
from netd.net.listen import Listener, datagram, stream
from netd.net.networks import Networks
from netd.ops import descriptors
from netd.ops.log import AccessLog
from netd.ops.signals import impatient, on_signal
from netd.ops.systemd import Ready
from netd.rpc import methods
from netd.rpc.resource import Alone
from netd.settings import SERVICES, Impairment, Settings
from netd.values import Where
from netd.web import site
from netd.web.engine.lean import lean
from netd.web.engine.port import port as eager
from netd.wire import services, udp
from netd.wire.impairment import Fates
from netd.wire.sources import Sources

STDOUT: Final = 1
"""Whatever standard output is by the time something is written to it."""


class House(MultiService):
    """Every service of one daemon, and its tallies."""

    def __init__(self, reactor: Any, lean_dispatch: bool = True) -> None:
        MultiService.__init__(self)
        self._lean = lean_dispatch
        self.counters = Counters()
        self.log: AccessLog | None = None
        self._reactor = reactor

    def startService(self) -> None:
        """Start every service, and write to a fresh log on SIGUSR1 from then on."""
        if self._lean:
            lean(self._reactor)
        MultiService.startService(self)
        if self.log is not None:
            on_signal(self._reactor, signal.SIGUSR1, self.log.reopen)

    def stopService(self) -> Deferred[Any]:
        """Stop every service; fires when the last answer is out or the grace over."""
        drain: Drain = MultiService.getServiceNamed(self, "drain")
        restore: Callable[[Any], Any] = impatient(self._reactor, drain.hurry)
        stopped: Deferred[Any] = MultiService.stopService(self)
        return stopped.addBoth(restore).addBoth(self._close)

    def _close(self, result: Any) -> Any:
        if self.log is not None:
            self.log.stop()
        return result

    def abandon(self) -> None:
        """Close what was opened before a start that failed."""
        for child in self:
            if isinstance(child, Listener):
                child.stopService()
        self._close(None)

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
    house = House(reactor, settings.http.lean_dispatch)
    limits = settings.http.limits
    if not limits.connections:
        limits = evolve(limits, connections=descriptors.connections())
        settings = evolve(settings, http=evolve(settings.http, limits=limits))
    for name, child in _services(settings, reactor, house, environ):
        child.setName(name)
        child.setServiceParent(house)
    return house


def _services(
    settings: Settings, reactor: Any, house: House, environ: Mapping[str, str]
) -> Iterator[tuple[str, IService]]:
    counters = house.counters
    access = _access(settings)
    gate = Gate(access, reactor, counters)
    policy = _policy(settings, access.networks, counters)
    calls = _calls(settings, reactor)
    root = site.tree(settings, reactor, calls.resource, counters)
    log = house.log = _log(settings.http.access_log, reactor, counters)
    web = site.factory(settings, reactor, counters, root, log)
    drained: list[IDrainable] = [web]

    def door(factory: Any) -> Any:
        drained.append(made := gate.wrap(factory))
        return made

    for name, where in _named("http", settings.http.listen):
        yield name, stream(where, door(web), reactor, eager)
    if settings.tls.listen and settings.tls.certificate is not None:
        context = tls.context(settings.tls.certificate, settings.tls.private_key)
        for name, where in _named("https", settings.tls.listen):
            yield name, stream(where, door(tls.wrap(web, context, reactor)), reactor, eager)
    if settings.files.listen:
        root = site.files_only(settings, reactor)
        drained.append(tree := site.factory(settings, reactor, counters, root, log))
        for name, where in _named("files-http", settings.files.listen):
            yield name, stream(where, door(tree), reactor, eager)
    if settings.rpc.listen:
        only = Alone(calls.resource)
        drained.append(rpc := site.factory(settings, reactor, counters, only, log))
        for name, where in _named("rpc-http", settings.rpc.listen):
            yield name, stream(where, door(rpc), reactor, eager)
    if settings.udp.listen is not None:
        echo = services.datagram("echo")
        yield "udp", datagram(settings.udp.listen, udp.serve(echo, policy, reactor))
    for name, service, where in _small(settings, "udp"):
        answer = services.datagram(service)
        yield name, datagram(where, udp.serve(answer, policy, reactor))
    for name, service, where in _small(settings, "tcp"):
        talk = services.stream(service, reactor, counters)
        drained.append(talk)
        yield name, stream(where, door(talk), reactor)
    yield "rpc-workers", calls.pool
    yield "drain", Drain(drained, settings.grace.seconds, reactor, counters)
    yield "ready", Ready(reactor, house.listening, environ)


def _log(where: str | None, reactor: Any, counters: Counters) -> AccessLog | None:
    """The access log; UsageError when its file cannot be opened."""
    if where is None:
        return None
    try:
        return AccessLog(STDOUT if where == "-" else where, reactor, counters)
    except OSError as wrong:
        raise UsageError(f"--access-log {where}: {wrong.strerror}") from None


def _small(settings: Settings, kind: str) -> Iterator[tuple[str, str, Where]]:
    """The listener's name, the service and the address of each small service over `kind`."""
    for service in SERVICES:
        over = [each.listen for each in settings.services if each.name == service]
        found = tuple(each for each in over if each.kind.startswith("udp") == (kind == "udp"))
        for name, where in _named(f"{kind}-{service}", found):
            yield name, service, where


def _calls(settings: Settings, reactor: Any) -> methods.House:
    """XML-RPC; UsageError when something cannot be published."""
    asked = settings.rpc
    try:
        return methods.build(reactor, asked.publish, asked.suites, asked.workers, asked.cors)
    except ValueError as wrong:
        raise UsageError(f"--rpc {wrong}") from None


def _access(settings: Settings) -> Access:
    """Who may speak."""
    asked = settings.access
    proxies = Networks(asked.proxy_from) if asked.proxy_from else None
    return Access(Networks(asked.allow, asked.deny), proxies, asked.connect_rate)


def _policy(settings: Settings, networks: Networks, counters: Counters) -> udp.Policy:
    """What becomes of datagrams; the same networks as everywhere."""
    asked = settings.udp
    fates = None if asked.impairment == Impairment() else Fates(asked.impairment)
    return udp.Policy(Sources(networks, asked.any_source), counters, fates)


def _named(name: str, items: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """`http`, `http-2`, `http-3`: a service's name is its own within a MultiService."""
    for number, item in enumerate(items, 1):
        yield (name if number == 1 else f"{name}-{number}"), item
