"""
Makes the logs of a daemon: their form and where they are written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from attrs import Factory, define, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import ILogObserver
from twisted.python.usage import UsageError

from netd.counters import Counters
from netd.http.context import AccessLog, AccessRecord
from netd.ops.logging import journal, log_fields
from netd.ops.logging.access_log import CombinedLog, TextLog
from netd.ops.logging.journal import JournalLog
from netd.ops.logging.json_log import JSONLog
from netd.ops.logging.line_writer import LineWriter
from netd.settings import Settings

STDOUT: Final = 1


class Destination(Protocol):
    """A file, or the journal."""

    @property
    def descriptor(self) -> int:
        """The open file."""

    def reopen(self) -> None:
        """Open a new file after a rotation."""

    def stop(self) -> None:
        """Write as much as possible and close."""


@frozen
class Logs:
    """The logs of one daemon."""

    access: AccessLog | None = None
    """Records responses; None: no access log."""
    observer: ILogObserver | None = None
    """Writes events; None: twistd does."""
    destinations: tuple[Destination, ...] = ()

    def reopen(self) -> None:
        """Open new files after a rotation."""
        for destination in self.destinations:
            destination.reopen()

    def descriptors(self) -> list[int]:
        """The open files."""
        return [destination.descriptor for destination in self.destinations]

    def attach(self, parent: object) -> None:
        """Write the log of `parent`, twistd's application, unless somebody else does."""
        components = getattr(parent, "setComponent", None)
        if self.observer is None or components is None:
            return
        if parent.getComponent(ILogObserver, None) is None:  # type: ignore[attr-defined]  # Componentized
            components(ILogObserver, self.observer)

    def stop(self) -> None:
        """Write as much as possible; later events are written at once."""
        for destination in self.destinations:
            destination.stop()


@define
class _Files:
    """The files of the logs of one daemon."""

    _clock: IReactorTime
    _counters: Counters
    _shared: bool
    # Text and JSON of one target share a writer, so that no line cuts another.
    writers: dict[str | int, LineWriter] = Factory(dict)

    def open(self, option: str, target: str | int) -> LineWriter:
        """The writer of a path or a descriptor; UsageError when that cannot be opened."""
        if target not in self.writers:
            try:
                writer = LineWriter(target, self._clock, self._counters, shared=self._shared)
            except OSError as error:
                shown = "-" if target == STDOUT else target
                raise UsageError(f"{option} {shown}: {error.strerror}") from None
            self.writers[target] = writer
        return self.writers[target]


def logs(
    settings: Settings,
    output: str | int | None,
    environ: Mapping[str, str],
    clock: IReactorTime,
    counters: Counters,
    *,
    worker: Callable[[], int] | None = None,
) -> Logs:
    """
    The logs of a daemon with these settings.

    `output` is the path or the descriptor for events; with None twistd writes
    text.  With `worker`, the number of this process, others write to the same places.
    UsageError when a file cannot be opened.
    """
    form, access = settings.monitoring.log, settings.http.access_log
    duration = settings.http.access_log_duration

    def fields(entry: AccessRecord) -> log_fields.Fields:
        more: log_fields.Fields = {} if worker is None else {"worker": worker()}
        return log_fields.access_fields(entry) | more

    access_fields = log_fields.access_fields if worker is None else fields

    files = _Files(clock, counters, worker is not None)
    if form == "auto":
        form = "journal" if journal.is_stderr(environ) else "text"
    if form == "journal":
        if access in (None, "-"):
            log = JournalLog(clock, counters, fields=access_fields)
            return Logs(None if access is None else log, log, (log,))
        file = files.open("--access-log", str(access))
        log = JournalLog(clock, counters)
        return Logs(CombinedLog(file, duration=duration), log, (file, log))
    responses: AccessLog | None = None
    if access is not None:
        file = files.open("--access-log", STDOUT if access == "-" else access)
        if form == "json":
            responses = JSONLog(file, fields=access_fields)
        else:
            responses = CombinedLog(file, duration=duration)
    observer: ILogObserver | None = None
    # twistd writes text files itself, as it can rotate them.
    if form == "json" or output == STDOUT:
        file = files.open("--logfile", STDOUT if output is None else output)
        observer = (JSONLog if form == "json" else TextLog)(file)
    return Logs(responses, observer, tuple(files.writers.values()))
