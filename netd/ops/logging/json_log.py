"""
The log as JSON: one object on each line, for responses and for events.

Rules: knows no HTTP.  docs/operations.md promises the names of the members.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from attrs import frozen
from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from netd.http.context import AccessRecord
from netd.ops.logging import log_fields
from netd.ops.logging.line_writer import LineWriter


@implementer(ILogObserver)
@frozen(eq=False)
class JSONLog:
    """
    Writes responses and events as objects.

    `time` is RFC 3339 in UTC with milliseconds, `level` one of debug, info,
    warn, error, critical; the other members are those of `log_fields`.
    """

    _lines: LineWriter
    _now: Callable[[], float] = time.time
    _fields: Callable[[AccessRecord], Mapping[str, str | int]] = log_fields.access_fields

    def record(self, entry: AccessRecord) -> None:
        """Write `entry`, soon."""
        fields = self._fields(entry)
        self._lines.write(_line(self._now(), "info", fields))

    def __call__(self, event: LogEvent) -> None:
        """Write `event`, now."""
        fields = log_fields.event_fields(event)
        if fields:
            seconds = event.get("log_time") or self._now()
            self._lines.write_now(_line(seconds, log_fields.level_name(event), fields))


def _line(seconds: float, level: str, fields: Mapping[str, str | int]) -> bytes:
    timestamp = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    members = {"time": timestamp.replace("+00:00", "Z"), "level": level, **fields}
    return json.dumps(members).encode() + b"\n"
