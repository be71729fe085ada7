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
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from attrs import Factory, define, frozen

from netd.xmlrpc.faults import Why
from netd.xmlrpc.registry import Procedure

QUEUE: Final = "netd"
"""The Celery queue of methods without a `queue` of their own; theirs is `netd.QUEUE`."""
TASK: Final = "netd.{}"
"""The name of a method's Celery task."""

CALL: Final = "netd:call:{}"
"""`WANTED` as long as a call may begin; `CANCELLED` once it may not, or has to end."""
CLAIM: Final = "netd:claim:{}"
"""Who may run a call: set once, never changed, there longer than the call's key."""
RESULTS: Final = "netd:to:{}"
"""The stream of what workers say to one daemon."""
WORKER: Final = "netd:worker:{}"
"""There as long as a worker's main process renews it."""
WORKERS: Final = "netd:workers"
"""The set of workers that may be alive."""
WANTED: Final = b"1"
CANCELLED: Final = b"0"

CANCELLED_MS: Final = 120_000
"""How long a cancellation is kept, at least."""
CLAIM_MS: Final = 60_000
"""How much longer than the call's key its claim is there."""
WORKER_MS: Final = 6000
"""How long a worker counts as alive after its last heartbeat."""

LOOK_SECONDS: Final = 2.0
"""Time between two reports, and from sending a call to the first doubt that it arrived."""
STEADY_SECONDS: Final = 12.0
"""How long Redis has to be reachable before a missing heartbeat means a dead worker."""
_LONGEST_PAUSE: Final = 64.0

BEGAN: Final = b"*"
"""The first byte of an entry that names the worker which begins a call."""

Meta: TypeAlias = dict[str, str | int]
"""The second argument of a task: to, ms, keep, contract."""


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

    The client's thread sets `marked`, `sent` and `order`, the daemon's thread all else.
    """

    key: str
    method: Procedure
    made: float
    """When it was made, by the daemon's clock."""
    body: str = ""
    """The methodCall, as long as no worker has it."""
    wanted: bool = True
    """Whether it has yet to begin, and somebody waits for it; it is not sent otherwise."""
    marked: bool = False
    """Whether its key was set; a message may be with the broker from then on."""
    pause: float = LOOK_SECONDS
    """Seconds from the last message to the next one, should nobody begin the call."""
    sent: float | None = None
    """When its last message went to the broker; None while one is on its way."""
    order: int = 0
    """Which of the daemon's messages that was."""
    host: str | None = None
    """The worker that began it."""
    began: float = 0.0

    @property
    def until(self) -> float:
        """When its time is over; waiting counts."""
        return self.made + self.method.seconds

    @property
    def queue(self) -> str:
        """The Celery queue that its message goes to."""
        return f"{QUEUE}.{self.method.queue}" if self.method.queue else QUEUE


C = TypeVar("C", bound=Call)


@frozen
class Look:
    """What the publisher looks for; the outcome is a `Report`."""

    calls: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()


@frozen
class Report:
    """What the publisher saw in Redis and at the broker."""

    gone: frozenset[str] = frozenset()
    """Calls that have no key any more."""
    dead: frozenset[str] = frozenset()
    """Workers without a heartbeat."""
    depths: Mapping[str, int] = Factory(dict)
    """Messages by queue."""
    workers: int = 0
    """How many workers are alive."""
    steady: float = 0.0
    """Seconds for which the publisher has reached Redis without a failure."""


class Receiver(Protocol):
    """What is told of the queue, on the reactor's thread."""

    def entries(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """What workers say about calls, in order."""

    def report(self, report: Report) -> None:
        """The outcome of a look."""

    def state(self, part: str, trouble: str) -> None:
        """A part of the queue cannot be reached, or can be again without `trouble`."""


@define
class InFlight(Generic[C]):
    """The calls of a daemon that have not ended."""

    calls: dict[str, C] = Factory(dict)
    _begun: dict[str, int] = Factory(dict)
    """The latest message of each queue whose call has begun."""
    running: int = 0
    """How many calls a worker has begun."""

    @property
    def waiting(self) -> int:
        """How many calls no worker has begun."""
        return len(self.calls) - self.running

    def look(self) -> Look:
        """What a report has to look for."""
        calls = self.calls.values()
        unclaimed = (call.key for call in calls if call.wanted and call.sent is not None)
        hosts = {call.host for call in calls if call.host is not None}
        queues = {QUEUE} | {call.queue for call in calls}
        return Look(tuple(unclaimed), tuple(sorted(hosts)), tuple(sorted(queues)))

    def began(self, call: C, host: str, now: float) -> bool:
        """A worker begins the call; False when that was known."""
        if not call.wanted:
            return False
        # Its parameters may be long.
        call.wanted, call.body = False, ""
        call.host, call.began = host, now
        self.running += 1
        self._begun[call.queue] = max(call.order, self._begun.get(call.queue, 0))
        return True

    def ended(self, call: C) -> bool:
        """Forget a call; False when it was forgotten already."""
        if self.calls.pop(call.key, None) is None:
            return False
        self.running -= call.host is not None
        call.wanted, call.body = False, ""
        return True

    def overtaken(self, depths: Mapping[str, int], now: float) -> list[C]:
        """
        The calls whose message has to be sent again, because it may be lost.

        Nobody begins one although its queue is empty, or begins one sent later.
        """
        due = [
            call
            for call in self.calls.values()
            if call.wanted
            and call.sent is not None
            and now - call.sent >= call.pause
            and (depths.get(call.queue) == 0 or self._begun.get(call.queue, 0) > call.order)
        ]
        for call in due:
            # A message on its way is not sent again.
            call.sent, call.pause = None, min(2 * call.pause, _LONGEST_PAUSE)
        return due

    def lost(self, report: Report, now: float) -> list[tuple[C, Why]]:
        """The calls that nobody will end, each with what lost it."""
        found: list[tuple[C, Why]] = []
        for call in self.calls.values():
            if call.host is not None:
                if call.host in report.dead and report.steady >= STEADY_SECONDS:
                    found.append((call, "worker"))
            # A key that expired by itself is the timeout's matter.
            elif call.key in report.gone and call.until - now > 1:
                found.append((call, "queue"))
        return found
