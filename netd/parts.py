"""
What the services of one daemon share, made before any of them.

Rules: knows protocols, no addresses; binds and starts nothing.  What a reload
changes is planned here, beside what it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from attrs import evolve, frozen
from twisted.python.usage import UsageError
from twisted.web.resource import IResource

from netd import __version__, site
from netd.acl import AccessList
from netd.counters import Counters
from netd.http.context import AccessLog
from netd.http.server import HTTPServer
from netd.lab.access_tee import AccessTee
from netd.lab.counts import Counting
from netd.lab.endpoints.probes import Probes
from netd.lab.figures import Read
from netd.lab.watchers import Watchers
from netd.ops import watching
from netd.ops.logging.setup import Logs, logs
from netd.ops.metrics import Collector, Gauges, exposition
from netd.ops.reload import Commit, Reloadable
from netd.services import table
from netd.services.impairment import Impairments
from netd.services.source_policy import SourcePolicy
from netd.services.tcp import ServiceFactory
from netd.services.udp import DatagramPolicy
from netd.settings import SERVICES, Impairment, Limits, Settings
from netd.transport.access import Access, AccessFactory, AccessPolicy
from netd.transport.drain import Drain
from netd.transport.tls import TLS
from netd.values import Endpoint
from netd.xmlrpc import distributed
from netd.xmlrpc import service as xmlrpc
from netd.xmlrpc.distributed import DistributedPool
from netd.xmlrpc.pool import Pool
from netd.xmlrpc.resource import RPCRoot


class OwnPorts:
    """The scheme and port of each HTTP listener, which only the daemon can `find`."""

    def __init__(self) -> None:
        self.find: Callable[[], Collection[tuple[str, int]]] = frozenset

    def __call__(self) -> Collection[tuple[str, int]]:
        """Those at this moment."""
        return self.find()


@frozen
class Shared:
    """What a daemon has in common with others on the same sockets; by default nothing."""

    probes: Probes | None = None
    """The probes of all."""
    counts: Counting | None = None
    """How many requests there were for each key."""
    worker: Callable[[], int] | None = None
    """The number of this process, for its log."""
    limits: Callable[[Limits], Limits] = lambda limits: limits
    """The limits of one process, whose comparisons count the others' connections too."""
    read: Read | None = None
    """Reads the figures of all."""


ALONE: Final = Shared()


