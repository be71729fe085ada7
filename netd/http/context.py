"""
What a server lends its connections, and what they report to it.

Rules: knows a connection by `ServedConnection` only.  What concerns more than one
connection is here: limits, Date, who is connected, who waits, counters and log.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Final, NamedTuple, Protocol, TypeAlias

from attrs import define, evolve, field
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource

from netd.counters import Counters
from netd.http import dates, response_head
from netd.http.errors import RequestError
from netd.http.request_head import Head
from netd.http.timeouts import ROUND_SECONDS, Timed, TimeoutSweep
from netd.http.unsent import UnsentBytes
from netd.http.upload import BodyBuffers
from netd.settings import Limits
from netd.transport.access import listener_of
from netd.transport.connections import ConnectionTable
from netd.transport.tcp import bytes_unsent, has_unread_input
from netd.turns import Turns

_LOOKS: Final = 8
"""Idle connections that are asked for unread input when one of them is to make room."""
_BEYOND: Final = 32
"""Connections over the limit that get time to read why; those beyond get none."""

_UNKNOWN: Final = (b"-",)


def _body_buffers() -> BodyBuffers:
    # Python would silently go elsewhere while the operator's choice is full or missing.
    return BodyBuffers(os.environ.get("TMPDIR") or None)


@lru_cache(maxsize=1024)
def peer_name(host: object) -> bytes:
    """A host as the log has it; kept here once, and not by each of its connections."""
    return host.encode() if isinstance(host, str) else b"-"


Notes: TypeAlias = tuple[tuple[str, str | int | float], ...]
"""What else the log has of a response, by the names of docs/reference/log-fields.md."""


class AccessDetails(NamedTuple):
    """What only some forms of the log have of a response; None for what is not known."""

    duration: float | None
    """Seconds from the end of the request's head until the response was written."""
    listener: str | None
    peer_port: int | None
    connection: int
    """The number of the connection among all of the daemon, from 1."""
    connection_requests: int
    """The number of the request on its connection, from 1."""
    notes: Notes = ()


class AccessRecord(NamedTuple):
    """One response as the access log has it; `-` stands for what is not known."""

    peer: bytes
    request_line: bytes
    status: int
    length: int
    """Bytes of the response's body."""
    referer: bytes = b"-"
    user_agent: bytes = b"-"
    user: bytes = b"-"
    """The name in the client's certificate."""
    details: AccessDetails | None = None
    """None where the log is not `detailed`."""


# Several times as fast as a call of the class.
_new: Final = tuple.__new__


class AccessLog(Protocol):
    """Where responses are logged."""

    @property
    def detailed(self) -> bool:
        """Whether records need `details`; without them a request costs less."""

    def record(self, entry: AccessRecord) -> None:
        """Write `entry`, soon."""


class Begun(Protocol):
    """A request as soon as its head is complete; see `Upload`."""

    begun: float


class ServedRequest(Begun, Protocol):
    """A request as its server sees it; see `Request`."""

    head: Head
    sentLength: int
    notes: Notes


class ServedConnection(Timed, Protocol):
    """A connection as its server sees it; see `HTTPConnection`."""

    client: bytes | None
    peer: bytes
    port: int | None
    user: bytes
    number: int
    served: int
    asked_at: float

    @property
    def idle(self) -> bool: ...
    def close(self) -> None: ...


def _close_oldest(connections: list[ServedConnection]) -> bool:
    """Pop connections until one of them was idle and is closed; False when none was."""
    looks = _LOOKS
    while connections and looks:
        oldest = connections.pop()
        if oldest.idle:
            # A close would lose a request that has arrived and was not read yet.
            if not has_unread_input(oldest.output.transport):
                oldest.close()
                return True
            looks -= 1
    return False


