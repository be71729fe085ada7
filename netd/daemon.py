"""
The whole daemon: the list of its services, and how they start, reload and stop.

Rules: the one place that knows both addresses and protocols; it wires and decides nothing.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from socket import SOCK_STREAM
from sys import maxsize
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve
from twisted.application.internet import TimerService
from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.usage import UsageError

from netd.http.server import DeniedServer
from netd.ops.announce import Announcer
from netd.ops.descriptors import max_connections
from netd.ops.inherited import Inherited, assign
from netd.ops.reload import Reload
from netd.ops.signals import end_after, limit_stop, on_signal, on_stop_signal
from netd.ops.status import Status
from netd.ops.systemd import Notifier
from netd.ops.until_eof import UntilEOF
from netd.parts import ALONE, Parts, Shared, numbered, small_services
from netd.services import table, udp
from netd.settings import Settings
from netd.transport import private, tls
from netd.transport.epoll import fast_dispatch
from netd.transport.listener import Listener, check_distinct, datagram, stream
from netd.transport.temporary_certificate import CertificateFile
from netd.values import Endpoint

_log = Logger()

_NUMBER: Final = re.compile("-[0-9]+$")
_SCHEMES: Final = {
    **dict.fromkeys(("http", "files-http", "rpc-http", "metrics-http"), "http"),
    "https": "https",
}
"""The schemes of URLs, by the names of HTTP listeners."""

if TYPE_CHECKING:
    # Imported by a daemon with workers only.
    from netd.workers.supervisor import Supervisor


def build(
    settings: Settings,
    reactor: Any,
    environ: Mapping[str, str] = os.environ,
    read: Callable[[], Settings] | None = None,
    inherited: Sequence[Inherited] = (),
    *,
    output: str | int | None = None,
    shared: Shared = ALONE,
    alone: bool = True,
) -> Daemon:
    """
    The daemon that `settings` describe, with nothing bound yet.

    `read` gives the settings of a reload; `inherited` sockets replace those that
    would be bound; `output` is where the daemon's own log lines go, None where
    twistd writes them; `shared` is what other processes on the same sockets share;
    not `alone`, the daemon leaves the signals of the process, and the reactor, as
    they are.  UsageError names the option when a file cannot be read, a host is
    unknown or two listeners have one address, a descriptor that fits no listener,
    and a listener for others beside --httpbin-exact.
    """
    parts = Parts.build(_fitted(settings), reactor, environ, output, shared)
    daemon = Daemon(parts, read, alone=alone)
    listeners = {str(each.name): each for each in daemon.listeners()}
    given = assign(inherited, {name: each.kind for name, each in listeners.items()})
    for name, sockets in given.items():
        listeners[name].inherit(sockets)
    if settings.http.lab.httpbin_exact:
        _check_local(listeners)
    check_distinct(listeners.values())
    private.check({each.endpoint.kind for each in listeners.values()})
    return daemon


def build_group(
    settings: Settings,
    reactor: Any,
    environ: Mapping[str, str] = os.environ,
    read: Callable[[], Settings] | None = None,
    inherited: Sequence[Inherited] = (),
    *,
    output: str | int | None = None,
) -> Daemon | Supervisor:
    """The same in as many processes as --workers says; UsageError where that cannot be."""
    alone = partial(build, settings, reactor, environ, read, inherited, output=output)
    if settings.workers.count == 1:
        return alone()
    if sys.platform != "linux":
        raise UsageError(f"--workers {settings.workers.count or 'auto'}: needs Linux")
    # Imported here, because most daemons have one process.
    from netd.workers import count
    from netd.workers.group import Group
    from netd.workers.supervisor import Supervisor

    workers = settings.workers.count or count.auto()
    if workers == 1 or private.WORKERS.missing():
        return alone()

    def divided(settings: Settings) -> Settings:
        try:
            return count.divided(settings, workers)
        except ValueError as error:
            raise UsageError(str(error)) from None

    again = read or (lambda: settings)
    group = Group(workers, max_connections(), reactor)
    daemon = build(
        divided(settings),
        reactor,
        environ,
        lambda: divided(again()),
        inherited,
        output=output,
        shared=group.shared(),
    )
    return Supervisor(daemon, group)


def _check_local(listeners: Mapping[str, Listener]) -> None:
    """UsageError unless only this machine can connect to each of `listeners`."""
    for name, each in listeners.items():
        if not each.local:
            why = f"the listener {name} is neither on loopback nor a UNIX socket"
            raise UsageError(f"--httpbin-exact yes: {why}")


def _fitted(settings: Settings) -> Settings:
    """`settings` with no more connections than the process may have descriptors."""
    limits = settings.http.limits
    if limits.connections < maxsize:
        return settings
    limits = evolve(limits, connections=max_connections())
    return evolve(settings, http=evolve(settings.http, limits=limits))


def services(parts: Parts) -> Iterator[tuple[str, IService]]:
    """Every service by its name, in starting order."""
    settings, reactor = parts.settings, parts.reactor
    web, denied = parts.sites["http"], DeniedServer(reactor)
    parts.drain.add(denied)
    for site_name, endpoints in (
        ("http", settings.http.listen),
        ("files-http", settings.files.listen),
        ("rpc-http", settings.rpc.listen),
    ):
        for name, endpoint in numbered(site_name, endpoints):
            local = parts.local if site_name == "http" else None
            guarded = parts.guard(name, parts.sites[site_name], denied, local)
            yield name, stream(endpoint, guarded, reactor)
    if parts.tls is not None:
        if parts.tls.temporary is not None:
            pair, over = parts.tls.temporary, parts.drain.over
            yield "temporary-certificate", CertificateFile(pair, over)
        ticket_keys = TimerService(tls.TICKET_KEY_SECONDS, _but_first(parts.tls.rotate))
        ticket_keys.clock = reactor
        yield "ticket-keys", ticket_keys
        for name, endpoint in numbered("https", settings.tls.listen):
            secure = [
                each and tls.wrap(each, parts.tls, reactor)
                for each in (web, denied, parts.local)
            ]
            guarded = parts.guard(name, *secure)
            yield name, stream(endpoint, guarded, reactor, tls.transport())
    if settings.udp.listen is not None:
        echo = table.datagram("echo")
        yield "udp", datagram(settings.udp.listen, udp.serve(echo, parts.datagrams, reactor))
    for name, service, endpoint in small_services(settings, "udp"):
        response = table.datagram(service)
        yield name, datagram(endpoint, udp.serve(response, parts.datagrams, reactor))
    for name, service, endpoint in small_services(settings, "tcp"):
        if service in table.SOCKET:
            yield name, Listener(endpoint, SOCK_STREAM, table.SOCKET[service])
        else:
            yield name, stream(endpoint, parts.guard(name, parts.streams[name]), reactor)
    for name, endpoint in numbered("metrics-http", settings.monitoring.listen):
        listener = stream(endpoint, parts.monitoring, reactor)
        # Open to the end of a stop, so that /readyz can report the stop.
        listener.after = parts.drain.over
        yield name, listener
    yield "rpc-workers", parts.pool
    yield "drain", parts.drain


def _but_first(function: Callable[[], None]) -> Callable[[], None]:
    """`function` from the second call on: at the first, which comes at once, keys are new."""
    numbers = itertools.count()

    def call() -> None:
        if next(numbers):
            function()

    return call


class Daemon(MultiService):
    """
    Every service of one daemon.

    `read` gives the settings of a reload, None: no reload; `alone` says whether
    the process and its signals are the daemon's own.
    """

    def __init__(
        self,
        parts: Parts,
        read: Callable[[], Settings] | None = None,
        *,
        alone: bool = True,
    ) -> None:
        MultiService.__init__(self)
        self._alone = alone
        self.parts = parts
        parts.own_ports.find = self._http_ports
        self.reloader: Reload | None = None
        if read is not None:
            self.reloader = Reload(parts.settings, lambda: _fitted(read()), parts.reloadables())
        facts = {
            "connections": parts.gauges.connections,
            "waiting responses": parts.gauges.waiting,
        }
        self.status = Status(parts.reactor, parts.counters, self.listening, facts)
        self.notifier = Notifier(
            parts.reactor, self.listening, parts.environ, self.status.summary, self.places
        )
        for name, service in (*services(parts), ("ready", self.notifier), *self._starter()):
            service.setName(name)
            service.setServiceParent(self)

    def _starter(self) -> Iterator[tuple[str, IService]]:
        """What the process that started this one asked for."""
        starter, reactor = self.parts.settings.starter, self.parts.reactor
        if starter.until_eof:
            yield "until-eof", UntilEOF(reactor, self._end)
        if starter.announce is not None:
            yield "announce", Announcer(reactor, starter.announce, self.listening)

    def _end(self) -> None:
        """Stop the process, by a stop like that of a signal."""
        end_after(self._longest_stop())
        self.parts.reactor.stop()

    def _longest_stop(self) -> float:
        """Seconds that a stop takes at most, as the settings are now."""
        return self.parts.drain.delay + self.parts.drain.grace

    def setServiceParent(self, parent: object) -> None:
        """Join twistd's application, and write its log unless somebody else does."""
        MultiService.setServiceParent(self, parent)
        self.parts.logs.attach(parent)

    def startService(self) -> None:
        """Start every service; signals are handled once the reactor runs."""
        if self._alone:
            self._take_process()
        MultiService.startService(self)
        self.parts.reactor.callWhenRunning(self.show_console)

    def _take_process(self) -> None:
        """Speed up the reactor, and handle the signals of the process."""
        reactor = self.parts.reactor
        self._speed_up()
        # Before READY=1 tells others that they may send them.
        on_signal(reactor, "SIGHUP", self.reload)
        on_signal(reactor, "SIGUSR1", self.reopen_logs)
        on_signal(reactor, "SIGUSR2", self.status.dump)
        limit_stop(reactor, self._longest_stop)

    def _speed_up(self) -> None:
        if self.parts.settings.http.fast_dispatch:
            fast_dispatch(self.parts.reactor)

    def serve(self) -> None:
        """Start every service, without a look at signals."""
        self._speed_up()
        MultiService.startService(self)

    def show_console(self) -> None:
        """Log where the console is, for people to open it."""
        first = self._bound().get("http")
        if self.parts.settings.http.console and first is not None and first.kind != "unix":
            url = f"http://{first.authority}/console"
            _log.info("console: {url}", url=url)
            if self.parts.watchers.token:
                token = self.parts.watchers.token
                _log.info("console, all requests: {url}#token={token}", url=url, token=token)

    def reload(self) -> None:
        """Read the configuration again and use it, unless any of it is wrong."""
        if self.running and self.reloader is not None:
            self.notifier.reloading()
            self.reopen_logs()
            self.notifier.reloaded(self.reloader())

    def reopen_logs(self) -> None:
        """Write to new log files, after a rotation."""
        if self.running:
            self.parts.logs.reopen()

    def stopService(self) -> Deferred[object]:
        """Stop every service; fires when the last response is sent or the grace is over."""
        drain = self.parts.drain
        restore: Callable[[object], object] | None = None
        if self._alone:
            restore = on_stop_signal(self.parts.reactor, drain.hurry, drain.left)
        # No reload from here on.
        Service.stopService(self)
        self.notifier.stopService()
        for server in self.parts.sites.values():
            server.dismiss()
        stopped: Deferred[Any] = drain.announce()
        stopped.addCallback(lambda _: MultiService.stopService(self))
        if restore is not None:
            stopped.addBoth(restore)
        return stopped.addBoth(self._close)

    def _close(self, result: object) -> object:
        self.notifier.close()
        self.parts.access.stop()
        self.parts.logs.stop()
        return result

    def abandon(self) -> None:
        """Close what was opened before a start that failed."""
        for child in self.listeners():
            child.stopService()
        self._close(None)

    def withdraw(self, service: IService) -> None:
        """Do without `service`, which is not started."""
        self.removeService(service)  # type: ignore[no-untyped-call]  # Twisted has no types there

    def listeners(self) -> list[Listener]:
        """Every listener, in starting order."""
        return [child for child in self if isinstance(child, Listener)]

    def once(self) -> list[IService]:
        """The services of the whole daemon, which one of its processes has."""
        kinds = CertificateFile, UntilEOF, Announcer
        return [child for child in self if isinstance(child, kinds)]

    def _http_ports(self) -> set[tuple[str, int]]:
        """The scheme and port of each bound listener for HTTP, but for UNIX sockets."""
        return {
            ("https" if name.startswith("https") else "http", bound.port)
            for name, bound in self._bound().items()
            if "http" in name and bound.kind != "unix"
        }

    def _bound(self) -> dict[str, Endpoint]:
        """The endpoint of each bound listener, by its name."""
        return {
            child.name: child.bound
            for child in self.listeners()
            if child.bound is not None and child.name
        }

    def listening(self) -> dict[str, str]:
        """The text of the endpoint of each bound listener, by its name."""
        return {name: str(endpoint) for name, endpoint in self._bound().items()}

    def places(self) -> str:
        """Every bound listener for people: HTTP as URLs, others as endpoints, with names."""
        return " ".join(_place(name, endpoint) for name, endpoint in self._bound().items())


def _place(name: str, endpoint: Endpoint) -> str:
    """`http://127.0.0.1:8000/`, `http-2=http://...`, `udp=udp:8000:interface=127.0.0.1`."""
    site = _NUMBER.sub("", name)
    if endpoint.kind == "unix" or site not in _SCHEMES:
        return f"{name}={endpoint}"
    url = f"{_SCHEMES[site]}://{endpoint.authority}/"
    return url if name == _SCHEMES[site] else f"{name}={url}"