@frozen
class Parts:
    """Everything that more than one service of a daemon needs."""

    settings: Settings
    reactor: Any
    environ: Mapping[str, str]
    counters: Counters
    gauges: Gauges
    logs: Logs
    access: AccessPolicy
    shared: Shared
    datagrams: DatagramPolicy
    pool: xmlrpc.AnyPool
    probes: Probes
    drain: Drain
    tls: TLS | None
    sites: Mapping[str, HTTPServer]
    """The HTTP servers by the name of their first listener: http, files-http, rpc-http."""
    monitoring: HTTPServer
    """The server of --metrics-http; its requests are neither counted nor logged."""
    local: HTTPServer | None
    """The probes for loopback where --allow leaves it out; None: they have a listener."""
    streams: Mapping[str, ServiceFactory]
    """The small services over TCP, by the name of their listener."""
    own_ports: OwnPorts
    watchers: Watchers

    @classmethod
    def build(
        cls,
        settings: Settings,
        reactor: Any,
        environ: Mapping[str, str],
        output: str | int | None = None,
        shared: Shared = ALONE,
    ) -> Parts:
        """The parts that `settings` ask for; UsageError names the option that cannot be met."""
        counters = Counters()
        tls = TLS(settings.tls, counters, _names(settings)) if settings.tls.listen else None
        rpc = _rpc(settings, reactor, counters, _pool(settings, reactor, counters))
        sites: dict[str, HTTPServer] = {}
        streams = _streams(settings, reactor, counters)
        grace, delay = settings.grace.seconds, settings.drain.seconds
        drain = Drain(streams.values(), grace, reactor, counters, delay)
        gauges = _gauges(sites, streams, rpc, tls)
        probes = shared.probes or _probes(counters, gauges, drain)
        written = logs(settings, output, environ, reactor, counters, worker=shared.worker)
        public, own_ports = _public(settings, probes), OwnPorts()
        watchers = watching.watchers(
            settings, reactor, lambda: bool(drain.running), counters, gauges, read=shared.read
        )
        access = _access_log(settings, written, watchers)
        roots = partial(_roots, counts=shared.counts, own_ports=own_ports, watchers=watchers)
        for name, root in roots(settings, reactor, rpc, counters, public).items():
            sites[name] = site.factory(settings, reactor, counters, root, access)
            drain.add(sites[name])
            sites[name].change(shared.limits(settings.http.limits))
        own = site.probes_only(settings, reactor, probes)
        monitoring = site.factory(settings, reactor, Counters(), own)
        local = None
        if public is not None:
            local = site.local(settings, reactor, counters, public, access)
            drain.add(local)
        policy = AccessPolicy(_access(settings), reactor, counters)
        if tls is not None:
            tls.log_failure = partial(policy.log, "tls", "https")
        datagrams = _datagrams(settings, counters)
        common = (settings, reactor, environ, counters, gauges, written, policy, shared)
        servers = (sites, monitoring, local, streams, own_ports, watchers)
        return cls(*common, datagrams, rpc.pool, probes, drain, tls, *servers)

    def guard(
        self, listener: str, factory: Any, denied: Any = None, local: Any = None
    ) -> AccessFactory:
        """`factory` behind the access policy, for one listener; drained with the daemon."""
        guarded = AccessFactory(self.access, factory, denied, local, listener)
        self.drain.add(guarded)
        return guarded

    def reloadables(self) -> Sequence[Reloadable]:
        """What SIGHUP changes, each with the settings that it depends on."""
        return (
            # A certificate's file may be new although its name is not.
            Reloadable(self._reload_tls, lambda settings: settings.tls, always=True),
            Reloadable(self._reload_access, lambda settings: settings.access),
            Reloadable(self._reload_sites, lambda of: (of.http, of.files, of.rpc)),
            Reloadable(self._reload_stop, lambda settings: (settings.grace, settings.drain)),
        )

    def _reload_tls(self, fresh: Settings) -> Commit:
        """Read the certificates again."""
        if self.tls is None or not fresh.tls.listen:
            # The listeners stay until a restart, with the certificates that they have.
            return lambda: None
        offer = self.tls.check(fresh.tls)
        return partial(self.tls.change, offer)

    def _reload_access(self, fresh: Settings) -> Commit:
        access = _access(fresh)

        def commit() -> None:
            self.access.change(access)
            self.datagrams.sources.change(access.networks)

        return commit

    def _reload_sites(self, fresh: Settings) -> Commit:
        """Make every resource anew; connections stay."""
        # Whether the listeners may be so open was checked at the start.
        exact = self.settings.http.lab.httpbin_exact
        lab = evolve(fresh.http.lab, httpbin_exact=exact)
        fresh = evolve(fresh, http=evolve(fresh.http, lab=lab))
        rpc = _rpc(fresh, self.reactor, self.counters, self.pool)
        # The probes stay where they are: only a restart opens or closes their listener.
        public = _public(self.settings, self.probes)
        roots = _roots(
            fresh,
            self.reactor,
            rpc,
            self.counters,
            public,
            counts=self.shared.counts,
            own_ports=self.own_ports,
            watchers=self.watchers,
        )
        limits = self.shared.limits(fresh.http.limits)
        monitoring = site.probes_only(fresh, self.reactor, self.probes)

        def commit() -> None:
            if self.local is not None:
                self.local.change(fresh.http.limits)
                self.local.resource = monitoring
            for name, server in self.sites.items():
                server.change(limits)
                # A server that the settings no longer have keeps its resource.
                server.resource = roots.get(name, server.resource)
            self.monitoring.change(fresh.http.limits)
            self.monitoring.resource = monitoring

        return commit

    def _reload_stop(self, fresh: Settings) -> Commit:
        return partial(self.drain.change, fresh.grace.seconds, fresh.drain.seconds)


def _gauges(
    sites: Mapping[str, HTTPServer],
    streams: Mapping[str, ServiceFactory],
    rpc: xmlrpc.RPCService,
    tls: TLS | None,
) -> Gauges:
    """The gauges of a daemon; `sites` may be filled later."""
    return Gauges(
        partial(_open_connections, sites, streams),
        partial(_waiting_responses, sites),
        rpc.pool.waiting,
        rpc.pool.busy,
        tls.left if tls is not None else dict,
        *_queue_gauges(rpc.pool),
    )


def _probes(counters: Counters, gauges: Gauges, drain: Drain) -> Probes:
    """The probes of a daemon that is one process."""
    metrics = exposition(Collector(__version__, counters, gauges))
    return Probes(metrics, lambda: bool(drain.running))


def _access_log(settings: Settings, written: Logs, watchers: Watchers) -> AccessLog | None:
    """The access log, which those see, too, who may watch all requests."""
    shown = settings.http.console_requests
    return AccessTee(written.access, watchers) if shown else written.access


def _open_connections(
    sites: Mapping[str, HTTPServer], streams: Mapping[str, ServiceFactory]
) -> dict[str, int]:
    """How many connections are open, by server."""
    counts = {name: len(each.connections) for name, each in sites.items()}
    return counts | {name: len(each.connections) for name, each in streams.items()}


