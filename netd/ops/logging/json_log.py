"""
The log as JSON: one object a line, for the access log and for the daemon's own lines.

Rules: knows no HTTP.  The names of its members are promised in docs/operations.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from netd.http.context import AccessRecord
from netd.ops.logging import log_fields
from netd.ops.logging.line_writer import LineWriter


@implementer(ILogObserver)
class JSONLog:
    """
    Writes answers and events as objects, those that it is given of each.

    `time` is RFC 3339 in UTC with milliseconds, `level` one of debug, info,
    warn, error, critical; the other members are those of `netd.ops.logging.log_fields`.
    """

    def __init__(self, lines: LineWriter, now: Callable[[], float] = time.time) -> None:
        self._lines = lines
        self._now = now

    def record(self, entry: AccessRecord) -> None:
        """Write down one answer, soon."""
        said = log_fields.access_fields(entry)
        self._lines.put(_line(self._now(), "info", said))

    def __call__(self, event: LogEvent) -> None:
        """Write down one event of the daemon, now."""
        said = log_fields.happening(event)
        if said:
            when = event.get("log_time") or self._now()
            self._lines.say(_line(when, log_fields.level(event), said))


def _line(when: float, level: str, said: Mapping[str, Any]) -> bytes:
    stamp = datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds")
    whole = {"time": stamp.replace("+00:00", "Z"), "level": level, **said}
    return json.dumps(whole).encode() + b"\n"
