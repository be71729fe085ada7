"""
The log as JSON: one object on each line, for responses and for events.

Rules: knows no HTTP; the names of the members are those of `log_fields.FIELDS`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from netd.http.context import AccessRecord
from netd.ops.logging import log_fields
from netd.ops.logging.line_writer import LineWriter

_encode: Final = json.JSONEncoder().encode


@implementer(ILogObserver)
class JSONLog:
    """
    Writes responses and events as objects.

    `time` is RFC 3339 in UTC with milliseconds, `level` one of debug, info,
    warn, error, critical; the other members are those of `log_fields`.
    """

    detailed: Final = True

    def __init__(
        self,
        lines: LineWriter,
        now: Callable[[], float] = time.time,
        fields: Callable[[AccessRecord], log_fields.Fields] = log_fields.access_fields,
    ) -> None:
        self._lines = lines
        self._now = now
        self._fields = fields
        self._second = -1
        self._start = ""

    def record(self, entry: AccessRecord) -> None:
        """Write `entry`, soon."""
        fields = self._fields(entry)
        self._lines.write(self._line(self._now(), "info", fields))

    def __call__(self, event: LogEvent) -> None:
        """Write `event`, now."""
        fields = log_fields.event_fields(event)
        if fields:
            seconds = event.get("log_time") or self._now()
            self._lines.write_now(self._line(seconds, log_fields.level_name(event), fields))

    def _line(self, seconds: float, level: str, fields: log_fields.Fields) -> bytes:
        second = int(seconds)
        if second != self._second:
            # The same for all lines of a second, and dearer than a line's other members.
            self._second = second
            self._start = datetime.fromtimestamp(second, UTC).isoformat().partition("+")[0]
        milliseconds = min(999, round((seconds - second) * 1e6) // 1000)
        timestamp = f"{self._start}.{milliseconds:03}Z"
        return _encode({"time": timestamp, "level": level, **fields}).encode() + b"\n"
