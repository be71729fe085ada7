"""
The fields of log entries, for JSON and for the journal.

Rules: no body, no cookie and no credential is ever a field.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from twisted.logger import LogEvent, LogLevel, formatEvent

from netd.http.context import AccessDetails, AccessRecord

Fields: TypeAlias = dict[str, str | int | float]
"""Fields by the names of `FIELDS`."""

FIELDS: Final = {
    "time": "RFC 3339, UTC, milliseconds; an entry of the journal has its own",
    "level": "debug, info, warn, error, critical (a bug of netd itself), or 7, 6, 4, 3, 2",
    "event": "access or daemon",
    "message": "the text for people",
    "logger": "of a daemon event: the module that logs",
    "traceback": "of a daemon event: the traceback of an error",
    "peer": "the client's address",
    "peer_port": "the client's port",
    "user": "the name in the client's certificate",
    "listener": "the name of the listener in the ready: line, such as http, https, http-2",
    "connection": "the number of the connection, from 1; with --workers of the worker's",
    "connection_requests": "the number of the request on its connection, from 1",
    "method": "of the request line",
    "target": "of the request line, with the query",
    "protocol": "of the request line",
    "request": "the bytes in place of a request line",
    "status": "the status of the response",
    "bytes": "written bytes of the body; all bytes of a response that is not HTTP (/fault/...)",
    "duration": "seconds from the end of the request's head until the response was written or "
    "its client left; a request body counts in, a slow request head does not",
    "delay": "seconds that the request asked to wait before the first bytes",
    "fault": "the fault that the request asked for and got: the kind of /fault/ and ?fault=, "
    "fail-first, unstable; rate, truncate or both of --files-faults",
    "refusal": "why netd refused the request or the connection; as in netd_refusals_total",
    "rpc_method": "the XML-RPC method, as the client wrote it",
    "rpc_fault": "the code of the XML-RPC fault; 0 for a result",
    "worker": "the number of the worker, with --workers",
    "referer": "the client's Referer",
    "agent": "the client's User-Agent",
}
"""What each field means; docs/reference/log-fields.md is made of it."""

_UNKNOWN: Final = b"-"
_REFUSAL: Final = ("peer", "listener", "refusal")

MAX_CHARACTERS: Final = 32 * 1024
"""Characters of a message or a traceback."""


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def access_fields(entry: AccessRecord) -> Fields:
    """
    The known fields of a response; times are in seconds, to the microsecond.

    `request` replaces method, target and protocol when the first line of the
    client is no request line.
    """
    peer, line, code, length, referer, agent, user, details = entry
    text = _text(line)
    fields: Fields = {"event": "access", "message": f'"{text}" {code} {length}'}
    if peer != _UNKNOWN:
        fields["peer"] = _text(peer)
    if user != _UNKNOWN:
        fields["user"] = _text(user)
    words = text.split(" ")
    if len(words) == 3:
        fields["method"], fields["target"], fields["protocol"] = words
    elif line != _UNKNOWN:
        fields["request"] = text
    fields["status"] = code
    fields["bytes"] = length
    if referer != _UNKNOWN:
        fields["referer"] = _text(referer)
    if agent != _UNKNOWN:
        fields["agent"] = _text(agent)
    if details is not None:
        _add_details(fields, details)
    return fields


def _add_details(fields: Fields, details: AccessDetails) -> None:
    duration, listener, port, connection, requests, notes = details
    if duration is not None:
        fields["duration"] = round(duration, 6)
    if listener is not None:
        fields["listener"] = listener
    if port is not None:
        fields["peer_port"] = port
    fields["connection"] = connection
    fields["connection_requests"] = requests
    for name, value in notes:
        fields[name] = round(value, 6) if isinstance(value, float) else value


def event_fields(event: LogEvent) -> Fields:
    """The fields of an event; none when it has no message and no failure."""
    message = formatEvent(event)
    failure = event.get("log_failure")
    if not message and failure is None:
        return {}
    fields: Fields = {
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
    return fields | refusal_fields(event)


def refusal_fields(event: LogEvent) -> dict[str, str]:
    """The peer, the listener and the reason of a refusal, as far as these are known."""
    if "refusal" not in event:
        return {}
    return {name: str(event[name]) for name in _REFUSAL if name in event}


def level_name(event: LogEvent) -> str:
    """The level of an event: debug, info, warn, error or critical."""
    return str(event.get("log_level", LogLevel.info).name)
