"""
The fields of log entries, for JSON and for the journal.

Rules: no body, no cookie and no credential is ever a field.
"""

from __future__ import annotations

from typing import Final

from twisted.logger import LogEvent, LogLevel, formatEvent

from netd.http.context import AccessRecord

MAX_CHARACTERS: Final = 32 * 1024
"""Characters of a message or a traceback."""


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def access_fields(entry: AccessRecord) -> dict[str, str | int]:
    """
    The known fields of a response.

    `request` replaces method, target and protocol when the first line of the
    client is no request line.
    """
    peer, line, code, length, referer, agent, user = entry
    fields: dict[str, str | int | bytes] = {
        "event": "access",
        "message": f'"{_text(line)}" {code} {length}',
        "peer": peer,
        "user": user,
    }
    words = line.split(b" ")
    if len(words) == 3:
        fields |= zip(("method", "target", "protocol"), words, strict=True)
    else:
        fields["request"] = line
    fields |= {"status": code, "bytes": length, "referer": referer, "agent": agent}
    return {
        name: _text(value) if isinstance(value, bytes) else value
        for name, value in fields.items()
        if value != b"-"
    }


def event_fields(event: LogEvent) -> dict[str, str | int]:
    """The fields of an event; none when it has no message and no failure."""
    message = formatEvent(event)
    failure = event.get("log_failure")
    if not message and failure is None:
        return {}
    fields: dict[str, str | int] = {
        "event": "daemon",
        "logger": str(event.get("log_namespace", "-")),
        "message": message[:MAX_CHARACTERS],
    }
    if "worker" in event:
        fields["worker"] = event["worker"]
        if "worker_text" in event:
            # The line of another process, whose parts stand in the message for people only.
            fields["message"] = event["worker_text"]
            if event["worker_traceback"]:
                fields["traceback"] = event["worker_traceback"]
    if failure is not None:
        fields["traceback"] = failure.getTraceback()[:MAX_CHARACTERS]
    return fields


def level_name(event: LogEvent) -> str:
    """The level of an event: debug, info, warn, error or critical."""
    return str(event.get("log_level", LogLevel.info).name)
