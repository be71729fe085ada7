"""
What a method returns to be awaited, as a Deferred; and who holds the reactor meanwhile.

Rules: knows no method and no fault.  While an asyncio loop runs (`--reactor=asyncio`)
a coroutine is one of its tasks, so that it may await both asyncio's awaitables and
Deferreds; on the other reactors it awaits Deferreds.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Final, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

T = TypeVar("T")

_log = Logger()

HELD: Final = 0.1
"""Seconds without a return to the reactor that are logged; asyncio's slow_callback_duration."""
PAUSE: Final = 60.0
"""Seconds in which a name is logged once."""

_TWISTED: Final = (
    "await Twisted's awaitables (Deferreds), or start with `twistd --reactor=asyncio`"
)
_HINTS: Final = {
    "event loop": _TWISTED,
    "wasn't used with future": _TWISTED,
    "Task got bad yield: <Deferred": "in a task of its own, await deferred.asFuture(loop)",
}
"""What helps, by a part of what asyncio raises as a RuntimeError."""


class HoldLog:
    """Logs what holds the reactor for `HELD` seconds, each name once in `PAUSE` seconds."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._known_until = 0.0
        self._next: dict[str, float] = {}

    def began(self) -> float:
        """The time now, for `ended`."""
        return self._clock.seconds()

    def ended(self, name: str, began: float) -> None:
        """Code of `name` returns; what ran inside it and was noted itself does not count."""
        now = self._clock.seconds()
        if now - began < HELD:
            return
        seconds = now - max(began, self._known_until)
        self._known_until = now
        if seconds >= HELD and now >= self._next.get(name, now):
            self._next[name] = now + PAUSE
            _log.warn(
                "{name} held the reactor for {seconds:.1f} s: every client waited;"
                " offload what takes longer than milliseconds",
                name=name,
                seconds=seconds,
            )


def deferred(awaitable: Awaitable[T], name: str, holds: HoldLog) -> Deferred[T]:
    """
    The result of `awaitable`; `holds` times each of its steps as `name`'s.

    Cancelling raises Twisted's CancelledError where a Deferred is awaited, asyncio's where
    one of asyncio's awaitables is; the Deferred fails with Twisted's in both cases.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return Deferred.fromCoroutine(_whole(awaitable, name, holds, None))
    task = loop.create_task(_whole(awaitable, name, holds, loop))
    if isinstance(awaitable, Coroutine):
        # It has not begun when the task is cancelled before its first step.
        task.add_done_callback(lambda _: awaitable.close())
    return Deferred.fromFuture(task).addErrback(_as_twisted)


def hint(error: BaseException | None) -> str:
    """What helps against asyncio's `error`; empty when nothing is known."""
    if not isinstance(error, RuntimeError):
        return ""
    text = str(error)
    return next((advice for part, advice in _HINTS.items() if part in text), "")


def _as_twisted(failure: Failure) -> Failure:
    return Failure(CancelledError()) if failure.check(asyncio.CancelledError) else failure


async def _whole(
    awaitable: Awaitable[T], name: str, holds: HoldLog, loop: asyncio.AbstractEventLoop | None
) -> T:
    return await _in_steps(_awaited(awaitable), name, holds, loop)


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


@types.coroutine
def _in_steps(
    coroutine: Coroutine[object, object, T],
    name: str,
    holds: HoldLog,
    loop: asyncio.AbstractEventLoop | None,
) -> Generator[object, object, T]:
    """The result of `coroutine`, whose Deferreds are futures for `loop`."""
    resume: Callable[[], object] = partial(coroutine.send, None)
    while True:
        began = holds.began()
        try:
            awaited = resume()
        except StopIteration as end:
            result: T = end.value
            return result
        # A task would end the daemon with these.
        except (SystemExit, KeyboardInterrupt) as error:
            raise RuntimeError(repr(error)).with_traceback(error.__traceback__) from None
        finally:
            holds.ended(name, began)
        try:
            if loop is not None and isinstance(awaited, Deferred):
                yield from _fired(awaited, loop)
                value = None
            else:
                value = yield awaited
        # Whatever it is, it is the coroutine's.
        except BaseException as error:
            resume = partial(coroutine.throw, error)
        else:
            resume = partial(coroutine.send, value)


def _fired(
    awaited: Deferred[object], loop: asyncio.AbstractEventLoop
) -> Generator[object, object, None]:
    """Wait until a Deferred has a result, which it keeps; a cancellation is passed to it."""
    waiting = loop.create_future()

    def wake(result: object) -> object:
        if not waiting.done():
            waiting.set_result(None)
        return result

    awaited.addBoth(wake)
    try:
        yield from waiting
    except asyncio.CancelledError:
        # Without a result it is awaited again.
        awaited.cancel()
