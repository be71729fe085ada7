"""
What all workers have counted together, those included that are gone.

Rules: no counter ever falls; a worker that is busy is represented by its last snapshot.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredList

from netd.counters import Counters
from netd.lab.figures import Reading
from netd.ops.metrics import exposition
from netd.ops.status import Status, resident_bytes
from netd.parts import Parts
from netd.workers import merge, messages
from netd.workers.link import Link
from netd.workers.messages import Snapshot
from netd.workers.metrics import GroupCollector
from netd.workers.slot import Slot
from netd.workers.worker import snapshot

PATIENCE_SECONDS: Final = 0.5
"""How long metrics wait for the snapshot of a worker."""


class Totals:
    """The sums over `slots`, and over the supervisor's own `parts`."""

    def __init__(self, parts: Parts, slots: Sequence[Slot]) -> None:
        self._parts = parts
        self._slots = slots
        self._gone = Counters()

    def settle(self, slot: Slot) -> None:
        """Keep the counts of a worker that is gone."""
        if slot.snapshot is not None:
            self._gone = merge.counters([self._gone, merge.settled(slot.snapshot.counters)])

    def total(self) -> Snapshot:
        """The sums of what is known now."""
        own = snapshot(self._parts)
        gone = Snapshot(self._gone, {}, {}, 0, 0, {})
        known = [slot.snapshot for slot in self._slots if slot.snapshot is not None]
        return merge.snapshots([own, gone, *known])

    def status(self, listening: Callable[[], dict[str, str]]) -> Status:
        """The status of all processes together."""
        total = self.total()
        facts = {
            "connections": lambda: total.connections,
            "waiting responses": lambda: total.waiting,
        }
        return Status(self._parts.reactor, total.counters, listening, facts)

    def refresh(self, done: Callable[[], object]) -> None:
        """Ask every worker for a snapshot, then call `done`; a busy one has its last."""
        asked = []
        for slot in self._slots:
            if slot.ready:
                response = slot.ask(
                    messages.TakeSnapshot(), PATIENCE_SECONDS, self._parts.reactor
                )
                keep = partial(self._keep, slot, slot.link)
                asked.append(response.addCallbacks(keep, lambda _: None))
        DeferredList(asked).addCallback(lambda _: done())

    def _keep(self, slot: Slot, link: Link | None, taken: Snapshot) -> None:
        if slot.link is link:
            slot.snapshot = taken

    def collect(self, message: messages.Expose | messages.Read) -> Deferred[Any]:
        """What `message` asks for, of all processes and as it is now."""
        collected: Deferred[object] = Deferred()
        self.refresh(
            lambda: collected.callback(
                self._text(message.accept)
                if isinstance(message, messages.Expose)
                else self._reading()
            )
        )
        return collected

    def _reading(self) -> Reading:
        total = self.total()
        pids = [os.getpid(), *(slot.pid for slot in self._slots if slot.pid)]
        return Reading(
            total.counters,
            sum(total.connections.values()),
            sum(total.waiting.values()),
            sum(map(resident_bytes, pids)),
        )

    def _text(self, accept: str) -> tuple[str, bytes]:
        collector = GroupCollector(self.total(), self._slots, os.getpid())
        return exposition(collector, process=False)(accept)
