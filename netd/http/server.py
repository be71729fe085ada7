"""
The site: a tree of Resources, and the connections it is asked over.

Rules: knows no socket.  What concerns more than one connection is here: who
may come in, how many wait, what the date is, and how all of it comes to an end.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType

from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory
from twisted.web.resource import IResource
from zope.interface import implementer

from netd.addresses import limited
from netd.counters import Counters
from netd.http import response_head
from netd.http.body_buffer import BodyBuffers
from netd.http.connection import HTTPConnection
from netd.http.context import AccessLog, AccessRecord
from netd.http.conversation import Conversation
from netd.http.errors import RequestError
from netd.http.phases import IDLE
from netd.http.request import Request
from netd.http.timeouts import ROUND_SECONDS, TimeoutSweep
from netd.settings import Limits
from netd.transport.drain import IDrainable
from netd.transport.tcp import unread

_FRESH_SECONDS = 1.0
"""How long a drain waits for the first request of a connection that was just opened."""
_BEYOND = 32
"""Connections over the limit that get time to read why; those beyond get none."""


@implementer(IDrainable)
class Site(Factory):
    """
    Serves `resource` over HTTP/1.1, within `limits`.

    `clock` measures waiting, `now` tells the time of day; `bodies` are the bytes
    of a body, by path, where they are fewer than elsewhere.
    """

    noisy = False

    def __init__(
        self,
        resource: IResource,
        clock: IReactorTime,
        limits: Limits,
        counters: Counters,
        *,
        log: AccessLog | None = None,
        now: Callable[[], float] = time.time,
        bodies: Mapping[bytes, int] = MappingProxyType({}),
    ) -> None:
        self.resource = resource
        self.clock = clock
        self._bodies = bodies
        self.change(limits)
        self.channels: set[HTTPConnection] = set()
        self.spools = BodyBuffers()
        self.in_flight = 0
        """Answers that are being waited for."""
        self.draining = False
        self.idle_deadline = 0.0
        """When a connection that falls idle now has been idle for too long."""
        self._counters = counters
        self._log = log
        self._now = now
        self._watch = TimeoutSweep(self, clock, counters)
        self._started = False
        self.openings: dict[int, bytes] = {}
        """The first lines of answers that have a body, by status, as of this second."""
        self._by_client: dict[bytes, set[HTTPConnection]] = {}
        self._waiting: Counter[bytes] = Counter()
        # Idle connections as of one round, the oldest last.
        self._oldest: list[HTTPConnection] = []
        self._drained: Deferred[None] | None = None

    # From the port

    def startFactory(self) -> None:
        """The first port listens."""
        self._started = True
        self._watch.start()

    def stopFactory(self) -> None:
        """The last port is closed; the watch goes on while there are connections."""
        self._started = False
        if not self.channels:
            self._watch.stop()

    def buildProtocol(self, addr: IAddress | None) -> HTTPConnection:  # type: ignore[override]  # no Protocol is inherited
        """The channel for a client that comes from `addr`."""
        client = limited(addr)
        self._counters.connections += 1
        return HTTPConnection(self, addr, client, self._door(client))

    def change(self, limits: Limits) -> None:
        """Keep to other limits from now on."""
        self.limits = limits
        self._limits_at = {
            path: evolve(limits, max_body=min(most, limits.max_body))
            for path, most in self._bodies.items()
        }

    def limits_at(self, path: bytes) -> Limits:
        """The limits of a request for `path`, as the wire has it."""
        return self._limits_at.get(path, self.limits)

    # IDrainable

    def drain(self) -> Deferred[None]:
        """Close what is idle, finish what is in flight; fires when all connections are gone."""
        if self._drained is None:
            self.draining = True
            soon = self.clock.seconds() + _FRESH_SECONDS
            for channel in tuple(self.channels):
                if channel.phase is IDLE and not unread(channel.transport):
                    if channel.fresh:
                        # Its first request may be on the way.
                        channel.deadline = min(channel.deadline, soon)
                    else:
                        channel.close()
            self._drained = Deferred()
        if not self.channels:
            return succeed(None)
        gone: Deferred[None] = Deferred()
        self._drained.chainDeferred(gone)
        return gone

    def abort(self) -> int:
        """Cut every connection that is left and say how many those were."""
        left = tuple(self.channels)
        for channel in left:
            channel.abort()
        return len(left)

    # From the watch

    def turn(self, now: float) -> None:
        """A new second has begun."""
        self.openings.clear()
        self._oldest.clear()
        # `now` is up to one round old when it is used; nobody is closed early.
        self.idle_deadline = now + ROUND_SECONDS + self.limits.idle

    # From the channels

    def enter(self, channel: HTTPConnection) -> None:
        """`channel` has a transport."""
        self.channels.add(channel)
        self._watch.start()
        if channel.client is not None:
            self._by_client.setdefault(channel.client, set()).add(channel)

    def leave(self, channel: HTTPConnection) -> None:
        """`channel` has lost it."""
        self.channels.discard(channel)
        self._watch.forget(channel)
        if channel.client is not None:
            mine = self._by_client.get(channel.client, set())
            mine.discard(channel)
            if not mine:
                self._by_client.pop(channel.client, None)
        if not self.channels:
            if not self._started:
                self._watch.stop()
            if self._drained is not None and not self._drained.called:
                self._drained.callback(None)

    @property
    def roomy(self) -> bool:
        """Whether connections that are over may still take up room for a while."""
        return len(self.channels) <= self.limits.connections + _BEYOND

    def crowded(self, client: bytes | None) -> str | None:
        """The reason why no other answer may be waited for, if there is one."""
        if self.in_flight >= self.limits.waiting:
            return "waiting"
        if client is not None and self._waiting[client] >= self.limits.client_waiting:
            return "client-waiting"
        return None

    def wait(self, client: bytes | None) -> None:
        """An answer of `client` is waited for."""
        self.in_flight += 1
        if client is not None:
            self._waiting[client] += 1

    def waited(self, client: bytes | None) -> None:
        """It no longer is."""
        self.in_flight -= 1
        if client is not None:
            self._waiting[client] -= 1
            if not self._waiting[client]:
                del self._waiting[client]

    def opening(self, code: int) -> bytes:
        """The first lines of an answer with status `code`, made once a second."""
        known = self.openings.get(code)
        if known is None:
            known = response_head.opening(code, None, self.date())
            if code >= 200 and code not in response_head.NO_BODY:
                self.openings[code] = known
        return known

    def date(self) -> bytes:
        """What the Date field says now."""
        return response_head.date(self._now())

    def answered(self, client: Conversation, request: Request, code: int) -> None:
        """Count and log an answer that ended with status `code`."""
        self._counters.answers[code] += 1
        self._counters.sent += request.sentLength
        if self._log is not None:
            head = request.head
            referer, agent = head.origin()
            sent, user = request.sentLength, client.user
            self._log.record(
                AccessRecord(client.peer, head.line, code, sent, referer, agent, user)
            )

    def refused(
        self, client: Conversation, refused: RequestError, line: bytes, length: int
    ) -> None:
        """Count and log a request that was turned away."""
        self._counters.refusals[refused.key] += 1
        self._counters.answers[refused.code] += 1
        if self._log is not None:
            self._log.record(
                AccessRecord(client.peer, line or b"-", refused.code, length, user=client.user)
            )

    # The door

    def _door(self, client: bytes | None) -> str | None:
        """Make room for one connection more; without success, the reason to refuse it."""
        if client is not None:
            mine = self._by_client.get(client, ())
            if len(mine) >= self.limits.client_connections:
                idle = [each for each in mine if each.phase is IDLE]
                if not idle:
                    return "client-connections"
                min(idle, key=_age).close()
        if len(self.channels) >= self.limits.connections and not self._evict():
            return "connections"
        return None

    def _evict(self) -> bool:
        """Close the connection that has been idle for longest, if there is one."""
        if not self._oldest:
            # Sorting them all once a round is cheap; once a connection would not be.
            self._oldest = sorted(
                (each for each in self.channels if each.phase is IDLE), key=_age, reverse=True
            )
        while self._oldest:
            oldest = self._oldest.pop()
            if oldest.phase is IDLE:
                oldest.close()
                return True
        return False


def _age(channel: HTTPConnection) -> float:
    return channel.deadline
