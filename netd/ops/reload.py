"""
A new configuration for a daemon that runs: all of it, or none.

Rules: knows no part of the daemon.  Each `Reloadable` plans its change, which checks
everything and changes nothing yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final, TypeAlias

from attrs import frozen
from twisted.logger import Logger
from twisted.python.usage import UsageError

from netd.setting_types import Option
from netd.settings import TABLE, Settings

_log = Logger()

Commit: TypeAlias = Callable[[], object]
"""Makes the change; it has been checked and cannot fail."""


@frozen
class Reloadable:
    """One part of the daemon that can change while it runs."""

    plan: Callable[[Settings], Commit]
    """Checks what these settings need; UsageError when they cannot be met."""
    depends_on: Callable[[Settings], object]
    """The settings that this part depends on; it is planned again only when they change."""
    always: bool = False
    """Whether each reload plans the part: the files that its settings name may be new."""


def _label(options: Sequence[Option]) -> str:
    *others, last = (f"--{option.name}" for option in options)
    return f"{', '.join(others)} or {last}" if others else last


FIXED: Final = tuple(
    (_label(options), attrgetter(path))
    for path, options in TABLE.items()
    if any(option.restart for option in options)
)
"""What only a restart changes: its options, and its value in `Settings`."""


@frozen
class Plan:
    """A reload that has been checked."""

    settings: Settings
    commits: Sequence[Commit]


class Reload:
    """Applies the settings that `read` returns now, in a daemon started with `started`."""

    def __init__(
        self, started: Settings, read: Callable[[], Settings], parts: Sequence[Reloadable]
    ) -> None:
        self._started = self._current = started
        self._read = read
        self._parts = parts

    def __call__(self) -> str:
        """Reload; the outcome in one line, which the log has too.  Nothing is raised."""
        plan = self.prepare()
        return plan if isinstance(plan, str) else self.commit(plan)

    def plan(self, fresh: Settings) -> Plan:
        """The change to `fresh`; UsageError when these settings cannot be met."""
        changed = [
            part
            for part in self._parts
            if part.always or part.depends_on(fresh) != part.depends_on(self._current)
        ]
        return Plan(fresh, [part.plan(fresh) for part in changed])

    def prepare(self) -> Plan | str:
        """The change to the settings of now, or why it is refused, which the log has too."""
        try:
            return self.plan(self._read())
        except UsageError as error:
            return self.refuse(" ".join(str(error).split()))
        # A bug in a check must not end the daemon that the operator wanted to keep.
        except Exception:
            _log.failure("not reloaded, all stays as it was")
            return "Not reloaded: see the log"

    def refuse(self, why: str) -> str:
        """Log that a reload changes nothing; the outcome in one line."""
        _log.error("not reloaded, all stays as it was: {why}", why=why)
        return f"Not reloaded: {why}"

    def apply(self, plan: Plan) -> None:
        """Make the change, without a word in the log."""
        for commit in plan.commits:
            commit()
        self._current = plan.settings

    def commit(self, plan: Plan) -> str:
        """Make the change; the outcome in one line, which the log has too."""
        try:
            self.apply(plan)
        # A bug; the service manager still waits for the outcome.
        except Exception:
            _log.failure("reloaded in part")
            return "Reloaded in part: see the log"
        _log.info("reloaded")
        fixed = [
            label for label, value in FIXED if value(plan.settings) != value(self._started)
        ]
        if fixed:
            _log.warn("only a restart changes {options}", options="; ".join(fixed))
        return "Reloaded" + (f", but for {'; '.join(fixed)}" if fixed else "")
