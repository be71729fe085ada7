"""
The distributed calls of one daemon, and what each side of the queue writes about them.

Rules: pure.  Knows no Redis and no broker: a `Report` says what was seen there, and
`InFlight` decides what it means.  A call runs at most once because of its claim, so
sending its message again is always safe.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from math import inf
from typing import Final, Protocol, TypeAlias

from attrs import Factory, define, frozen

from netd.xmlrpc.faults import Why
from netd.xmlrpc.registry import Procedure

QUEUE: Final = "netd"
"""The Celery queue of methods without a `queue` of their own; theirs is `netd.QUEUE`."""
TASK: Final = "netd.{}"
"""The name of a method's task for people; Celery has one task for all, `call`."""

CALL: Final = "netd:call:{}"
"""`WANTED` as long as a call may begin; `CANCELLED` once it may not, or has to end."""
CLAIM: Final = "netd:claim:{}"
"""Who may run a call: set once, never changed, there longer than the call's key."""
RESULTS: Final = "netd:to:{}"
"""The stream of what workers say to one daemon, in entries named by `entry_name`."""
WORKERS: Final = "netd:workers"
"""Workers by the second of their last heartbeat, on the clock of Redis."""
WANTED: Final = b"1"
CANCELLED: Final = b"0"

CANCELLED_MS: Final = 120_000
"""How long a cancellation is kept, at least."""
CLAIM_MS: Final = 60_000
"""How much longer than the call's key its claim is there."""
WORKER_SECONDS: Final = 6
"""How long a worker counts as alive after its last heartbeat."""

LOOK_SECONDS: Final = 2.0
"""Time between two reports, and from sending a call to the first doubt that it arrived."""
STEADY_SECONDS: Final = 45.0
"""
How long after a failure to reach Redis a missing heartbeat begins to mean a dead worker.

Celery's pauses after a lost connection are up to 30 s.
"""
_LONGEST_PAUSE: Final = 64.0

BEGAN: Final = b"*"
PART: Final = b"~"
"""Kinds of entries: who begins a call, and a part of an outcome that others follow."""
PART_BYTES: Final = 256 * 1024
"""More at a time would hold the daemon's threads; the last part has the outcome's kind."""

Meta: TypeAlias = dict[str, str | int]
"""The second argument of a task: method, contract, to, ms, keep."""


def entry_name(kind: bytes, key: str, start: int = 0) -> bytes:
    """The field of an entry about a call whose content begins at `start` of the outcome."""
    return b"%b%b %d" % (kind, key.encode(), start)


def contract(method: Procedure) -> str:
    """
    Sixteen hexadecimal digits that differ when the method differs for its callers.

    Two versions of its code that have the same signatures have the same contract.
    """
    facts = (1, method.name, method.source, method.signature.variants)
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


@define(eq=False)
class Call:
    """
    One call: what its task is made of, and where it is.

    The client's thread sets `sent` and `order`, the daemon's thread all else.
    """

    key: str
    method: Procedure
    made: float
    """When it was made, by the daemon's clock."""
    body: str = ""
    """The methodCall, as long as somebody waits for it and no worker has it."""
    sent: float | None = None
    """When its last message went to the broker; None while one is on its way."""
    order: int = 0
    """Which of the daemon's messages that was; 0 as long as nothing is known of it outside."""
    host: str | None = None
    """The worker that began it."""
    began: float = 0.0
    parts: tuple[bytes, ...] = ()
    """What has come of its outcome."""

    @property
    def until(self) -> float:
        """When its time is over; waiting counts."""
        return self.made + self.method.seconds

    @property
    def queue(self) -> str:
        """The Celery queue that its message goes to."""
        return f"{QUEUE}.{self.method.queue}" if self.method.queue else QUEUE


@frozen
class Report:
    """What the publisher saw in Redis and at the broker."""

    gone: frozenset[str] = frozenset()
    """Calls that were sent and have no key any more."""
    workers: frozenset[str] = frozenset()
    """Workers that are alive."""
    depths: Mapping[str, int] = Factory(dict)
    """Messages by queue."""
    steady: float = inf
    """Seconds since the publisher failed to reach Redis or the broker."""


class Receiver(Protocol):
    """What is told of the queue, on the reactor's thread."""

    def entries(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """What workers say about calls, in order: names of entries, and contents."""

    def report(self, report: Report) -> None:
        """What was seen every `LOOK_SECONDS`."""

    def state(self, part: str, trouble: str) -> None:
        """A part of the queue cannot be reached, or can be (again) without `trouble`."""


@define
class InFlight:
    """The calls of a daemon that have not ended."""

    calls: dict[str, Call] = Factory(dict)
    _begun: dict[str, int] = Factory(dict)
    """The latest message of each queue whose call has begun."""
    running: int = 0
    """How many calls a worker has begun."""

    @property
    def waiting(self) -> int:
        """How many calls no worker has begun."""
        return len(self.calls) - self.running

    def began(self, call: Call, host: str, now: float) -> bool:
        """A worker begins a call that has not ended; False when that was known."""
        if call.host is not None:
            return False
        # Its parameters may be long.
        call.body, call.host, call.began = "", host, now
        self.running += 1
        self._begun[call.queue] = max(call.order, self._begun.get(call.queue, 0))
        return True

    def ended(self, call: Call) -> None:
        """Forget a call."""
        del self.calls[call.key]
        self.running -= call.host is not None
        call.body = ""

    def overtaken(self, depths: Mapping[str, int], now: float) -> list[Call]:
        """
        The calls whose message has to be sent again, because it may be lost.

        Nobody begins one although its queue is empty, or begins one sent later.  Each time
        the wait is as long as all before it together.
        """
        due = [
            call
            for call in self.calls.values()
            if call.host is None
            and call.sent is not None
            and now - call.sent >= min(max(call.sent - call.made, LOOK_SECONDS), _LONGEST_PAUSE)
            and (depths.get(call.queue) == 0 or self._begun.get(call.queue, 0) > call.order)
        ]
        for call in due:
            # A message on its way is not sent again.
            call.sent = None
        return due

    def lost(self, report: Report, now: float) -> list[tuple[Call, Why]]:
        """The calls that nobody will end, each with what lost it."""
        found: list[tuple[Call, Why]] = []
        for call in self.calls.values():
            if call.host is not None:
                if call.host not in report.workers and report.steady >= STEADY_SECONDS:
                    found.append((call, "worker"))
            # A key that expired by itself is the timeout's matter.
            elif call.key in report.gone and call.until - now > 1:
                found.append((call, "queue"))
        return found
