"""
The whole daemon as a list: the one place that knows both addresses and protocols.

Rules: builds and wires, decides nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from sys import maxsize
from typing import Any

from attrs import evolve
from twisted.application.service import IService
from twisted.python.usage import UsageError
from twisted.web.resource import IResource

from netd import __version__, site
from netd.acl import AccessList
from netd.counters import Counters
from netd.house import Daemon
from netd.http.server import DeniedServer
from netd.lab.endpoints.probes import Probes
from netd.ops import rlimit
from netd.ops.inherited import Inherited, assign
from netd.ops.logging.setup import logs
from netd.ops.reload import Commit, Reload, Reloadable
from netd.ops.systemd import Ready
from netd.services import table, udp
from netd.services.impairment import Impairments
from netd.services.source_policy import SourcePolicy
from netd.settings import SERVICES, Impairment, Settings
from netd.transport import tls
from netd.transport.access import Access, AccessPolicy
from netd.transport.drain import Drain, IDrainable
from netd.transport.listener import Listener, datagram, stream
from netd.transport.tcp_port import port as eager
from netd.values import Endpoint
from netd.xmlrpc import service as rpc_service
from netd.xmlrpc.pool import Pool
from netd.xmlrpc.resource import Alone


def build(
    settings: Settings,
    reactor: Any,
    environ: Mapping[str, str] = os.environ,
    read: Callable[[], Settings] | None = None,
    inherited: Sequence[Inherited] = (),
    *,
    output: str | int | None = None,
) -> Daemon:
    """
    Every service that `settings` asks for, in starting order, nothing bound yet.

    `read` gives the settings of a reload; `inherited` sockets replace what
    would be bound; `output` is where the daemon's own lines go (None: whoever
    runs it knows).  UsageError names the option when a file cannot be read or
    a host is unknown, and the descriptor that is for nothing.
    """
    settings = _fitted(settings)
    house = Daemon(reactor, settings.http.fast_dispatch)
    house.logs = logs(
        settings.watch.log,
        settings.http.access_log,
        output,
        environ=environ,
        clock=reactor,
        counters=house.counters,
    )
    for name, child in _services(settings, reactor, house, environ):
        child.setName(name)
        child.setServiceParent(house)
    listeners = {str(each.name): each for each in house if isinstance(each, Listener)}
    given = assign(inherited, {name: each.kind for name, each in listeners.items()})
    for name, sockets in given.items():
        listeners[name].inherit(sockets)
    if read is not None:
        house.fresh = Reload(settings, lambda: _fitted(read()), house.parts)
    return house


def _fitted(settings: Settings) -> Settings:
    """`settings`, with as many connections as there may be descriptors."""
    limits = settings.http.limits
    if limits.connections < maxsize:
        return settings
    limits = evolve(limits, connections=rlimit.connections())
    return evolve(settings, http=evolve(settings.http, limits=limits))


def _services(
    settings: Settings, reactor: Any, house: Daemon, environ: Mapping[str, str]
) -> Iterator[tuple[str, IService]]:
    counters = house.counters
    access = _access(settings)
    gate = AccessPolicy(access, reactor, counters)
    policy = _policy(settings, access.networks, counters)
    calls = _calls(settings, reactor, counters)
    log = house.logs.access
    probes = _probes(house, calls.pool)
    house.probes = None if settings.watch.listen else probes
    for name, root in _roots(settings, reactor, calls, house).items():
        house.sites[name] = site.factory(settings, reactor, counters, root, log)
    web = house.sites["http"]
    denied = DeniedServer(reactor)
    drained: list[IDrainable] = [*house.sites.values(), denied]

    def door(factory: Any, denied: Any = None) -> Any:
        drained.append(made := gate.wrap(factory, denied))
        return made

    for name, asked, where in _plain(settings):
        yield name, stream(where, door(house.sites[asked], denied), reactor, eager)
    if settings.tls.listen:
        secured = house.tls = tls.TLS(settings.tls, counters)
        house.parts.append(Reloadable(lambda fresh: _certificates(fresh, secured)))
        for name, where in _named("https", settings.tls.listen):
            inner, no = (tls.wrap(each, secured, reactor) for each in (web, denied))
            yield name, stream(where, door(inner, no), reactor, eager)
    if settings.udp.listen is not None:
        echo = table.datagram("echo")
        yield "udp", datagram(settings.udp.listen, udp.serve(echo, policy, reactor))
    for name, service, where in _small(settings, "udp"):
        answer = table.datagram(service)
        yield name, datagram(where, udp.serve(answer, policy, reactor))
    for name, service, where in _small(settings, "tcp"):
        talk = house.talks[name] = table.stream(
            service, reactor, counters, settings.service_idle.seconds
        )
        drained.append(talk)
        yield name, stream(where, door(talk), reactor)
    drain = Drain(drained, settings.grace.seconds, reactor, counters)
    yield from _watchers(settings, reactor, probes, drain)
    yield "rpc-workers", calls.pool
    yield "drain", drain
    yield "ready", Ready(reactor, house.listening, environ, house.state.summary)
    house.parts += [
        Reloadable(lambda fresh: _speakers(fresh, gate, policy.sources), lambda of: of.access),
        Reloadable(
            lambda fresh: _contents(fresh, reactor, house, calls.pool),
            lambda of: (of.http, of.files, of.rpc),
        ),
        Reloadable(lambda fresh: lambda: drain.change(fresh.grace.seconds)),
    ]


def _watchers(
    settings: Settings, reactor: Any, probes: Probes, drain: Drain
) -> Iterator[tuple[str, IService]]:
    """The listeners of the probes alone; what is asked there is neither counted nor logged."""
    for name, where in _named("metrics-http", settings.watch.listen):
        root = site.probes_only(settings, reactor, probes)
        watch = stream(where, site.factory(settings, reactor, Counters(), root), reactor, eager)
        # Open to the end of a stop: /readyz says that it stops.
        watch.after = drain.over
        yield name, watch


def _plain(settings: Settings) -> Iterator[tuple[str, str, Endpoint]]:
    """The listener's name, the site's and the address of each that speaks HTTP without TLS."""
    for asked, listen in (
        ("http", settings.http.listen),
        ("files-http", settings.files.listen),
        ("rpc-http", settings.rpc.listen),
    ):
        for name, where in _named(asked, listen):
            yield name, asked, where


def _roots(
    settings: Settings, reactor: Any, calls: rpc_service.RPCService, house: Daemon
) -> dict[str, IResource]:
    """The tree of each site, by the name of its first listener."""
    tree = site.tree(settings, reactor, calls.resource, house.counters, house.probes)
    roots = {"http": tree}
    if settings.files.listen:
        roots["files-http"] = site.files_only(settings, reactor)
    if settings.rpc.listen:
        roots["rpc-http"] = Alone(calls.resource)
    return roots


def _speakers(fresh: Settings, gate: AccessPolicy, sources: SourcePolicy) -> Commit:
    """A reload of who may speak."""
    access = _access(fresh)

    def act() -> None:
        gate.change(access)
        sources.change(access.networks)

    return act


def _certificates(fresh: Settings, secured: tls.TLS) -> Commit:
    """A reload of certificates and keys; their files may be new when their names are not."""
    if not fresh.tls.listen:
        # The listeners stay until a restart, with what they had.
        return lambda: None
    offer = secured.check(fresh.tls)
    return lambda: secured.change(offer)


def _contents(fresh: Settings, reactor: Any, house: Daemon, pool: Pool) -> Commit:
    """A reload of what the sites say, and within which limits."""
    calls = _calls(fresh, reactor, house.counters, pool)
    roots = _roots(fresh, reactor, calls, house)

    def act() -> None:
        for name, each in house.sites.items():
            each.change(fresh.http.limits)
            # A listener that the file no longer has stays, with what it had.
            each.resource = roots.get(name, each.resource)

    return act


def _probes(house: Daemon, pool: Pool) -> Probes:
    """What watches the daemon is told; without prometheus-client no metrics are."""
    try:
        from netd.ops.metrics import Gauges, Netd, exposition
    except ModuleNotFoundError as missing:
        if missing.name != "prometheus_client":
            raise
        # A checkout with Twisted beside it and nothing else still serves.
        return Probes(ready=house.ready)
    gauges = Gauges(
        house.connections, house.waiting, pool.waiting, pool.busy, house.certificates
    )
    metrics = exposition([Netd(__version__, house.counters, gauges)])
    return Probes(metrics, house.ready)


def _small(settings: Settings, kind: str) -> Iterator[tuple[str, str, Endpoint]]:
    """The listener's name, the service and the address of each small service over `kind`."""
    for service in SERVICES:
        over = [each.listen for each in settings.services if each.name == service]
        found = tuple(each for each in over if each.kind.startswith("udp") == (kind == "udp"))
        for name, where in _named(f"{kind}-{service}", found):
            yield name, service, where


