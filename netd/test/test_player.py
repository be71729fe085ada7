"""
Tests of netd.player.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import ref

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from netd.player import Player, Sink
from netd.script import Abort, Script, Send, Step, Wait
from netd.test.chance import by_chance
from netd.test.stages import Stage, TurningClock, blink, pause, resume, stop


class _Players(SynchronousTestCase):
    """
    Players on a clock.
    """

    def setUp(self) -> None:
        self.clock = TurningClock()

    def start(self, script: Script, stage: Stage | None = None) -> Deferred[bool]:
        """Start `script` with a `self.player` on `self.stage`."""
        self.stage = Stage(self.clock) if stage is None else stage
        self.player = Player(script, self.stage, self.clock)
        return self.player.perform()

    def settle(self, turns: int = 10_000) -> int:
        """Run reactor turns at the same time until nothing is due; the number of turns."""
        turn = 0
        while any(call.getTime() <= self.now for call in self.clock.getDelayedCalls()):
            self.assertLess(turn, turns, "the script never ends")
            self.clock.advance(0)
            turn += 1
        return turn

    @property
    def now(self) -> float:
        """The time of the clock."""
        return self.clock.seconds()

    def timers(self) -> int:
        """The number of timers."""
        return len(self.clock.getDelayedCalls())


class OrderTests(_Players):
    """
    The order and the time of what is sent.
    """

    def test_interfaces(self) -> None:
        """A player is a push producer, and the fake stage is a sink."""
        stage = Stage(self.clock)
        self.assertTrue(verifyObject(Sink, stage))
        self.assertTrue(verifyObject(IPushProducer, Player([], stage, self.clock)))

    def test_lazy(self) -> None:
        """No step is taken before `perform`."""
        taken = []

        def script() -> Iterator[Step]:
            taken.append(1)
            yield Send(b"a")

        player = Player(script(), Stage(self.clock), self.clock)
        self.assertEqual(taken, [])
        self.successResultOf(player.perform())
        self.assertEqual(taken, [1])

    def test_atOnce(self) -> None:
        """Everything before the first wait is sent before `perform` returns."""
        done = self.start([Send(b"a"), Send(b"b")])
        self.assertIs(self.successResultOf(done), True)
        self.assertEqual(
            self.stage.events,
            [(0, "register"), (0, b"a"), (0, b"b"), (0, "unregister"), (0, "finish")],
        )
        self.assertEqual(self.timers(), 0)

    def test_empty(self) -> None:
        """An empty script only finishes the sink."""
        self.assertIs(self.successResultOf(self.start([])), True)
        self.assertEqual(self.stage.names, ["register", "unregister", "finish"])

    def test_emptySend(self) -> None:
        """A Send of b"" is a write, as it may be an empty datagram."""
        self.successResultOf(self.start([Send(b""), Send(b"")]))
        self.assertEqual(self.stage.writes, [b"", b""])

    def test_wait(self) -> None:
        """A wait takes exactly its time."""
        done = self.start([Send(b"a"), Wait(3), Send(b"b")])
        self.clock.advance(2.999)
        self.assertEqual(self.stage.said, b"a")
        self.assertNoResult(done)
        self.clock.advance(0.001)
        self.assertEqual(self.stage.said, b"ab")
        self.assertIs(self.successResultOf(done), True)
        self.assertEqual(self.timers(), 0)

    def test_waitLast(self) -> None:
        """A wait at the end delays the finish."""
        done = self.start([Send(b"a"), Wait(1)])
        self.assertFalse(self.stage.ended)
        self.clock.advance(1)
        self.assertTrue(self.stage.ended)
        self.successResultOf(done)

    def test_waitsAddUp(self) -> None:
        """Consecutive waits add up."""
        self.start([Wait(1), Wait(0.5), Wait(0), Wait(1.5), Send(b"a")])
        self.clock.pump([1, 0.5, 0, 1.5 - 1e-9])
        self.assertEqual(self.stage.said, b"")
        self.clock.pump([1e-9, 0])
        self.assertEqual(self.stage.said, b"a")

    def test_waitNothing(self) -> None:
        """`Wait(0)` takes a turn of the reactor and no time."""
        done = self.start([Send(b"a"), Wait(0), Send(b"b")])
        self.assertEqual(self.stage.said, b"a")
        self.assertNoResult(done)
        self.clock.advance(0)
        self.assertEqual(self.stage.said, b"ab")
        self.assertIs(self.successResultOf(done), True)

    def test_oneTimer(self) -> None:
        """There is never more than one timer."""
        self.start([Wait(1)] * 100)
        for _ in range(100):
            self.assertEqual(self.timers(), 1)
            self.clock.advance(1)
        self.assertEqual(self.timers(), 0)

    def test_laterStart(self) -> None:
        """Waits are counted from the call of `perform`."""
        stage = Stage(self.clock)
        player = Player([Wait(1), Send(b"a")], stage, self.clock)
        self.clock.advance(5)
        player.perform()
        self.clock.advance(0.5)
        self.assertEqual(stage.said, b"")
        self.clock.advance(0.5)
        self.assertEqual(stage.events[1], (6, b"a"))

    def test_noDrift(self) -> None:
        """Late timers do not add up."""
        self.start([step for number in range(100) for step in (Wait(1), Send(b"%d " % number))])
        for _ in range(100):
            (timer,) = self.clock.getDelayedCalls()
            self.clock.advance(timer.getTime() - self.now + 0.25)
        times = [when for when, event in self.stage.events if isinstance(event, bytes)]
        self.assertEqual(times, [number + 1.25 for number in range(100)])
        self.assertTrue(self.stage.ended)

    def test_catchingUp(self) -> None:
        """Steps that are overdue after a late timer are taken at once, in order."""
        self.start([step for letter in b"abc" for step in (Wait(1), Send(bytes([letter])))])
        self.clock.advance(2.5)
        self.settle()
        self.assertEqual(self.stage.said, b"ab")
        self.clock.advance(0.5)
        self.assertEqual(self.stage.said, b"abc")

    @by_chance
    @given(
        st.lists(
            st.integers(0, 64).map(lambda n: Wait(n / 16)) | st.binary(max_size=3).map(Send),
            max_size=100,
        )
    )
    def test_anyScript(self, script: list[Step]) -> None:
        """Each piece is sent once, in order, when the waits before it are over."""
        clock = TurningClock()
        stage = Stage(clock)
        due = 0.0
        expected: list[tuple[float, bytes | str]] = []
        for step in script:
            match step:
                case Wait(seconds):
                    due += seconds
                case Send(data):
                    expected.append((due, data))
        done = Player(script, stage, clock).perform()
        # Sixteenths are exact, and so is the sum of them.
        for _ in range(300):
            for timer in clock.getDelayedCalls():
                clock.advance(max(0.0, timer.getTime() - clock.seconds()))
        self.assertIs(self.successResultOf(done), True)
        writes = [event for event in stage.events if isinstance(event[1], bytes)]
        self.assertEqual(writes, expected)
        self.assertEqual(stage.events[-1], (due, "finish"))


class AbortTests(_Players):
    """
    Abort.
    """

    def test_abort(self) -> None:
        """The sink is aborted instead of finished, and the result is True."""
        done = self.start([Send(b"a"), Abort()])
        self.assertIs(self.successResultOf(done), True)
        self.assertEqual(self.stage.names, ["register", "unregister", "abort"])
        self.assertEqual(self.stage.said, b"a")

    def test_afterAWait(self) -> None:
        """An abort after a wait is delayed."""
        done = self.start([Wait(2), Abort()])
        self.clock.advance(1.9)
        self.assertNoResult(done)
        self.clock.advance(0.1)
        self.assertEqual(self.stage.events[-1], (2, "abort"))
        self.assertIs(self.successResultOf(done), True)

    def test_restForgotten(self) -> None:
        """No step after an abort is taken, and the script is closed."""
        closed = []

        def script() -> Iterator[Step]:
            try:
                yield Abort()
                raise AssertionError("no step may be taken")
            finally:
                closed.append(self.stage.names[-1])

        self.assertIs(self.successResultOf(self.start(script())), True)
        self.assertEqual(closed, ["abort"])


class BackPressureTests(_Players):
    """
    Back-pressure.
    """

    def test_pauseInWrite(self) -> None:
        """A sink that pauses during a write gets no further write until it resumes."""
        done = self.start([Send(b"a"), Send(b"b")], Stage(self.clock, {0: pause}))
        self.clock.advance(100)
        self.assertEqual(self.stage.said, b"a")
        self.assertEqual(self.timers(), 0)
        self.player.resumeProducing()
        self.assertEqual(self.stage.said, b"ab")
        self.assertIs(self.successResultOf(done), True)

    def test_pauseAtTheEnd(self) -> None:
        """A sink that pauses during the last write is finished when it resumes."""
        done = self.start([Send(b"a")], Stage(self.clock, {0: pause}))
        self.assertNoResult(done)
        self.player.resumeProducing()
        self.assertIs(self.successResultOf(done), True)

    def test_resumeInWrite(self) -> None:
        """A sink that pauses and resumes within a write gets the next write after it."""
        done = self.start([Send(b"a"), Send(b"b")], Stage(self.clock, {0: blink}))
        self.assertEqual(self.stage.writes, [b"a", b"b"])
        self.assertIs(self.successResultOf(done), True)

    def test_pausedBeforeTheStart(self) -> None:
        """A sink that pauses at the registration gets no write."""

        class Full(Stage):
            """Pauses whoever registers."""

            def registerProducer(self, producer: Any, streaming: bool) -> None:
                super().registerProducer(producer, streaming)
                producer.pauseProducing()

        done = self.start([Send(b"a")], Full(self.clock))
        self.assertEqual(self.stage.said, b"")
        self.assertNoResult(done)
        self.player.resumeProducing()
        self.assertIs(self.successResultOf(done), True)

    def test_stepsStayUnmade(self) -> None:
        """A paused player takes no step."""
        taken = []

        def script() -> Iterator[Step]:
            for number in range(5):
                taken.append(number)
                yield Send(b"%d" % number)

        self.start(script(), Stage(self.clock, always=pause))
        for number in range(5):
            self.assertEqual(taken, list(range(number + 1)))
            self.player.resumeProducing()
        self.assertTrue(self.stage.ended)

    def test_pauseWhileWaiting(self) -> None:
        """A wait goes on during a pause, and the next step waits for its end."""
        self.start([Wait(2), Send(b"a")])
        self.player.pauseProducing()
        self.clock.advance(2)
        self.assertEqual((self.stage.said, self.timers()), (b"", 0))
        self.clock.advance(3)
        self.player.resumeProducing()
        self.assertEqual(self.stage.events[1], (5, b"a"))

    def test_pauseShorterThanTheWait(self) -> None:
        """A pause that ends before a wait costs no time."""
        self.start([Wait(10), Send(b"a"), Wait(1), Send(b"b")])
        self.clock.advance(3)
        self.player.pauseProducing()
        self.clock.advance(4)
        self.player.resumeProducing()
        self.assertEqual(self.timers(), 1)
        self.clock.advance(2.999)
        self.assertEqual(self.stage.said, b"")
        self.clock.advance(0.001)
        self.assertEqual(self.stage.said, b"a")
        self.clock.advance(1)
        self.assertEqual(self.stage.said, b"ab")

    def test_resumeAfterDue(self) -> None:
        """Waits after a long pause are counted from its end."""
        script = [step for letter in b"abc" for step in (Wait(1), Send(bytes([letter])))]
        self.start(script, Stage(self.clock, {0: pause}))
        self.clock.advance(1)
        self.clock.advance(9)
        self.player.resumeProducing()
        self.settle()
        self.assertEqual(self.stage.said, b"a")
        self.clock.advance(0.999)
        self.assertEqual(self.stage.said, b"a")
        self.clock.advance(0.001)
        self.clock.advance(1)
        writes = [event for event in self.stage.events if isinstance(event[1], bytes)]
        self.assertEqual(writes, [(1, b"a"), (11, b"b"), (12, b"c")])

    def test_pauseTwice(self) -> None:
        """One resumption ends two pauses, and a resumption without a pause has no effect."""
        self.start([Send(b"a"), Wait(1), Send(b"b")], Stage(self.clock, {0: pause}))
        self.player.pauseProducing()
        self.player.resumeProducing()
        self.player.resumeProducing()
        self.assertEqual(self.timers(), 1)
        self.clock.advance(1)
        self.assertEqual(self.stage.writes, [b"a", b"b"])

    def test_needlessResume(self) -> None:
        """A resumption at any time makes nothing early or twice."""
        done = self.start([Wait(1), Send(b"a"), Wait(1), Send(b"b")])
        for _ in range(8):
            self.player.resumeProducing()
            self.clock.advance(0.25)
        self.assertEqual(self.stage.events[1:3], [(1, b"a"), (2, b"b")])
        self.successResultOf(done)
        self.player.resumeProducing()
        self.player.pauseProducing()
        self.assertEqual(self.timers(), 0)

    def test_pauseDuringATurnSRest(self) -> None:
        """A pause between two turns of a long script loses no step."""
        script = [Send(b"%d," % number) for number in range(500)]
        self.start(script)
        before = self.stage.said
        self.assertEqual(self.timers(), 1)
        self.player.pauseProducing()
        self.clock.advance(1)
        self.assertEqual(self.stage.said, before)
        self.player.resumeProducing()
        self.settle()
        self.assertEqual(self.stage.said, b"".join(step.data for step in script))

    def test_resumeDuringATurnSRest(self) -> None:
        """A pause that ends before the next turn starts no second loop."""
        self.start([Send(b"x")] * 1000)
        before = len(self.stage.writes)
        self.player.pauseProducing()
        self.player.resumeProducing()
        self.assertEqual(len(self.stage.writes), before)
        self.assertEqual(self.timers(), 1)

    def test_transport(self) -> None:
        """A transport of Twisted accepts a player as a streaming producer."""

        @implementer(Sink)
        class Wire(StringTransport):
            """A transport with the methods of a sink."""

            finish = StringTransport.loseConnection
            abort = StringTransport.abortConnection

        transport = Wire()
        done = Player([Send(b"a"), Wait(1), Send(b"b")], transport, self.clock).perform()
        self.assertTrue(transport.streaming)
        self.clock.advance(1)
        self.assertEqual(transport.value(), b"ab")
        self.assertIs(self.successResultOf(done), True)
        self.assertIsNone(transport.producer)
        self.assertTrue(transport.disconnecting)


class ReentryTests(_Players):
    """
    Calls of the player from within a write.
    """

    SENDS = 10_000

    def _numbers(self) -> list[Send]:
        return [Send(b"%d" % number) for number in range(self.SENDS)]

    def test_resumingStage(self) -> None:
        """10 000 writes that each resume the player neither recurse nor change the order."""
        self.start(self._numbers(), Stage(self.clock, always=resume))
        self.settle()
        self.assertEqual(self.stage.writes, [step.data for step in self._numbers()])

    def test_blinkingStage(self) -> None:
        """10 000 writes that pause and resume neither recurse nor change the order."""
        self.start(self._numbers(), Stage(self.clock, always=blink))
        self.settle()
        self.assertEqual(self.stage.writes, [step.data for step in self._numbers()])

    def test_pull(self) -> None:
        """10 000 writes with a pause each do not change the order."""
        self.start(self._numbers(), Stage(self.clock, always=pause))
        for number in range(self.SENDS):
            self.assertEqual(len(self.stage.writes), number + 1)
            self.player.resumeProducing()
        self.assertTrue(self.stage.ended)
        self.assertEqual(self.timers(), 0)

    @by_chance
    @given(
        st.lists(st.sampled_from([Wait(0.5), Wait(0), Send(b"a"), Send(b"bc")]), max_size=60),
        st.lists(st.sampled_from([None, pause, resume, blink]), max_size=40),
        st.lists(st.sampled_from(["pause", "resume", "tick"]), max_size=60),
    )
    def test_anyPressure(
        self, script: list[Step], reactions: list[Any], outside: list[str]
    ) -> None:
        """
        Everything is sent once and in order, whatever the sink calls.
        """
        clock = TurningClock()
        stage = Stage(clock, {n: reaction for n, reaction in enumerate(reactions) if reaction})
        player = Player(script, stage, clock)
        done = player.perform()
        for act in outside:
            match act:
                case "pause":
                    player.pauseProducing()
                case "resume":
                    player.resumeProducing()
                case _:
                    clock.advance(0.25)
            self.assertLessEqual(len(clock.getDelayedCalls()), 1)
        for _ in range(300):
            if done.called:
                break
            player.resumeProducing()
            clock.advance(0.25)
        self.assertIs(self.successResultOf(done), True)
        self.assertEqual(stage.writes, [step.data for step in script if isinstance(step, Send)])
        self.assertEqual(stage.names, ["register", "unregister", "finish"])
        self.assertEqual(clock.getDelayedCalls(), [])


class TurnTests(_Players):
    """
    Limits of a turn.
    """

    def test_endless(self) -> None:
        """An endless script takes a limited number of steps each turn."""

        def endless() -> Iterator[Step]:
            while True:
                yield Send(b"x")

        self.start(endless())
        before = len(self.stage.writes)
        self.assertLessEqual(before, 100)
        for turn in range(2, 20):
            self.assertEqual([call.getTime() for call in self.clock.getDelayedCalls()], [0])
            self.clock.advance(0)
            self.assertEqual(len(self.stage.writes), turn * before)
        self.player.stopProducing()
        self.clock.advance(0)
        self.assertEqual(len(self.stage.writes), turn * before)
        self.assertEqual(self.timers(), 0)

    def test_large(self) -> None:
        """An endless script of large pieces sends a limited number of bytes each turn."""
        piece = Send(b"x" * 100_000)
        self.start([piece] * 40)
        self.assertLessEqual(len(self.stage.said), 100_000)
        self.assertEqual(self.settle(), 40)
        self.assertEqual(len(self.stage.said), 4_000_000)

    def test_oneHuge(self) -> None:
        """A piece beyond the limit of a turn is sent whole."""
        done = self.start([Send(b"x" * 2_000_000)])
        self.settle()
        self.assertEqual(len(self.stage.said), 2_000_000)
        self.assertIs(self.successResultOf(done), True)

    def test_endlessInstants(self) -> None:
        """Endless waits of 0 s take a turn each."""

        def endless() -> Iterator[Step]:
            while True:
                yield Wait(0)

        self.start(endless())
        for _ in range(100):
            self.assertEqual(self.timers(), 1)
            self.clock.advance(0)
        self.player.stopProducing()

    def test_waitAfterALongSpeech(self) -> None:
        """A wait after many turns is counted from the last of them."""
        self.start([*[Send(b"x")] * 200, Wait(1), Send(b"!")])
        self.clock.pump([2, 2, 0])
        self.assertEqual(len(self.stage.writes), 200)
        self.clock.advance(0.5)
        self.assertEqual(self.stage.said[-1:], b"x")
        self.clock.advance(0.5)
        self.assertEqual(self.stage.said[-1:], b"!")
        self.assertEqual(self.now, 5)

    def test_othersGoOn(self) -> None:
        """Two long scripts on one clock alternate."""
        first, second = Stage(self.clock), Stage(self.clock)
        for stage in (first, second):
            Player([Send(b"x")] * 1000, stage, self.clock).perform()
        while not first.ended:
            self.assertEqual(len(first.writes), len(second.writes))
            self.clock.advance(0)
        self.assertTrue(second.ended)


class StopTests(_Players):
    """
    Stops.
    """

    def test_whileWaiting(self) -> None:
        """A stop cancels the timer, and the sink is not called any more."""
        done = self.start([Wait(3), Send(b"a")])
        self.player.stopProducing()
        self.assertIs(self.successResultOf(done), False)
        self.assertEqual(self.timers(), 0)
        self.clock.advance(10)
        self.assertEqual(self.stage.events, [(0, "register")])

    def test_inWrite(self) -> None:
        """A stop during a write is the last write."""
        done = self.start([Send(b"a"), Send(b"b")], Stage(self.clock, {0: stop}))
        self.assertIs(self.successResultOf(done), False)
        self.assertEqual(self.stage.writes, [b"a"])
        self.assertEqual(self.timers(), 0)

    def test_inTheLastWrite(self) -> None:
        """A sink that stops during the last write is not finished."""
        done = self.start([Send(b"a")], Stage(self.clock, {0: stop}))
        self.assertIs(self.successResultOf(done), False)
        self.assertFalse(self.stage.ended)

    def test_inALargeWrite(self) -> None:
        """A stop during a write that ends the turn leaves no timer."""
        done = self.start([Send(b"x" * 10**6)] * 2, Stage(self.clock, {0: stop}))
        self.assertIs(self.successResultOf(done), False)
        self.assertEqual(self.timers(), 0)

    def test_whilePaused(self) -> None:
        """A stop during a pause ends the script."""
        done = self.start([Send(b"a"), Send(b"b")], Stage(self.clock, {0: pause}))
        self.player.stopProducing()
        self.assertIs(self.successResultOf(done), False)
        self.player.resumeProducing()
        self.assertEqual(self.stage.said, b"a")

    def test_betweenTurns(self) -> None:
        """A stop between two turns of a long script ends it, and leaves no timer."""
        done = self.start([Send(b"x")] * 1000)
        self.assertEqual(self.timers(), 1)
        said = self.stage.said
        self.player.stopProducing()
        self.clock.advance(0)
        self.assertEqual((self.stage.said, self.timers()), (said, 0))
        self.assertIs(self.successResultOf(done), False)

    def test_atRegistration(self) -> None:
        """A stop at the registration means that nothing is sent."""

        class Gone(Stage):
            """A sink that behaves as a disconnected `abstract.FileDescriptor`."""

            def registerProducer(self, producer: Any, streaming: bool) -> None:
                super().registerProducer(producer, streaming)
                producer.stopProducing()

        done = self.start([Send(b"a")], Gone(self.clock))
        self.assertIs(self.successResultOf(done), False)
        self.assertEqual(self.stage.said, b"")
        self.assertEqual(self.timers(), 0)

    def test_duringFinish(self) -> None:
        """A stop during the finish does not change the result."""
        done = self.start([Send(b"a")], Stage(self.clock, at_goodbye=stop))
        self.assertIs(self.successResultOf(done), True)
        self.assertEqual(self.stage.names, ["register", "unregister", "finish"])

    def test_duringAbort(self) -> None:
        """A stop during the abort does not change the result."""
        done = self.start([Abort()], Stage(self.clock, at_goodbye=stop))
        self.assertIs(self.successResultOf(done), True)
        self.assertEqual(self.stage.names, ["register", "unregister", "abort"])

    def test_twice(self) -> None:
        """A second stop, or a stop after the end, has no effect."""
        self.start([Wait(1)])
        self.player.stopProducing()
        self.player.stopProducing()
        self.assertEqual(self.stage.names, ["register"])
        self.start([])
        self.player.stopProducing()
        self.assertEqual(self.stage.names, ["register", "unregister", "finish"])

    def test_inAStep(self) -> None:
        """A stop while the script makes a step means that the step is not taken."""
        for step in (Send(b"a"), Wait(1), Abort()):

            def script(step: Step = step) -> Iterator[Step]:
                self.player.stopProducing()
                yield step

            done = self.start(script())
            self.assertIs(self.successResultOf(done), False)
            self.assertEqual(self.stage.names, ["register"])
            self.assertEqual((self.stage.said, self.timers()), (b"", 0))

    def test_pauseAfter(self) -> None:
        """A pause or a resumption after the stop has no effect."""
        self.start([Wait(1), Send(b"a")])
        self.player.stopProducing()
        self.player.pauseProducing()
        self.player.resumeProducing()
        self.clock.advance(5)
        self.assertEqual(self.stage.said, b"")
        self.assertEqual(self.timers(), 0)


class GeneratorTests(_Players):
    """
    Scripts with a `finally`.
    """

    def setUp(self) -> None:
        super().setUp()
        self.open = 0

    def script(self, *steps: Step) -> Iterator[Step]:
        """Yield `steps` with something open."""
        self.open += 1
        try:
            yield from steps
        finally:
            self.open -= 1

    def test_atTheEnd(self) -> None:
        """The `finally` runs at the end."""
        self.successResultOf(self.start(self.script(Send(b"a"))))
        self.assertEqual(self.open, 0)

    def test_afterAbort(self) -> None:
        """The `finally` runs after an abort."""
        self.successResultOf(self.start(self.script(Abort(), Send(b"a"))))
        self.assertEqual(self.open, 0)

    def test_stoppedWhileWaiting(self) -> None:
        """The `finally` runs before a stop in a wait returns."""
        done = self.start(self.script(Wait(1)))
        self.assertEqual(self.open, 1)
        self.player.stopProducing()
        self.assertEqual(self.open, 0)
        self.assertIs(self.successResultOf(done), False)

    def test_stoppedInWrite(self) -> None:
        """The `finally` runs after a write that stops the player."""
        done = self.start(self.script(Send(b"a"), Wait(1)), Stage(self.clock, {0: stop}))
        self.assertEqual(self.open, 0)
        self.assertIs(self.successResultOf(done), False)

    def test_stoppedWhilePaused(self) -> None:
        """The `finally` runs after a stop in a pause."""
        self.start(self.script(Send(b"a"), Send(b"b")), Stage(self.clock, {0: pause}))
        self.player.stopProducing()
        self.assertEqual(self.open, 0)

    def test_ownIterator(self) -> None:
        """An iterator without `close` is a script."""
        steps: list[Step] = [Send(b"a"), Wait(1)]
        done = self.start(iter(steps))
        self.player.stopProducing()
        self.assertIs(self.successResultOf(done), False)


class ReferenceTests(_Players):
    """
    References of a player that has ended.
    """

    def test_stage(self) -> None:
        """The sink is freed without the garbage collector."""
        for script, left_before in (
            ([Send(b"a")], False),
            ([Abort()], False),
            ([Wait(1)], True),
        ):
            done = self.start(script)
            if left_before:
                self.player.stopProducing()
            self.successResultOf(done)
            left = ref(self.stage)
            self.stage = Stage(self.clock)
            self.assertIsNone(left())


class Trip(Exception):
    """The exception of a script."""


class FailureTests(_Players):
    """
    Exceptions of scripts and sinks.
    """

    def script(self, *steps: Step) -> Iterator[Step]:
        """Yield `steps`, then raise."""
        yield from steps
        raise Trip("over")

    def test_atOnce(self) -> None:
        """A script that raises before its first step fails the Deferred."""
        self.failureResultOf(self.start(self.script()), Trip)

    def test_openStage(self) -> None:
        """After a failure the sink is open and has no producer."""
        done = self.start(self.script(Send(b"a")))
        self.failureResultOf(done, Trip)
        self.assertEqual(self.stage.names, ["register", "unregister"])
        self.assertEqual(self.stage.said, b"a")
        self.stage.finish()

    def test_traceback(self) -> None:
        """The traceback has the line of the script."""
        failure = self.failureResultOf(self.start(self.script()))
        self.assertIn('raise Trip("over")', failure.getTraceback())

    def test_later(self) -> None:
        """A script that raises after a wait fails the Deferred and leaves no timer."""
        done = self.start(self.script(Wait(1)))
        self.assertNoResult(done)
        self.clock.advance(1)
        self.failureResultOf(done, Trip)
        self.assertEqual(self.timers(), 0)

    def test_afterTheStop(self) -> None:
        """A stopped script takes no step and cannot fail."""
        done = self.start(self.script(Wait(1)))
        self.player.stopProducing()
        self.clock.advance(2)
        self.assertIs(self.successResultOf(done), False)

    def test_stopAfter(self) -> None:
        """A stop after the failure has no effect."""
        self.failureResultOf(self.start(self.script()), Trip)
        self.player.stopProducing()
        self.assertEqual(self.stage.names, ["register", "unregister"])

    def test_inFinally(self) -> None:
        """A stopped script whose `finally` raises fails the Deferred."""

        def script() -> Iterator[Step]:
            try:
                yield Wait(1)
            finally:
                raise Trip("in the goodbye")

        done = self.start(script())
        self.player.stopProducing()
        self.assertTrue(done.called)
        done.addErrback(lambda failure: failure.trap(Trip))
        self.assertEqual(self.timers(), 0)

    def test_noStep(self) -> None:
        """A value that is no step is a TypeError."""
        script: Any = [b"raw bytes"]
        self.failureResultOf(self.start(script), TypeError)
        self.assertEqual(self.stage.names, ["register", "unregister"])

    def test_afterThePeerLeft(self) -> None:
        """A script that raises in a step that stopped the player fails the Deferred."""

        def script() -> Iterator[Step]:
            yield Send(b"a")
            self.player.stopProducing()
            raise Trip("no peer")

        done = self.start(script())
        self.assertEqual(self.stage.names, ["register"])
        self.failureResultOf(done, Trip)

    def test_brokenGoodbye(self) -> None:
        """A sink whose `finish` or `abort` raises fails the Deferred."""

        class Broken(Stage):
            """A sink that raises at the end."""

            def finish(self) -> None:
                raise Trip("in the goodbye")

            abort = finish

        ends: list[list[Step]] = [[], [Abort()], [Wait(1)]]
        for script in ends:
            done = self.start(script, Broken(self.clock))
            self.clock.advance(1)
            self.failureResultOf(done, Trip)
            self.assertEqual(self.timers(), 0)

    def test_brokenStage(self) -> None:
        """A sink whose `write` raises fails the Deferred, at once and after a wait."""

        class Broken(Stage):
            """A sink that raises in a write."""

            def write(self, data: bytes) -> None:
                raise Trip("in the write")

        scripts: list[list[Step]] = [[Send(b"a")], [Wait(1), Send(b"a")]]
        for script in scripts:
            done = self.start(script, Broken(self.clock))
            self.clock.advance(1)
            self.failureResultOf(done, Trip)
