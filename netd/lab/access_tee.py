"""
An access log that those see, too, who watch all requests.

Rules: shows of a request what the log has, without values of its query and without a user.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from attrs import frozen

from netd.http.context import AccessLog, AccessRecord
from netd.lab.watchers import REQUESTS, Event, Watchers, tell

_MOST_PATH: Final = 1024
_MOST_NAMES: Final = 50


@frozen(eq=False)
class AccessTee:
    """Passes each record on to a log, if there is one, and to who watches."""

    _log: AccessLog | None
    _watchers: Watchers
    _now: Callable[[], float] = time.time

    @property
    def detailed(self) -> bool:
        """Whether the log needs details; an event does not."""
        return self._log is not None and self._log.detailed

    def record(self, entry: AccessRecord) -> None:
        """Log `entry`, and tell of it."""
        if self._log is not None:
            self._log.record(entry)
        watchers = self._watchers.by_topic.get(REQUESTS)
        if watchers:
            tell(watchers, partial(_event, entry, self._now()))


def _event(entry: AccessRecord, now: float) -> Event:
    """What those who watch see of a response."""
    words = entry.request_line.decode("utf-8", "replace").split(" ")
    # The first line of what is no request may be anything.
    method, target = words[:2] if len(words) == 3 else ("-", "-")
    path, _, query = target.partition("?")
    fields = query.split("&", _MOST_NAMES)[:_MOST_NAMES] if query else []
    return {
        "request": {
            "at": round(now, 3),
            "method": method[:_MOST_PATH],
            "path": path[:_MOST_PATH],
            "names": [each.partition("=")[0][:_MOST_PATH] for each in fields],
            "status": entry.status,
            "bytes": entry.length,
            "client": entry.peer.decode("ascii", "replace"),
        }
    }
