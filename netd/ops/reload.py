"""
A new configuration for a daemon that runs: all of it, or none.

Rules: knows no part of the daemon.  Each `Reloadable` plans its change, which checks
everything and changes nothing yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from attrs import frozen
from twisted.logger import Logger
from twisted.python.usage import UsageError

from netd.settings import Settings

_log = Logger()

Commit: TypeAlias = Callable[[], object]
"""Makes the change; it has been checked and cannot fail."""


@frozen
class Reloadable:
    """One part of the daemon that can change while it runs."""

    plan: Callable[[Settings], Commit]
    """Checks what these settings ask of it; UsageError when it cannot be done."""
    of: Callable[[Settings], Any] | None = None
    """What it keeps to; as long as that is equal there is no plan.  None: there always is."""


FIXED: Final[tuple[tuple[str, Callable[[Settings], Any]], ...]] = (
    ("--port, --bind or --http", lambda s: s.http.listen),
    ("--https", lambda s: s.tls.listen),
    ("--files-http", lambda s: s.files.listen),
    ("--rpc-http", lambda s: s.rpc.listen),
    ("--udp and --udp-*", lambda s: s.udp),
    ("--service", lambda s: s.services),
    ("--service-idle", lambda s: s.service_idle),
    ("--access-log", lambda s: s.http.access_log),
    ("--log", lambda s: s.watch.log),
    ("--metrics-http", lambda s: s.watch.listen),
    ("--fast-dispatch", lambda s: s.http.fast_dispatch),
    ("--rpc-workers", lambda s: s.rpc.workers),
)
"""What only a restart changes, by option: sockets and what is built around them."""


class Reload:
    """Brings what `read` says now into force, in a daemon begun with `started`."""

    def __init__(
        self, started: Settings, read: Callable[[], Settings], parts: Sequence[Reloadable]
    ) -> None:
        self._started = self._current = started
        self._read = read
        self._parts = parts

    def __call__(self) -> str:
        """What came of it, in a line that the log has too; nothing is raised."""
        try:
            fresh = self._read()
            acts = [part.plan(fresh) for part in self._parts if self._affected(part, fresh)]
        except UsageError as wrong:
            why = " ".join(str(wrong).split())
            _log.error("not reloaded, all stays as it was: {why}", why=why)
            return f"Not reloaded: {why}"
        # A bug in a check must not end the daemon that the operator wanted to keep.
        except Exception:
            _log.failure("not reloaded, all stays as it was")
            return "Not reloaded: see the log"
        try:
            for act in acts:
                act()
        # It ought not to happen; if it does, the service manager still needs an answer.
        except Exception:
            _log.failure("reloaded in part")
            return "Reloaded in part: see the log"
        self._current = fresh
        _log.info("reloaded")
        fixed = [option for option, of in FIXED if of(fresh) != of(self._started)]
        if fixed:
            _log.warn("only a restart changes {options}", options="; ".join(fixed))
        return "Reloaded" + (f", but for {'; '.join(fixed)}" if fixed else "")

    def _affected(self, part: Reloadable, fresh: Settings) -> bool:
        return part.of is None or part.of(fresh) != part.of(self._current)
