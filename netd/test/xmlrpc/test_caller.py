"""
One call, from a name and parameters to a result or a Fault.
"""

from __future__ import annotations

import asyncio
import xmlrpc.client
from collections.abc import Sequence
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.steps import run_now
from netd.xmlrpc.caller import (
    MOST_CALLS,
    MULTICALL,
    Caller,
    internal_error,
)
from netd.xmlrpc.faults import (
    APPLICATION,
    BAD_PARAMETERS,
    CANCELLED,
    NO_METHOD,
    NOT_XMLRPC,
    TIMEOUT,
    Fault,
)
from netd.xmlrpc.methods import lab
from netd.xmlrpc.registry import SECONDS, Procedure, Registry, procedure, rpc


class CallerTests(SynchronousTestCase):
    """
    Calls of a small registry, on a clock.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.registry = Registry(lab.procedures(self.clock))
        self.ran: list[Any] = []
        self.later: Deferred[Any] = Deferred()
        self.counters = Counters()
        self.caller = Caller(
            self.registry, self.clock, self.run_elsewhere, counters=self.counters
        )

    def run_elsewhere(self, method: Procedure, values: Sequence[Any]) -> Deferred[Any]:
        """Note an offloaded call."""
        self.ran.append((method.name, list(values)))
        return self.later

    def call(self, name: str, *values: Any) -> Any:
        """Start a call; its result or its Deferred."""
        return self.caller.start("192.0.2.7", name, values)

    def fault(self, name: str, *values: Any) -> Fault:
        """The fault that a call ends in at once."""
        fault: Fault = self.assertRaises(Fault, self.call, name, *values)
        return fault

    def add(self, function: Any, name: str = "f") -> None:
        """Publish one more."""
        self.registry.add(procedure(function, name))

    def test_counted(self) -> None:
        """Each call is counted by its name and the code of its end, now or later."""
        self.add(lambda: 1, "good")
        self.add(lambda: 1 // 0, "bad")
        self.add(lambda: self.later, "late")
        self.call("good")
        self.fault("bad")
        self.flushLoggedErrors(ZeroDivisionError)
        self.fault("good", 1, 2)
        self.assertEqual(
            self.counters.calls,
            {("good", 0): 1, ("bad", APPLICATION): 1, ("good", BAD_PARAMETERS): 1},
        )
        done = self.call("late")
        self.assertEqual(self.counters.calls["late", 0], 0)
        self.later.callback(1)
        self.successResultOf(done)
        self.assertEqual(self.counters.calls["late", 0], 1)

    def test_waited(self) -> None:
        """The fault of a timeout says whether the call waited or ran."""
        waiting = [True]
        caller = Caller(
            Registry([procedure(rpc("f", offload=True, timeout=2)(lambda: 1))]),
            self.clock,
            lambda *_: Deferred(),
            waits=lambda _: waiting[0],
        )
        for waits, text in ((True, "waited 2 s for a worker"), (False, "took longer than 2 s")):
            done = cast(Deferred[object], caller.start("192.0.2.7", "f", []))
            waiting[0] = waits
            self.clock.advance(2)
            fault = self.failureResultOf(done, Fault).value
            self.assertEqual((fault.code, fault.text), (TIMEOUT, f"f {text}"))

    def test_countedLater(self) -> None:
        """A later fault and a cancellation are counted by their codes."""
        self.add(lambda: self.later, "late")
        done = self.call("late")
        self.clock.advance(SECONDS)
        self.failureResultOf(done, Fault)
        self.later = Deferred()
        gone = self.call("late")
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.assertEqual(self.counters.calls, {("late", TIMEOUT): 1, ("late", CANCELLED): 1})

    def test_countedBounded(self) -> None:
        """Unknown names share one counter, and so do unknown codes."""
        codes = iter(range(100, 200))

        def raises() -> None:
            raise Fault(next(codes), "made up")

        self.add(raises)
        for number in range(50):
            self.fault(f"made.up{number}")
            self.fault("f")
        self.assertEqual(self.counters.calls, {("", NO_METHOD): 50, ("f", APPLICATION): 50})

    def test_inline(self) -> None:
        """A plain function's result is there at once."""
        self.assertEqual(self.call("lab.echo", 5), 5)

    def test_refused(self) -> None:
        """Unknown methods and wrong parameters are faults before any function runs."""
        self.assertEqual(self.fault("nope").code, NO_METHOD)
        self.assertEqual(self.fault("lab.bytes", "x").code, BAD_PARAMETERS)
        self.assertEqual(self.fault("lab.echo").code, BAD_PARAMETERS)

    def test_steps(self) -> None:
        """A call with a long array takes steps and has the same method or fault."""

        def count(numbers: list[int]) -> int:
            return len(numbers)

        self.add(count, "count")
        long = [[1] * 2000]
        self.assertEqual(len(list(self.caller.checked("count", long))), 4)
        method = run_now(self.caller.checked("count", long))
        self.assertEqual(self.caller.begin(method, "", long), 2000)
        fault = self.caller.checked("count", [["x"]])
        self.assertEqual(self.assertRaises(Fault, run_now, fault).code, BAD_PARAMETERS)

    def test_faults(self) -> None:
        """A fault that a method raises ends the call, the standard library's Fault included."""

        def standard() -> None:
            raise xmlrpc.client.Fault(8, "eight")

        self.add(standard)
        self.assertEqual(self.fault("lab.fault", 7, "seven").code, 7)
        self.assertEqual((self.fault("f").code, self.fault("f").text), (8, "eight"))

    def test_bug(self) -> None:
        """The client gets the id of a bug, and the log its traceback under that id."""

        def broken() -> None:
            raise ZeroDivisionError("secret")

        self.add(broken)
        fault = self.fault("f")
        self.assertEqual(fault.code, APPLICATION)
        self.assertRegex(fault.text, r"\Ainternal error \(id [0-9a-f]{8}\)\Z")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_level(self) -> None:
        """The operator's bug is logged as an error, not critical: now, later, in a worker."""
        self.add(lambda: 1 // 0, "now")
        self.add(lambda: self.later, "later")
        with capturedLogs() as events:
            self.fault("now")
            later = self.call("later")
            self.later.errback(ZeroDivisionError())
            self.failureResultOf(later, Fault)
            internal_error("worker", Failure(Fault(APPLICATION, "")), "Trace")
        self.assertEqual([each["log_level"] for each in events], [LogLevel.error] * 3)
        self.flushLoggedErrors(ZeroDivisionError)

    def test_exit(self) -> None:
        """A function that would end the process is a bug like any other."""

        def leaves() -> None:
            raise SystemExit(3)

        self.add(leaves)
        self.assertEqual(self.fault("f").code, APPLICATION)
        self.assertEqual(len(self.flushLoggedErrors(SystemExit)), 1)

    def test_held(self) -> None:
        """The log names what holds the reactor, be it a function or a coroutine's step."""

        def nap() -> None:
            self.clock.rightNow += 2

        def broken() -> None:
            self.clock.rightNow += 1
            raise Fault(1, "late")

        async def step() -> None:
            await self.later
            self.clock.rightNow += 3

        for function in (nap, broken, step):
            self.add(function, f"blk.{function.__name__}")
        with capturedLogs() as events:
            self.call("blk.nap")
            self.call("blk.nap")
            self.fault("blk.broken")
            self.call("blk.step")
            self.later.callback(None)
        named = [(each["name"], each["seconds"]) for each in events]
        self.assertEqual(named, [("blk.nap", 2.0), ("blk.broken", 1.0), ("blk.step", 3.0)])

    def test_asyncio(self) -> None:
        """asyncio's awaitables work in its loop; elsewhere the log has a hint."""

        async def sleeps(seconds: float) -> str:
            await asyncio.sleep(seconds)
            return "slept"

        self.add(sleeps)
        with capturedLogs() as events:
            elsewhere = self.failureResultOf(self.call("f", 0.001), Fault).value
        self.assertEqual(elsewhere.code, APPLICATION)
        self.assertIn("--reactor=asyncio", formatEvent(events[0]))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

        async def main() -> None:
            loop = asyncio.get_running_loop()
            self.assertEqual(await self.call("f", 0.001).asFuture(loop), "slept")
            late = self.call("f", 60.0)
            await asyncio.sleep(0)
            self.clock.advance(SECONDS)
            self.assertEqual(self.failureResultOf(late, Fault).value.code, TIMEOUT)
            await asyncio.sleep(0)
            self.assertEqual(asyncio.all_tasks(), {asyncio.current_task()})

        asyncio.run(main())

    def test_coroutine(self) -> None:
        """A coroutine is awaited, and its exception is a bug."""

        async def later(x: Any) -> Any:
            await self.later
            return 1 / x

        self.add(later)
        good, bad = self.call("f", 1), self.call("f", 0)
        self.assertNoResult(good)
        self.later.callback(None)
        self.assertEqual(self.successResultOf(good), 1.0)
        self.assertEqual(self.failureResultOf(bad, Fault).value.code, APPLICATION)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_timeout(self) -> None:
        """A call that takes too long is cancelled and is a fault."""
        waiting = self.call("lab.delay", 100)
        self.clock.advance(SECONDS)
        fault = self.failureResultOf(waiting, Fault).value
        self.assertEqual(fault.code, TIMEOUT)
        self.assertEqual(fault.text, "lab.delay took longer than 30 s")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_ownTimeout(self) -> None:
        """A method can have a timeout of its own."""
        self.add(rpc(timeout=0.5)(lambda: self.later))
        waiting = self.call("f")
        self.clock.advance(0.5)
        self.assertEqual(self.failureResultOf(waiting, Fault).value.code, TIMEOUT)

    def test_cancelled(self) -> None:
        """A cancelled call ends at once and cancels its work."""
        waiting = self.call("lab.delay", 10)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stubborn(self) -> None:
        """A call times out although its work ignores that; a later bug is logged."""
        lasts: list[Deferred[None]] = []

        async def stubborn() -> None:
            try:
                await Deferred()
            except CancelledError:
                lasts.append(Deferred())
                await lasts[-1]

        self.add(stubborn)
        for _ in range(2):
            waiting = self.call("f")
            self.clock.advance(SECONDS)
            self.assertEqual(self.failureResultOf(waiting, Fault).value.code, TIMEOUT)
        lasts[0].callback(None)
        lasts[1].errback(KeyError("x"))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_itsOwnCancellation(self) -> None:
        """A method that cancels its own work is a fault and no bug."""
        self.add(lambda: self.later)
        waiting = self.call("f")
        self.later.cancel()
        self.assertEqual(self.failureResultOf(waiting, Fault).value.code, CANCELLED)

    def test_offloaded(self) -> None:
        """An offloaded call goes to the pool, and its bug is logged under an id."""
        self.registry.add(procedure(rpc(offload=True)(lambda x: x), "f"))
        waiting = self.call("f", 5)
        self.assertEqual(self.ran, [("f", [5])])
        self.later.errback(Fault(APPLICATION, "", "Trace of a worker"))
        fault = self.failureResultOf(waiting, Fault).value
        self.assertRegex(fault.text, r"internal error \(id")
        self.assertEqual(fault.trace, "")

    def test_peer(self) -> None:
        """A method with a peer gets the client's address."""
        self.registry.add(procedure(lambda peer, x: (peer, x), "f", with_peer=True))
        self.assertEqual(self.call("f", 1), ("192.0.2.7", 1))


class MulticallTests(CallerTests):
    """
    system.multicall.
    """

    def many(self, *calls: Any) -> Deferred[Any]:
        """The result of a multicall."""
        structs = [
            {"methodName": each[0], "params": list(each[1:])}
            if isinstance(each, tuple)
            else each
            for each in calls
        ]
        method: Deferred[Any] = self.call(MULTICALL, structs)
        return method

    def test_order(self) -> None:
        """Results and faults stand in the order of the calls."""
        done = self.many(
            ("lab.echo", 1), ("nope",), ("lab.echo", [2]), ("lab.fault", 7, "seven")
        )
        self.clock.advance(0)
        self.assertEqual(
            self.successResultOf(done),
            [
                [1],
                {"faultCode": NO_METHOD, "faultString": "there is no method 'nope'"},
                [[2]],
                {"faultCode": 7, "faultString": "seven"},
            ],
        )

    def test_concurrent(self) -> None:
        """Methods wait at the same time."""
        done = self.many(("lab.delay", 3), ("lab.delay", 1), ("lab.delay", 40), ("lab.echo", 0))
        self.clock.advance(0)
        self.clock.advance(3)
        self.assertNoResult(done)
        self.clock.advance(27)
        results = self.successResultOf(done)
        self.assertEqual((results[:2], results[3]), ([[3], [1]], [0]))
        self.assertEqual(results[2]["faultCode"], TIMEOUT)

    def test_badElements(self) -> None:
        """An element that is no call, or calls multicall, is a fault in the result."""
        bad: list[Any] = [
            1,
            {},
            {"methodName": "lab.echo"},
            {"methodName": 1, "params": []},
            {"methodName": "lab.echo", "params": {}},
            {"methodName": "lab.echo", "params": [1], "more": 1},
            (MULTICALL, []),
        ]
        done = self.many(*bad, ("lab.echo", 1))
        self.clock.advance(0)
        *faults, good = self.successResultOf(done)
        self.assertEqual([each["faultCode"] for each in faults], [NOT_XMLRPC] * len(bad))
        self.assertEqual(good, [1])

    def test_empty(self) -> None:
        """The result of no calls is empty."""
        self.assertEqual(self.successResultOf(self.many()), [])

    def test_tooMany(self) -> None:
        """More than 100 calls are a fault."""
        fault = self.failureResultOf(
            self.many(*[("lab.echo", 1)] * (MOST_CALLS + 1)), Fault
        ).value
        self.assertEqual(fault.code, BAD_PARAMETERS)
        done = self.many(*[("lab.echo", 1)] * MOST_CALLS)
        self.clock.advance(0)
        self.assertEqual(len(self.successResultOf(done)), MOST_CALLS)

    def test_cancelledInside(self) -> None:
        """A cancelled multicall cancels every call that it has started."""
        done = self.many(("lab.echo", 0), ("lab.delay", 3), ("lab.delay", 4))
        self.clock.advance(0)
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_described(self) -> None:
        """Multicall has a signature and a help text."""
        method = self.registry[MULTICALL]
        self.assertEqual(method.signature.variants, (("array", "array"),))
        self.assertTrue(method.help)


class TraceTests(SynchronousTestCase):
    """
    The traceback of a worker.
    """

    def test_escaped(self) -> None:
        """It is logged with its lines, and controls no terminal."""
        with capturedLogs() as events:
            internal_error("f", Failure(Fault(APPLICATION, "")), 'Trace\n\tError: "\x1b[2J"')
        self.assertIn('Trace\n\tError: "\\x1b[2J"', formatEvent(events[0]))