def _waiting_responses(sites: Mapping[str, HTTPServer]) -> dict[str, int]:
    """How many responses wait, by HTTP server."""
    return {name: each.in_flight for name, each in sites.items()}


def _public(settings: Settings, probes: Probes) -> Probes | None:
    """The probes of the web site; None where they have listeners of their own."""
    return None if settings.monitoring.listen else probes


def _roots(
    settings: Settings,
    reactor: Any,
    rpc: xmlrpc.RPCService,
    counters: Counters,
    probes: Probes | None,
    *,
    counts: Counting | None,
    own_ports: OwnPorts,
    watchers: Watchers,
) -> dict[str, IResource]:
    """The resource tree of each HTTP server, by the name of its first listener."""
    roots = {
        "http": site.tree(
            settings,
            reactor,
            rpc.resource,
            counters,
            probes,
            counts=counts,
            own_ports=own_ports,
            watchers=watchers,
        )
    }
    if settings.files.listen:
        roots["files-http"] = site.files_only(settings, reactor)
    if settings.rpc.listen:
        roots["rpc-http"] = site.HostGuard(RPCRoot(rpc.resource), settings.http)
    return roots


def _access(settings: Settings) -> Access:
    """Who may connect."""
    rules = settings.access
    proxies = AccessList(rules.proxy_from) if rules.proxy_from else None
    return Access(AccessList(rules.allow, rules.deny), proxies, rules.connect_rate)


def _pool(settings: Settings, reactor: Any, counters: Counters) -> xmlrpc.AnyPool:
    """What runs offloaded calls; UsageError when the queue's libraries are missing."""
    rpc = settings.rpc
    if rpc.queue is None:
        return Pool(reactor, rpc.workers, rpc.backlog)
    try:
        return distributed.build(reactor, rpc.queue, rpc.broker, rpc.backlog, counters)
    except ValueError as error:
        raise UsageError(f"--rpc-queue {rpc.queue}: {error}") from None


def _queue_gauges(pool: xmlrpc.AnyPool) -> tuple[Callable[[], Any], ...]:
    """The last gauges, of a queue; none where netd has its own processes."""
    if isinstance(pool, DistributedPool):
        return pool.up, pool.workers, pool.depths
    return ()


def _rpc(
    settings: Settings, reactor: Any, counters: Counters, pool: xmlrpc.AnyPool
) -> xmlrpc.RPCService:
    """XML-RPC; UsageError when a function cannot be published."""
    rpc = settings.rpc
    try:
        return xmlrpc.build(
            reactor, rpc.publish, rpc.suites, rpc.cors, pool=pool, counters=counters
        )
    except ValueError as error:
        raise UsageError(f"--rpc {error}") from None


def _datagrams(settings: Settings, counters: Counters) -> DatagramPolicy:
    """What becomes of datagrams; the same networks may send them as may connect."""
    udp = settings.udp
    impairments = None if udp.impairment == Impairment() else Impairments(udp.impairment)
    networks = AccessList(settings.access.allow, settings.access.deny)
    return DatagramPolicy(
        SourcePolicy(networks, udp.any_source, udp.rate), counters, impairments
    )


def _names(settings: Settings) -> set[str]:
    """The host names and addresses that clients may use for HTTPS, beside localhost."""
    listen = (each.host for each in settings.tls.listen if each.kind.startswith("tcp"))
    # A port may stand behind a name, and several colons are in an IPv6 address.
    hosts = (
        each if each.count(":") > 1 else each.partition(":")[0] for each in settings.http.hosts
    )
    return {*listen, *hosts} - {"", "*", "0.0.0.0", "::"}


def _streams(settings: Settings, reactor: Any, counters: Counters) -> dict[str, ServiceFactory]:
    """The factory of each small service over TCP, by the name of its listener."""
    idle = settings.service_idle.seconds
    return {
        name: table.stream(service, reactor, counters, idle)
        for name, service, _ in small_services(settings, "tcp")
        if service in table.STREAM
    }


def small_services(settings: Settings, kind: str) -> Iterator[tuple[str, str, Endpoint]]:
    """The listener's name, the service and the endpoint of each small service over `kind`."""
    for service in SERVICES:
        endpoints = tuple(
            each.listen
            for each in settings.services
            if each.name == service and each.listen.kind.startswith("udp") == (kind == "udp")
        )
        for name, endpoint in numbered(f"{kind}-{service}", endpoints):
            yield name, service, endpoint


def numbered(name: str, endpoints: Sequence[Endpoint]) -> Iterator[tuple[str, Endpoint]]:
    """`http`, `http-2`, `http-3`: the name of a service is unique within a MultiService."""
    for number, endpoint in enumerate(endpoints, 1):
        yield (name if number == 1 else f"{name}-{number}"), endpoint
