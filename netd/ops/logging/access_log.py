"""
Logs as text: responses in the combined format, events as twistd writes them.

Rules: knows no HTTP.  No input of a client ends a field or a line.

Format: <https://httpd.apache.org/docs/2.4/logs.html#combined>
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from attrs import frozen
from twisted.logger import ILogObserver, LogEvent, formatEventAsClassicLogText
from zope.interface import implementer

from netd.http.context import AccessRecord
from netd.http.dates import http_date
from netd.http.fields import Known
from netd.ops.logging.line_writer import LineWriter
from netd.values import escape_unprintable

# Bytes that could end a field or a line, or control a terminal.
_UNSAFE: Final = bytes(byte for byte in range(256) if not 32 <= byte < 127 or byte in b'"\\')
_UNSAFE_BYTE: Final = re.compile(rb"[^ !#-\[\]-~]")


def escape(field: bytes) -> bytes:
    r"""`field` with quotes, backslashes, control and 8-bit bytes as `\xNN`."""
    if len(field.translate(None, _UNSAFE)) == len(field):
        return field
    return _UNSAFE_BYTE.sub(lambda match: b"\\x%02X" % ord(match[0]), field)


class CombinedLog:
    """Writes one line for each response; with `duration`, the seconds that it took end it."""

    def __init__(
        self,
        lines: LineWriter,
        now: Callable[[], float] = time.time,
        *,
        duration: bool = False,
    ) -> None:
        self.detailed = duration
        self._write = lines.write
        self._now = now
        self._quoted = Known(lambda field: b' "%b"' % escape(field)).__getitem__
        self._second = -1
        self._timestamp = b""

    def record(self, entry: AccessRecord) -> None:
        """Write `entry`, soon."""
        peer, line, code, length, referer, agent, user, details = entry
        now = int(self._now())
        if now != self._second:
            self._second = now
            self._timestamp = _timestamp(now)
        if user != b"-":
            # The only field that a space ends.
            user = escape(user).replace(b" ", b"\\x20")
        end = b"\n" if details is None else _seconds(details.duration)
        quoted, numbers = self._quoted, _numbers(code, length)
        line, referer, agent = quoted(line), quoted(referer), quoted(agent)
        # A third of the price of a format.
        parts = (peer, b" - ", user, self._timestamp, line, numbers, referer, agent, end)
        self._write(b"".join(parts))


def _seconds(duration: float | None) -> bytes:
    """The end of a line: seconds as nginx's $request_time, but to the microsecond."""
    return b" -\n" if duration is None else b" %.6f\n" % duration


@lru_cache(maxsize=1024)
def _numbers(code: int, length: int) -> bytes:
    return b" %d %d" % (code, length)


def _timestamp(seconds: int) -> bytes:
    """The time of day as the combined format has it, in UTC and in English."""
    _, day, month, year, clock, _ = http_date(seconds).split()
    return f" [{day}/{month}/{year}:{clock} +0000]".encode()


@implementer(ILogObserver)
@frozen(eq=False)
class TextLog:
    """Writes events as twistd does, but escaped, and never waits for the file."""

    _lines: LineWriter

    def __call__(self, event: LogEvent) -> None:
        """Write `event`, now."""
        text = formatEventAsClassicLogText(event)
        if text:
            text = escape_unprintable(text, keep="\n\t")
            self._lines.write_now(text.encode())