def _calls(
    settings: Settings, reactor: Any, counters: Counters, pool: Pool | None = None
) -> rpc_service.RPCService:
    """XML-RPC; UsageError when something cannot be published."""
    asked = settings.rpc
    try:
        return rpc_service.build(
            reactor,
            asked.publish,
            asked.suites,
            asked.workers,
            asked.cors,
            pool=pool,
            counters=counters,
        )
    except ValueError as wrong:
        raise UsageError(f"--rpc {wrong}") from None


def _access(settings: Settings) -> Access:
    """Who may speak."""
    asked = settings.access
    proxies = AccessList(asked.proxy_from) if asked.proxy_from else None
    return Access(AccessList(asked.allow, asked.deny), proxies, asked.connect_rate)


def _policy(settings: Settings, networks: AccessList, counters: Counters) -> udp.Policy:
    """What becomes of datagrams; the same networks as everywhere."""
    asked = settings.udp
    fates = None if asked.impairment == Impairment() else Impairments(asked.impairment)
    return udp.Policy(SourcePolicy(networks, asked.any_source, asked.rate), counters, fates)


def _named(name: str, items: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """`http`, `http-2`, `http-3`: a service's name is its own within a MultiService."""
    for number, item in enumerate(items, 1):
        yield (name if number == 1 else f"{name}-{number}"), item
