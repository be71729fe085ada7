"""
The daemon as one service: how it starts, hears signals, reloads and comes to an end.

Rules: knows what its parts can do and not how they are wired; `daemon` does that.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, cast

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver

from netd.counters import Counters
from netd.http.server import HTTPServer
from netd.lab.endpoints.probes import Probes
from netd.ops.logging.setup import Logs
from netd.ops.reload import Reload, Reloadable
from netd.ops.signals import impatient, on_signal
from netd.ops.status import Status
from netd.ops.systemd import Ready
from netd.services.tcp import ServiceFactory
from netd.transport.drain import Drain
from netd.transport.epoll import fast_dispatch
from netd.transport.listener import Listener
from netd.transport.tls import TLS


class Daemon(MultiService):
    """Every service of one daemon, and its tallies."""

    def __init__(self, reactor: Any, fast_dispatch: bool = True) -> None:
        MultiService.__init__(self)
        self._lean = fast_dispatch
        self.counters = Counters()
        self.logs = Logs()
        """Where answers and events are written."""
        self.sites: dict[str, HTTPServer] = {}
        """Who speaks HTTP, by what they are asked for."""
        self.talks: dict[str, ServiceFactory] = {}
        """The small services over streams, by name."""
        self.tls: TLS | None = None
        """The certificates of HTTPS; None without it."""
        self.probes: Probes | None = None
        """What the web site says to who watches; None: a listener of their own does."""
        self.parts: list[Reloadable] = []
        """What SIGHUP changes."""
        self.fresh: Reload | None = None
        """Reads the configuration anew; None: there is none but the first."""
        facts = {"connections": self.connections, "waiting answers": self.waiting}
        self.state = Status(reactor, self.counters, self.listening, facts)
        self._reactor = reactor

    def setServiceParent(self, parent: Any) -> None:
        """Join twistd's application, whose log is then ours, if it has none of its own."""
        MultiService.setServiceParent(self, parent)
        observer = self.logs.observer
        components = getattr(parent, "setComponent", None)
        if observer is None or components is None:
            return
        if parent.getComponent(ILogObserver, None) is None:
            components(ILogObserver, observer)

    def startService(self) -> None:
        """Start every service, and hear signals from the moment that the reactor runs."""
        if self._lean:
            fast_dispatch(self._reactor)
        # Before READY=1 tells others that they may send them.
        on_signal(self._reactor, signal.SIGHUP, self.reload)
        on_signal(self._reactor, signal.SIGUSR1, self.reopen)
        on_signal(self._reactor, signal.SIGUSR2, self.state.dump)
        MultiService.startService(self)

    def ready(self) -> bool:
        """Whether new work is welcome: from the start until a stop begins."""
        return bool(self.running)

    def certificates(self) -> dict[str, float]:
        """For how many seconds each certificate is good still."""
        return {} if self.tls is None else self.tls.left()

    def reload(self) -> None:
        """Read the configuration again and keep to it, if all of it is good."""
        if self.running and self.fresh is not None:
            self._ready.reloading()
            self.reopen()
            self._ready.reloaded(self.fresh())

    def reopen(self) -> None:
        """After a rotation, write to fresh logs."""
        if self.running:
            self.logs.reopen()

    @property
    def _ready(self) -> Ready:
        return cast(Ready, MultiService.getServiceNamed(self, "ready"))

    def connections(self) -> dict[str, int]:
        """How many are open, by what they are to."""
        sites = {name: len(each.connections) for name, each in self.sites.items()}
        return sites | {name: len(each.connected) for name, each in self.talks.items()}

    def waiting(self) -> dict[str, int]:
        """How many answers are waited for, by site."""
        return {name: each.in_flight for name, each in self.sites.items()}

    def stopService(self) -> Deferred[Any]:
        """Stop every service; fires when the last answer is out or the grace over."""
        drain: Drain = MultiService.getServiceNamed(self, "drain")
        restore: Callable[[Any], Any] = impatient(self._reactor, drain.hurry)
        stopped: Deferred[Any] = MultiService.stopService(self)
        return stopped.addBoth(restore).addBoth(self._close)

    def _close(self, result: Any) -> Any:
        self._ready.close()
        self.logs.stop()
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
