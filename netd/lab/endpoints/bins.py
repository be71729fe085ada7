"""
Bins: requests to `/echo/b-KEY/...`, which those see who watch the key.

Rules: pure.  Without a watcher a request to a bin is an ordinary /echo.
"""

from __future__ import annotations

import codecs
import re
import secrets
from base64 import b64encode
from collections.abc import Iterator
from functools import partial
from typing import Final

from attrs import define, evolve

from netd.lab.call import BadCall, Call, Reply
from netd.lab.endpoints.echo import echo
from netd.lab.endpoints.httpbin_json import shown_fields
from netd.lab.watchers import Event, tell, tell_start
from netd.script import Abort, Script, Send, Step, Wait

KEY: Final = re.compile("[A-Za-z0-9_-]{22}")
"""128 random bits in base64url."""
PREFIX: Final = "b-"
MAX_BODY: Final = 16 * 1024
"""Bytes of a request body that an event shows."""
_LEFT: Final = 499
"""nginx's status for a client that left before the end of its response."""
_LONG: Final = 0.2
"""Seconds of a wait that watchers, who look every 100 ms, are told of at its start."""


def echo_path(call: Call) -> Reply:
    """Return what /echo does; who watches the bin in the path sees the request."""
    topics = call.state.watchers.by_topic
    if not topics:
        return echo(call)
    topic = call.path_values["rest"].partition("/")[0]
    if topic not in topics:
        return echo(call)
    began = call.state.seconds(), call.state.now()
    try:
        reply = echo(call)
    except BadCall as error:
        _Response(call, topic, began, error.status, outcome="sent").tell()
        raise
    response = _Response(call, topic, began, reply.status, reply.fault)
    body, length = reply.body, reply.length
    if callable(body):
        body = body()
    if isinstance(body, bytes):
        length = len(body)
        body = (Wait(reply.delay), Send(body))
    return evolve(reply, body=response.watched(body), length=length, delay=0.0)


@define
class _Response:
    """A response to a request for a bin, and what became of it."""

    _call: Call
    _topic: str
    _began: tuple[float, float]
    """When it began, and the time of day then."""
    _status: int
    _fault: str = ""
    _waits: float = 0.0
    """The seconds before the first byte, as the script has them."""
    _started: float | None = None
    """When the first byte was due and sent."""
    outcome: str = "left"
    _id: int | None = None
    """What start and end of a request have in common; None: no start was told."""

    def watched(self, script: Script) -> Iterator[Step]:
        """The steps of `script`; it tells of a long wait, and of the end in any case."""
        try:
            if self._call.queued + self._call.drawn >= _LONG:
                self._tell_start()
            for step in script:
                if isinstance(step, Abort):
                    self.outcome = "cut"
                elif self._started is None:
                    if isinstance(step, Wait):
                        self._waits += step.seconds
                    else:
                        self._started = self._call.state.seconds()
                yield step
            self.outcome = "sent"
        finally:
            self.tell()

    def tell(self) -> None:
        """Tell who watches now."""
        watchers = self._call.state.watchers.by_topic.get(self._topic)
        if watchers:
            tell(watchers, partial(self._event, self._call.state.seconds()))

    def _tell_start(self) -> None:
        # The largest integers that JavaScript tells apart have 53 bits.
        self._id = secrets.randbits(53)
        tell_start(self._call.state.watchers.by_topic.get(self._topic, ()), self._request)

    def _request(self) -> dict[str, object]:
        """What is known of a request when it begins."""
        call = self._call
        return {
            "id": self._id,
            "at": round(self._began[1], 6),
            "method": call.method,
            "target": call.target,
            "queue": round(call.queued, 6),
            "delay": round(call.drawn, 6),
        }

    def _event(self, now: float) -> Event:
        call, began, started = self._call, self._began[0], self._started
        facts: dict[str, object] = {
            "status": _LEFT if self.outcome == "left" else self._status,
            "end": self.outcome,
            "fault": self._fault,
            "delay": round(self._waits - call.queued, 6),
            "late": None if started is None else round(started - began - self._waits, 6),
            "took": round(now - began, 6),
            "client": call.origin,
            "headers": shown_fields(call),
            "bytes": call.length,
        }
        return {"bin": self._request() | facts | _body(call)}


def _body(call: Call) -> dict[str, object]:
    """The start of the request body: as text, or in base64 where that is not UTF-8."""
    if not call.length or call.content.closed:
        return {}
    call.content.seek(0)
    start = call.content.read(MAX_BODY)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        # A character may be cut at the end.
        return {"text": decoder.decode(start, final=call.length <= MAX_BODY)}
    except UnicodeDecodeError:
        return {"base64": b64encode(start).decode()}
