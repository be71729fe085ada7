"""
Awaitables as Deferreds, with and without an asyncio loop, and who holds the reactor.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, NoReturn

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.awaiting import HELD, PAUSE, HoldLog, deferred, hint


class _Odd:
    """An awaitable that is no coroutine."""

    def __init__(self, inner: Awaitable[Any]) -> None:
        self._inner = inner

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()


class HoldLogTests(SynchronousTestCase):
    """
    What is logged of code that holds the reactor.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.holds = HoldLog(self.clock)

    def hold(self, name: str, seconds: float, inside: Callable[[], None] | None = None) -> None:
        """Hold the reactor; call `inside` in the middle."""
        began = self.holds.began()
        self.clock.rightNow += seconds / 2
        if inside is not None:
            inside()
        self.clock.rightNow += seconds / 2
        self.holds.ended(name, began)

    def test_named(self) -> None:
        """A warning has the name and the seconds, from HELD seconds on."""
        with capturedLogs() as events:
            self.hold("quick", HELD / 2)
            self.hold("blk.nap", 2)
        (event,) = events
        self.assertEqual(event["log_level"], LogLevel.warn)
        self.assertIn("blk.nap held the reactor for 2.0 s", formatEvent(event))

    def test_rate(self) -> None:
        """Each name is logged once a minute."""
        with capturedLogs() as events:
            for _ in range(3):
                self.hold("a", 1)
                self.hold("b", 1)
            self.clock.advance(PAUSE)
            self.hold("a", 1)
        self.assertEqual([each["name"] for each in events], ["a", "b", "a"])

    def test_inside(self) -> None:
        """Time that is logged under one name is not logged again under what called it."""
        with capturedLogs() as events:
            self.hold("outer", HELD, lambda: self.hold("inner", 3))
            self.hold("outer", 4 * HELD, lambda: self.hold("inner", 3))
        logged = [(each["name"], round(each["seconds"], 3)) for each in events]
        self.assertEqual(logged, [("inner", 3.0), ("outer", 2 * HELD)])


class WithoutLoopTests(SynchronousTestCase):
    """
    On a reactor that is not asyncio's.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.later: Deferred[Any] = Deferred()

    def start(self, awaitable: Awaitable[Any]) -> Deferred[Any]:
        """The Deferred of an awaitable."""
        return deferred(awaitable, "f", HoldLog(self.clock))

    async def use(self) -> Any:
        """Await the Deferred, and hold the reactor before and after."""
        self.clock.rightNow += 1
        value = await self.later
        self.clock.rightNow += 100
        return value

    def test_result(self) -> None:
        """A coroutine, or another awaitable, awaits a Deferred; its first step is at once."""
        for wrapped in (self.use(), _Odd(self.use())):
            self.later = Deferred()
            before = self.clock.seconds()
            done = self.start(wrapped)
            self.assertEqual(self.clock.seconds(), before + 1)
            self.assertNoResult(done)
            self.later.callback(7)
            self.assertEqual(self.successResultOf(done), 7)

    def test_held(self) -> None:
        """Every step is timed by itself, whenever it is."""
        with capturedLogs() as events:
            done = self.start(self.use())
            self.clock.rightNow += 50
            self.later.callback(7)
        self.successResultOf(done)
        self.assertEqual([each["seconds"] for each in events], [1.0, 100.0])

    def test_failure(self) -> None:
        """What a Deferred fails with is raised in the coroutine."""
        done = self.start(self.use())
        self.later.errback(KeyError("x"))
        self.failureResultOf(done, KeyError)

    def test_cancelled(self) -> None:
        """Cancelling cancels the Deferred that is awaited."""
        done = self.start(self.use())
        done.cancel()
        self.failureResultOf(done, CancelledError)

    def test_exit(self) -> None:
        """SystemExit is an exception of the coroutine's, with its traceback."""

        async def leaves() -> NoReturn:
            raise SystemExit(3)

        failure = self.failureResultOf(self.start(leaves()), RuntimeError)
        self.assertIn("SystemExit(3)", failure.getErrorMessage())
        self.assertIn("in leaves", failure.getTraceback())

    def test_forgotten(self) -> None:
        """A Deferred that never fires leaves nothing behind."""
        done = self.start(self.use())
        self.later = Deferred()
        self.assertNoResult(done)

    def test_asyncio(self) -> None:
        """What asyncio raises here has a hint; other exceptions have none."""
        failure = self.failureResultOf(self.start(asyncio.sleep(1)), RuntimeError)
        self.assertIn("--reactor=asyncio", hint(failure.value))
        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        failure = self.failureResultOf(self.start(loop.create_future()), RuntimeError)
        self.assertIn("Twisted's awaitables", hint(failure.value))
        for error in (None, RuntimeError("x"), KeyError("no running event loop")):
            self.assertEqual(hint(error), "")