@define(eq=False)
class ServerContext:
    """
    What the connections of one server share.

    `clock` measures waiting, `now` tells the time of day; `bodies` are the bytes
    of a body, by path, where they are fewer than elsewhere.
    """

    resource: IResource
    clock: IReactorTime
    limits: Limits
    _counters: Counters
    _log: AccessLog | None
    _now: Callable[[], float]
    _bodies: Mapping[bytes, int]
    connections: ConnectionTable[ServedConnection] = field(factory=ConnectionTable, init=False)
    body_buffers: BodyBuffers = field(factory=_body_buffers, init=False)
    in_flight: int = field(default=0, init=False)
    """Responses that are being waited for."""
    draining: bool = field(default=False, init=False)
    idle_deadline: float = field(default=0.0, init=False)
    """The deadline of a connection that falls idle now."""
    response_starts: dict[int, bytes] = field(factory=dict, init=False)
    """The first lines of responses that have a body, by status, as of this second."""
    latest_head: Head | None = field(default=None, init=False)
    """That of the latest request, for a second: a client that repeats itself is parsed once."""
    _listening: bool = field(default=False, init=False)
    _limits_at: dict[bytes, Limits] = field(init=False)
    _waiting: Counter[bytes] = field(factory=Counter, init=False)
    _oldest: list[ServedConnection] = field(factory=list, init=False)
    """Idle connections as of one round, the oldest last."""
    _sweep: TimeoutSweep = field(init=False)
    turns: Turns = field(init=False)
    unsent: UnsentBytes = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.unsent = UnsentBytes(self.limits.unsent, self.clock, self._counters)
        self.change(self.limits)
        self._sweep = TimeoutSweep(self, self.clock, self._counters)
        self.turns = Turns.of(self.clock)

    def change(self, limits: Limits) -> None:
        """Keep to other limits from now on."""
        self.limits = limits
        self.latest_head = None
        self.unsent.limit = limits.unsent
        self._limits_at = {
            path: evolve(limits, max_body=min(size, limits.max_body))
            for path, size in self._bodies.items()
        }

    def limits_at(self, path: bytes) -> Limits:
        """The limits of a request for `path`, as it is on the wire."""
        return self._limits_at.get(path, self.limits)

    # Connections; the sweep runs while a port listens or a connection is open

    def listen(self, listening: bool) -> None:
        """The first port listens, or the last one no longer does."""
        self._listening = listening
        self._start_or_stop()

    def opened(self, connection: ServedConnection) -> None:
        """`connection` has a transport."""
        self.connections.add(connection)
        if not self._listening:
            self._sweep.start()

    def closed(self, connection: ServedConnection) -> None:
        """`connection` has lost its transport."""
        self.connections.remove(connection)
        self._sweep.forget(connection)
        if not self._listening:
            self._start_or_stop()

    def _start_or_stop(self) -> None:
        if self._listening or len(self.connections):
            self._sweep.start()
        else:
            self._sweep.stop()

    def new_second(self, now: float) -> None:
        """Forget what holds for one second only."""
        self.response_starts.clear()
        self._oldest.clear()
        # It may hold credentials.
        self.latest_head = None
        # `now` is up to one round old when it is used; no connection is closed early.
        self.idle_deadline = now + ROUND_SECONDS + self.limits.idle

    @property
    def roomy(self) -> bool:
        """Whether connections that are over may still take up room for a while."""
        return len(self.connections) <= self.limits.connections + _BEYOND

    def make_room(self, client: bytes | None) -> str | None:
        """Make room for a connection of `client`; without success, the key of the refusal."""
        of_client = self.connections.of
        if client is not None and len(of_client(client)) >= self.limits.client_connections:
            idle = [connection for connection in of_client(client) if connection.idle]
            idle.sort(key=attrgetter("deadline"), reverse=True)
            if not _close_oldest(idle):
                return "client-connections"
        if len(self.connections) >= self.limits.connections and not self._evict():
            return "connections"
        return None

    def _evict(self) -> bool:
        """Close the connection that has been idle for longest, if there is one."""
        if not self._oldest:
            # Sorting all of them once a round is cheap; once a connection would not be.
            idle = [connection for connection in self.connections if connection.idle]
            self._oldest = sorted(idle, key=attrgetter("deadline"), reverse=True)
        return _close_oldest(self._oldest)

    # Responses

    def crowded(self, client: bytes | None) -> str | None:
        """The key of the refusal when no other response may be waited for, else None."""
        if self.in_flight >= self.limits.waiting:
            return "waiting"
        if client is not None and self._waiting[client] >= self.limits.client_waiting:
            return "client-waiting"
        return None

    def wait(self, client: bytes | None) -> None:
        """Count a response that `client` waits for."""
        self.in_flight += 1
        if client is not None:
            self._waiting[client] += 1

    def waited(self, client: bytes | None) -> None:
        """Count the response no longer."""
        self.in_flight -= 1
        if client is not None:
            self._waiting[client] -= 1
            if not self._waiting[client]:
                del self._waiting[client]

    def response_start(self, code: int) -> bytes:
        """The first lines of a response with status `code`, made once a second."""
        start = self.response_starts.get(code)
        if start is None:
            start = response_head.response_start(code, self.date())
            if code >= 200 and code not in response_head.NO_BODY:
                self.response_starts[code] = start
        return start

    def date(self) -> bytes:
        """The value of Date now."""
        return dates.http_date(self._now()).encode()

    def responded(
        self, by: ServedConnection, request: ServedRequest, code: int, lost: bool = False
    ) -> None:
        """Count and log a response that ended; `lost`: its connection ended before it did."""
        length = request.sentLength
        if lost:
            # What is still in a buffer never left.
            length = max(0, length - (bytes_unsent(by.output.transport) or 0))
        counters, log = self._counters, self._log
        # Without a look for the `__missing__` of the tally.
        counters.responses[code] = counters.responses.get(code, 0) + 1
        counters.sent += length
        if log is not None:
            details = self._details(by, request, request.notes) if log.detailed else None
            head = request.head
            fields = head.fields
            referer = fields.get(b"referer", _UNKNOWN)[-1]
            agent = fields.get(b"user-agent", _UNKNOWN)[-1]
            line = by.peer, head.line, code, length, referer, agent, by.user, details
            log.record(_new(AccessRecord, line))

    def refused(
        self,
        by: ServedConnection,
        error: RequestError,
        line: bytes,
        length: int,
        request: Begun | None,
    ) -> None:
        """Count and log a refusal whose body has `length` bytes; None: no head was whole."""
        self._counters.refusals[error.key] += 1
        self._counters.responses[error.code] += 1
        if self._log is not None:
            details = None
            if self._log.detailed:
                details = self._details(by, request, (("refusal", error.key),))
            self._log.record(
                AccessRecord(
                    by.peer, line or b"-", error.code, length, user=by.user, details=details
                )
            )

    def _details(
        self, by: ServedConnection, request: Begun | None, notes: Notes
    ) -> AccessDetails:
        duration = None
        if request is not None:
            duration = self.clock.seconds() - (request.begun or by.asked_at)
        listener = listener_of(by.output.transport)
        return AccessDetails(duration, listener, by.port, by.number, by.served, notes)
