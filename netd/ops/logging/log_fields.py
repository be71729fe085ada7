"""
What a log has to say, by name: the fields of an answer and of an event of the daemon.

Rules: knows no form; JSON and the journal write the same fields.  No body, no
cookie and no credential is ever among them.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.logger import LogEvent, LogLevel, formatEvent

from netd.http.context import AccessRecord

LONGEST: Final = 32 * 1024
"""Characters of a message or a traceback."""


def _text(said: bytes) -> str:
    return said.decode("utf-8", "backslashreplace")


def access_fields(entry: AccessRecord) -> dict[str, Any]:
    """
    The fields of one answer; what is not known is left out.

    `request` stands in for method, target and protocol where a client's first
    line is no request line.
    """
    peer, line, code, length, referer, agent, user = entry
    said: dict[str, Any] = {
        "event": "access",
        "message": f'"{_text(line)}" {code} {length}',
        "peer": peer,
        "user": user,
    }
    words = line.split(b" ")
    if len(words) == 3:
        said |= zip(("method", "target", "protocol"), words, strict=True)
    else:
        said["request"] = line
    said |= {"status": code, "bytes": length, "referer": referer, "agent": agent}
    return {
        name: _text(value) if isinstance(value, bytes) else value
        for name, value in said.items()
        if value != b"-"
    }


def happening(event: LogEvent) -> dict[str, Any]:
    """The fields of one event of the daemon; empty when it has nothing to say."""
    message = formatEvent(event)
    failure = event.get("log_failure")
    if not message and failure is None:
        return {}
    said = {
        "event": "daemon",
        "logger": str(event.get("log_namespace", "-")),
        "message": message[:LONGEST],
    }
    if failure is not None:
        said["traceback"] = failure.getTraceback()[:LONGEST]
    return said


def level(event: LogEvent) -> str:
    """How grave an event is: debug, info, warn, error or critical."""
    found = event.get("log_level", LogLevel.info)
    return str(found.name)