class WithLoopTests(SynchronousTestCase):
    """
    In a loop of asyncio, as on its reactor.
    """

    def setUp(self) -> None:
        self.holds = HoldLog(Clock())
        self.later: Deferred[Any] = Deferred()
        self.seen: list[object] = []

    def run_in_loop(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `main` in a loop, which must hear of no exception."""
        with asyncio.Runner() as runner:
            heard: list[object] = []
            runner.get_loop().set_exception_handler(lambda _, context: heard.append(context))
            runner.run(main())
            runner.run(asyncio.sleep(0))
        self.assertEqual(heard, [])

    def start(self, awaitable: Awaitable[Any]) -> Deferred[Any]:
        """The Deferred of an awaitable."""
        return deferred(awaitable, "f", self.holds)

    async def turns(self) -> None:
        """Some turns of the loop."""
        for _ in range(6):
            await asyncio.sleep(0)

    async def mixed(self) -> list[Any]:
        """Await both kinds of awaitables, also by what needs a task."""
        async with asyncio.timeout(60):
            await asyncio.sleep(0.001)
        value = await self.later
        again = await self.later
        return [value, again, await asyncio.wait_for(asyncio.sleep(0, "asyncio"), 60)]

    async def waits(self, awaitable: Awaitable[Any]) -> None:
        """Await, and note what a cancellation raises."""
        try:
            await awaitable
        except BaseException as error:
            self.seen.append(type(error))
            raise

    def test_mixed(self) -> None:
        """One coroutine awaits asyncio's awaitables and Deferreds, which keep their results."""

        async def main() -> None:
            done = self.start(self.mixed())
            asyncio.get_running_loop().call_later(0.01, self.later.callback, "twisted")
            self.assertEqual(
                await done.asFuture(asyncio.get_running_loop()),
                ["twisted", "twisted", "asyncio"],
            )

        self.run_in_loop(main)
        self.assertEqual(self.successResultOf(self.later), "twisted")

    def test_other(self) -> None:
        """A future, or another awaitable, has a result too."""

        async def main() -> None:
            future = asyncio.get_running_loop().create_future()
            both = [self.start(future), self.start(_Odd(future))]
            future.set_result(5)
            await self.turns()
            self.assertEqual([self.successResultOf(each) for each in both], [5, 5])

        self.run_in_loop(main)

    def test_failure(self) -> None:
        """Exceptions pass in both directions, SystemExit without ending the loop."""

        async def fails() -> None:
            with contextlib.suppress(KeyError):
                await self.later
            raise SystemExit(3)

        async def main() -> None:
            done = self.start(fails())
            await self.turns()
            self.later.errback(KeyError("x"))
            await self.turns()
            self.failureResultOf(done, RuntimeError)

        self.run_in_loop(main)

    def test_cancelled(self) -> None:
        """Cancelling cancels what is awaited, and raises what its library raises."""

        async def main() -> None:
            both: list[Deferred[Any]] = []
            for awaitable in (self.later, asyncio.sleep(60)):
                done = self.start(self.waits(awaitable))
                await self.turns()
                done.cancel()
                both.append(done)
                await self.turns()
            for done in both:
                self.failureResultOf(done, CancelledError)

        self.run_in_loop(main)
        self.assertEqual(self.seen, [CancelledError, asyncio.CancelledError])

    def test_cancelledAtOnce(self) -> None:
        """A coroutine that is cancelled before its first step never runs."""

        async def main() -> None:
            future = asyncio.get_running_loop().create_future()
            both = [self.start(self.waits(self.later)), self.start(future)]
            for each in both:
                each.cancel()
            await self.turns()
            for each in both:
                self.failureResultOf(each, CancelledError)

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.run_in_loop(main)
            gc.collect()
        self.assertEqual((self.seen, caught), ([], []))

    def test_stubborn(self) -> None:
        """A coroutine may go on after a cancellation, with either kind of awaitable."""
        last: Deferred[str] = Deferred()

        async def goes_on() -> str:
            with contextlib.suppress(CancelledError):
                await self.later
            await asyncio.sleep(0)
            return await last

        async def main() -> None:
            done = self.start(goes_on())
            await self.turns()
            done.cancel()
            await self.turns()
            self.assertNoResult(done)
            last.callback("end")
            await self.turns()
            self.assertEqual(self.successResultOf(done), "end")

        self.run_in_loop(main)

    def test_slowToCancel(self) -> None:
        """A Deferred that is cancelled but not at once is awaited until it has a result."""
        end: Deferred[str] = Deferred()
        self.later.addErrback(lambda _: end)

        async def main() -> None:
            done = self.start(self.waits(self.later))
            await self.turns()
            done.cancel()
            await self.turns()
            self.assertNoResult(done)
            end.callback("end")
            await self.turns()
            self.assertIsNone(self.successResultOf(done))

        self.run_in_loop(main)
        self.assertEqual(self.seen, [])

    def test_ownTask(self) -> None:
        """A Deferred in a task of the coroutine's own has a hint."""

        async def main() -> None:
            tasks = self.start(asyncio.gather(self.waits(self.later)))
            await self.turns()
            failure: Failure = self.failureResultOf(tasks, RuntimeError)
            self.assertIn("asFuture(loop)", hint(failure.value))

        self.run_in_loop(main)
