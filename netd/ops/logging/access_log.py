"""
The access log in the combined format, and the daemon's own lines beside it.

Rules: knows no HTTP.  What a client said never ends a field or a line.

Format: <https://httpd.apache.org/docs/2.4/logs.html#combined>
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final

from twisted.logger import ILogObserver, LogEvent, formatEventAsClassicLogText
from zope.interface import implementer

from netd.http.context import AccessRecord
from netd.ops.logging.line_writer import LineWriter

# What could end a field or a line, or play tricks on a terminal.
_UNSAFE: Final = bytes(each for each in range(256) if not 32 <= each < 127 or each in b'"\\')
_UNSAFE_BYTE: Final = re.compile(rb"[^ !#-\[\]-~]")


def escape(field: bytes) -> bytes:
    r"""`field` with quotes, backslashes, control and 8-bit bytes as `\xNN`."""
    return _UNSAFE_BYTE.sub(lambda found: b"\\x%02X" % ord(found[0]), field)


class AccessLog:
    """One line an answer."""

    def __init__(self, lines: LineWriter, now: Callable[[], float] = time.time) -> None:
        self._put = lines.put
        self._now = now
        self._second = -1
        self._stamp = b""

    def record(self, entry: AccessRecord) -> None:
        """Write `entry` down, soon."""
        peer, line, code, length, referer, agent, user = entry
        now = int(self._now())
        if now != self._second:
            self._second = now
            self._stamp = _stamp(now)
        said = line + referer + agent
        if len(said.translate(None, _UNSAFE)) != len(said):
            line, referer, agent = escape(line), escape(referer), escape(agent)
        if user != b"-":
            # The only field that ends with a space.
            user = escape(user).replace(b" ", b"\\x20")
        line = b'%b - %b [%b] "%b" %d %d "%b" "%b"\n' % (
            peer,
            user,
            self._stamp,
            line,
            code,
            length,
            referer,
            agent,
        )
        self._put(line)


def _stamp(seconds: int) -> bytes:
    """The time of day as the combined format has it, in UTC and whatever the locale."""
    now = time.gmtime(seconds)
    month = "JanFebMarAprMayJunJulAugSepOctNovDec"[now.tm_mon * 3 - 3 : now.tm_mon * 3]
    return (
        f"{now.tm_mday:02}/{month}/{now.tm_year:04}"
        f":{now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02} +0000"
    ).encode()


@implementer(ILogObserver)
class Text:
    """The daemon's own lines as twistd writes them, but sooner lost than waited for."""

    def __init__(self, lines: LineWriter) -> None:
        self._lines = lines

    def __call__(self, event: LogEvent) -> None:
        """Write `event` down, now."""
        said = formatEventAsClassicLogText(event)
        if said:
            self._lines.say(said.encode("utf-8", "backslashreplace"))
