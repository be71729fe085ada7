"""
A reload of all workers or of none: each checks the settings before any uses them.

Rules: the supervisor reads the settings; workers get them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from netd.ops.reload import Reload
from netd.settings import Settings
from netd.transport.tls import TLS
from netd.workers import messages
from netd.workers.messages import Prepared
from netd.workers.slot import Slot

_log = Logger()

RESPONSE_SECONDS: Final = 10.0
"""How long workers may take to check settings, and to use them."""


class TwoPhase:
    """
    Reloads the workers of `slots`, and the supervisor's own daemon by `reload`.

    When a reload is over each worker that serves uses the new settings, unless it stands still
    for `RESPONSE_SECONDS`.
    """

    def __init__(
        self,
        reload: Reload,
        tls: TLS | None,
        slots: Sequence[Slot],
        started: Settings,
        clock: IReactorTime,
    ) -> None:
        self._reload = reload
        self._tls = tls
        self._slots = slots
        self._clock = clock
        self.settings = started
        """The settings in use."""
        self.generation = 0
        """How many reloads there were."""

    async def __call__(self) -> str:
        """Reload; the outcome in one line, which the log has too."""
        plan = self._reload.prepare()
        if isinstance(plan, str):
            return plan
        asked = [slot for slot in self._slots if slot.ready]
        links = [slot.link for slot in asked]
        prepared = await self._ask(asked, messages.Prepare(plan.settings))
        if objection := self._objection(asked, prepared):
            for slot in asked:
                slot.send(messages.Abort())
            return self._reload.refuse(objection)
        self.settings = plan.settings
        self.generation += 1
        # A worker that took the place of one that died was not asked.
        pairs = zip(asked, links, strict=True)
        asked = [slot for slot, link in pairs if slot.link is link and slot.linked]
        for slot in asked:
            slot.generation = self.generation
        await self._ask(asked, messages.Commit())
        outcome = self._reload.commit(plan)
        for slot in self._slots:
            if slot.ready:
                await self.update(slot)
        return outcome

    async def _ask(self, slots: Sequence[Slot], message: object) -> list[Any]:
        """What each worker returns to `message`, or the failure to get it."""
        asked: list[Deferred[object]] = [
            slot.ask(message, RESPONSE_SECONDS, self._clock) for slot in slots
        ]
        return [result for _, result in await DeferredList(asked, consumeErrors=True)]

    def _objection(self, slots: Sequence[Slot], prepared: Sequence[Any]) -> str:
        """Why the settings cannot be used; empty: they can."""
        own = () if self._tls is None else self._tls.fingerprints()
        for slot, outcome in zip(slots, prepared, strict=True):
            why = ""
            if isinstance(outcome, Prepared):
                why = outcome.error
                if not why and outcome.certificates != own:
                    why = "a certificate changed meanwhile"
            elif not outcome.check(ConnectionLost):
                why = "did not respond in time"
            # A worker that is gone objects to nothing.
            if why:
                return f"worker {slot.name}: {why}"
        return ""

    async def update(self, slot: Slot) -> None:
        """Bring a worker that was started before the last reload up to date."""
        if slot.generation == self.generation:
            return
        slot.generation = self.generation
        (outcome,) = await self._ask([slot], messages.Prepare(self.settings))
        if isinstance(outcome, Failure):
            return
        if outcome.error:
            _log.error(
                "worker {worker} cannot be reloaded and is replaced: {why}",
                worker=slot.index + 1,
                why=outcome.error,
            )
            slot.send(messages.Stop())
        else:
            await self._ask([slot], messages.Commit())
