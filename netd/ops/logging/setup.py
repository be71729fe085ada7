"""
Which form the logs of one daemon have, and where they go.

Rules: the one place that knows all of the forms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import ILogObserver
from twisted.python.usage import UsageError

from netd.counters import Counters
from netd.ops.logging.access_log import AccessLog, Text
from netd.ops.logging.journal import Journal, listens
from netd.ops.logging.json_log import JSONLog
from netd.ops.logging.line_writer import LineWriter
from netd.settings import LogForm

STDOUT: Final = 1
"""Whatever standard output is by the time something is written to it."""


class LogFile(Protocol):
    """Where lines end up."""

    def reopen(self) -> None:
        """Begin a fresh file after a rotation."""

    def flush(self) -> None:
        """Write what can be written without waiting."""

    def stop(self) -> None:
        """Write what is left, and close."""


@frozen
class Logs:
    """The access log, the daemon's own lines, and what they are kept in."""

    access: AccessLog | JSONLog | Journal | None = None
    """Where answers are recorded; None: nowhere."""
    observer: ILogObserver | None = None
    """Where events go; None: where twistd writes them by itself."""
    keepers: tuple[LogFile, ...] = ()

    def reopen(self) -> None:
        """After a rotation, write to fresh files."""
        for each in self.keepers:
            each.reopen()

    def stop(self) -> None:
        """Write what is left, as far as possible; events that follow are written at once."""
        for each in self.keepers:
            each.stop()


def _lines(
    option: str, where: str | int, clock: IReactorTime, counters: Counters
) -> LineWriter:
    try:
        return LineWriter(where, clock, counters)
    except OSError as wrong:
        shown = "-" if where == STDOUT else where
        raise UsageError(f"{option} {shown}: {wrong.strerror}") from None


def logs(
    form: LogForm,
    access: str | None,
    output: str | int | None,
    *,
    environ: Mapping[str, str],
    clock: IReactorTime,
    counters: Counters,
) -> Logs:
    """
    The logs of a daemon whose `access` log is a path, `-` or None.

    `output` is the path or the descriptor of its own lines; with None text is
    left to twistd.  UsageError when a file cannot be opened.
    """
    if form == "auto":
        form = "journal" if listens(environ) else "text"
    if form == "journal":
        named = access not in (None, "-")
        file = _lines("--access-log", str(access), clock, counters) if named else None
        journal = Journal(clock, counters)
        if file is not None:
            return Logs(AccessLog(file), journal, (file, journal))
        return Logs(None if access is None else journal, journal, (journal,))
    keepers: dict[str | int, LineWriter] = {}
    answers: AccessLog | JSONLog | None = None
    if access is not None:
        where = STDOUT if access == "-" else access
        keepers[where] = _lines("--access-log", where, clock, counters)
        answers = (JSONLog if form == "json" else AccessLog)(keepers[where])
    observer: ILogObserver | None = None
    # A file of text is twistd's: it can rotate it.
    if form == "json" or output == STDOUT:
        where = STDOUT if output is None else output
        # One for both: what is written to one place must not be cut by the other.
        events = keepers.get(where) or _lines("--logfile", where, clock, counters)
        keepers[where] = events
        observer = JSONLog(events) if form == "json" else Text(events)
    return Logs(answers, observer, tuple(keepers.values()))
