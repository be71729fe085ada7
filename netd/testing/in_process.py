"""
A daemon in the reactor of a test, for trial and for tests that set the time.

Rules: imports Twisted and netd when it serves, and not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from netd.testing.target import Target, address_of

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

_OPTIONS: Final = (
    *("--port", "0", "--udp", "udp:0", "--access-log", "off", "--grace", "0s"),
    *("--delay", "0s", "--fast-dispatch", "no", "--log", "text"),
)
_TIMES: Final = frozenset({"seconds", "callLater", "getDelayedCalls"})


class _Clocked:
    """A reactor whose time is a Clock's."""

    def __init__(self, reactor: Any, clock: Any) -> None:
        self._reactor = reactor
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clock if name in _TIMES else self._reactor, name)


class Served(Target):
    """A daemon in this process, which a thread may wait for, and the reactor may not."""

    def __init__(self, daemon: Any, clock: Any = None) -> None:
        self._daemon = daemon
        self._clock = clock
        listen = daemon.listening()
        super().__init__(address_of(listen["http"]).url("http"), listen)

    def stop(self) -> Deferred[None]:
        """Stop it; fires when nothing of it is left in the reactor."""
        stopped: Deferred[None] = self._daemon.stopService()
        # At once, as no time may pass on a clock.
        self._daemon.parts.drain.hurry()
        if self._clock is not None:
            self._clock.advance(0)
        return stopped


def serve(reactor: Any, *options: str, clock: Any = None) -> Deferred[Served]:
    """
    A daemon with `options` in the running `reactor`; `addCleanup(netd.stop)` ends it.

    With `clock`, a `twisted.internet.task.Clock`, no time passes for the daemon
    but the clock's.  Fails with UsageError when an option is wrong or a port is
    taken.  `metrics` and `attempts` wait, so call them in a thread.
    """
    from twisted.internet.defer import maybeDeferred

    return maybeDeferred(_serve, reactor, options, clock)


def _serve(reactor: Any, options: tuple[str, ...], clock: Any) -> Served:
    from twisted.application.service import MultiService
    from twisted.python.usage import UsageError

    from netd import daemon
    from netd.options.cli import Options

    parsed = Options()
    parsed.environ = {}
    parsed.parseOptions([*_OPTIONS, *options])
    timed = reactor if clock is None else _Clocked(reactor, clock)
    served = daemon.build(parsed.settings, timed, {}, alone=False)
    try:
        MultiService.privilegedStartService(served)
    except UsageError:
        served.abandon()
        raise
    served.startService()
    return Served(served, clock)
