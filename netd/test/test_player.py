"""
Tests for netd.player.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import ref

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from netd.player import Player, Sink
from netd.script import Abort, Script, Send, Step, Wait
from netd.test.stages import Stage, TurningClock, blink, pause, resume, stop

_property = settings(max_examples=100, deadline=None, database=None, derandomize=True)


class _Acts(SynchronousTestCase):
    """
    A clock, and one performance on it.
    """

    def setUp(self) -> None:
        self.clock = TurningClock()

    def start(self, script: Script, stage: Stage | None = None) -> Deferred[bool]:
        """Perform `script` from now on; `self.stage` and `self.player` are the two sides."""
        self.stage = Stage(self.clock) if stage is None else stage
        self.player = Player(script, self.stage, self.clock)
        return self.player.perform()

    def settle(self, turns: int = 10_000) -> int:
        """Let the reactor turn, without time passing, until nothing is due; say how often."""
        turn = 0
        while any(each.getTime() <= self.now for each in self.clock.getDelayedCalls()):
            self.assertLess(turn, turns, "the script never lets go")
            self.clock.advance(0)
            turn += 1
        return turn

    @property
    def now(self) -> float:
        """The clock's time."""
        return self.clock.seconds()

    def timers(self) -> int:
        """How many timers run."""
        return len(self.clock.getDelayedCalls())


class OrderTests(_Acts):
    """
    What a script says comes in its order and at its time.
    """

    def test_interfaces(self) -> None:
        """
        A player is a push producer, and the fake stage is a stage.
        """
        stage = Stage(self.clock)
        self.assertTrue(verifyObject(Sink, stage))
        self.assertTrue(verifyObject(IPushProducer, Player([], stage, self.clock)))

    def test_lazy(self) -> None:
        """
        No step is taken before the performance starts.
        """
        taken = []

        def script() -> Iterator[Step]:
            taken.append(1)
            yield Send(b"a")

        player = Player(script(), Stage(self.clock), self.clock)
        self.assertEqual(taken, [])
        self.successResultOf(player.perform())
        self.assertEqual(taken, [1])

    def test_at_once(self) -> None:
        """
        What need not wait is said before `perform` returns.
        """
        done = self.start([Send(b"a"), Send(b"b")])
        self.assertIs(self.successResultOf(done), True)
        self.assertEqual(
            self.stage.events,
            [(0, "register"), (0, b"a"), (0, b"b"), (0, "unregister"), (0, "finish")],
        )
        self.assertEqual(self.timers(), 0)

    def test_empty(self) -> None:
        """
        An empty script finishes the stage, and says nothing.
        """
        self.assertIs(self.successResultOf(self.start([])), True)
        self.assertEqual(self.stage.names, ["register", "unregister", "finish"])

    def test_empty_send(self) -> None:
        """
        Saying no bytes is a write of its own: it may be an empty datagram.
        """
        self.successResultOf(self.start([Send(b""), Send(b"")]))
        self.assertEqual(self.stage.writes, [b"", b""])

    def test_wait(self) -> None:
        """
        A wait ends when it is over, and not before.
        """
        done = self.start([Send(b"a"), Wait(3), Send(b"b")])
        self.clock.advance(2.999)
        self.assertEqual(self.stage.said, b"a")
        self.assertNoResult(done)
        self.clock.advance(0.001)
        self.assertEqual(self.stage.said, b"ab")
        self.assertIs(self.successResultOf(done), True)
        self.assertEqual(self.timers(), 0)

    def test_wait_last(self) -> None:
        """
        A wait at the end is waited for before the stage is finished.
        """
        done = self.start([Send(b"a"), Wait(1)])
        self.assertFalse(self.stage.ended)
        self.clock.advance(1)
        self.assertTrue(self.stage.ended)
        self.successResultOf(done)

    def test_waits_add_up(self) -> None:
        """
        Waits that follow each other are one long wait.
        """
        self.start([Wait(1), Wait(0.5), Wait(0), Wait(1.5), Send(b"a")])
        self.clock.pump([1, 0.5, 0, 1.5 - 1e-9])
        self.assertEqual(self.stage.said, b"")
        self.clock.pump([1e-9, 0])
        self.assertEqual(self.stage.said, b"a")

    def test_wait_nothing(self) -> None:
        """
        `Wait(0)` gives the reactor a turn and takes no time.
        """
        done = self.start([Send(b"a"), Wait(0), Send(b"b")])
        self.assertEqual(self.stage.said, b"a")
        self.assertNoResult(done)
        self.clock.advance(0)
        self.assertEqual(self.stage.said, b"ab")
        self.assertIs(self.successResultOf(done), True)

    def test_one_timer(self) -> None:
        """
        However long the script, there is one timer at a time.
        """
        self.start([Wait(1)] * 100)
        for _ in range(100):
            self.assertEqual(self.timers(), 1)
            self.clock.advance(1)
        self.assertEqual(self.timers(), 0)

    def test_later_start(self) -> None:
        """
        Waits count from the start of the performance, not from the making of the player.
        """
        stage = Stage(self.clock)
        player = Player([Wait(1), Send(b"a")], stage, self.clock)
        self.clock.advance(5)
        player.perform()
        self.clock.advance(0.5)
        self.assertEqual(stage.said, b"")
        self.clock.advance(0.5)
        self.assertEqual(stage.events[1], (6, b"a"))

    def test_no_drift(self) -> None:
        """
        A hundred timers that each ring late make nothing later than the last of them does.
        """
        self.start([step for number in range(100) for step in (Wait(1), Send(b"%d " % number))])
        for _ in range(100):
            (timer,) = self.clock.getDelayedCalls()
            self.clock.advance(timer.getTime() - self.now + 0.25)
        times = [when for when, event in self.stage.events if isinstance(event, bytes)]
        self.assertEqual(times, [number + 1.25 for number in range(100)])
        self.assertTrue(self.stage.ended)

    def test_catching_up(self) -> None:
        """
        A timer that rings after the next one would have been due is made up for, in order.
        """
        self.start([step for letter in b"abc" for step in (Wait(1), Send(bytes([letter])))])
        self.clock.advance(2.5)
        self.settle()
        self.assertEqual(self.stage.said, b"ab")
        self.clock.advance(0.5)
        self.assertEqual(self.stage.said, b"abc")

    @_property
    @given(
        st.lists(
            st.integers(0, 64).map(lambda n: Wait(n / 16)) | st.binary(max_size=3).map(Send),
            max_size=100,
        )
    )
    def test_any_script(self, script: list[Step]) -> None:
        """
        Each thing is said once, in order, when the waits before it are over.
        """
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
        heard = [event for event in stage.events if isinstance(event[1], bytes)]
        self.assertEqual(heard, expected)
        self.assertEqual(stage.events[-1], (due, "finish"))


class AbortTests(_Acts):
    """
    A script may end without a goodbye.
    """

    def test_abort(self) -> None:
        """
        The stage is aborted instead of finished, and the script has come to its end.
        """
        done = self.start([Send(b"a"), Abort()])
        self.assertIs(self.successResultOf(done), True)
        self.assertEqual(self.stage.names, ["register", "unregister", "abort"])
        self.assertEqual(self.stage.said, b"a")

    def test_after_a_wait(self) -> None:
        """
        An abort comes at its time, like everything else.
        """
        done = self.start([Wait(2), Abort()])
        self.clock.advance(1.9)
        self.assertNoResult(done)
        self.clock.advance(0.1)
        self.assertEqual(self.stage.events[-1], (2, "abort"))
        self.assertIs(self.successResultOf(done), True)

    def test_rest_forgotten(self) -> None:
        """
        Nothing after an abort is said or even made, and the script is closed.
        """
        closed = []

        def script() -> Iterator[Step]:
            try:
                yield Abort()
                raise AssertionError("not to be asked for")
            finally:
                closed.append(self.stage.names[-1])

        self.assertIs(self.successResultOf(self.start(script())), True)
        self.assertEqual(closed, ["abort"])


class BackPressureTests(_Acts):
    """
    A stage that is full is not written to.
    """

    def test_pause_in_write(self) -> None:
        """
        A stage that fills during a write gets no further one until it has room.
        """
        done = self.start([Send(b"a"), Send(b"b")], Stage(self.clock, {0: pause}))
        self.clock.advance(100)
        self.assertEqual(self.stage.said, b"a")
        self.assertEqual(self.timers(), 0)
        self.player.resumeProducing()
        self.assertEqual(self.stage.said, b"ab")
        self.assertIs(self.successResultOf(done), True)

    def test_pause_at_the_end(self) -> None:
        """
        A stage that the last write filled is finished when it has room again.
        """
        done = self.start([Send(b"a")], Stage(self.clock, {0: pause}))
        self.assertNoResult(done)
        self.player.resumeProducing()
        self.assertIs(self.successResultOf(done), True)

    def test_resume_in_write(self) -> None:
        """
        A stage that fills and empties within a write is written to again, after that write.
        """
        done = self.start([Send(b"a"), Send(b"b")], Stage(self.clock, {0: blink}))
        self.assertEqual(self.stage.writes, [b"a", b"b"])
        self.assertIs(self.successResultOf(done), True)

    def test_paused_before_the_start(self) -> None:
        """
        A stage that is full already, and says so when it gets its producer, hears nothing.
        """

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

    def test_steps_stay_unmade(self) -> None:
        """
        A paused player asks the script for nothing: a lazy script makes no more than is taken.
        """
        made = []

        def script() -> Iterator[Step]:
            for number in range(5):
                made.append(number)
                yield Send(b"%d" % number)

        self.start(script(), Stage(self.clock, always=pause))
        for number in range(5):
            self.assertEqual(made, list(range(number + 1)))
            self.player.resumeProducing()
        self.assertTrue(self.stage.ended)

    def test_pause_while_waiting(self) -> None:
        """
        A wait goes on while the stage is full; what follows it stays unsaid.
        """
        self.start([Wait(2), Send(b"a")])
        self.player.pauseProducing()
        self.clock.advance(2)
        self.assertEqual((self.stage.said, self.timers()), (b"", 0))
        self.clock.advance(3)
        self.player.resumeProducing()
        self.assertEqual(self.stage.events[1], (5, b"a"))

    def test_pause_shorter_than_the_wait(self) -> None:
        """
        A pause that ends before the wait does costs no time.
        """
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

    def test_resume_after_due(self) -> None:
        """
        Waits after a long pause count from its end: what could not be said is no burst.
        """
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
        heard = [event for event in self.stage.events if isinstance(event[1], bytes)]
        self.assertEqual(heard, [(1, b"a"), (11, b"b"), (12, b"c")])

    def test_pause_twice(self) -> None:
        """
        Two pauses are ended by one resumption, and a resumption without a pause is none.
        """
        self.start([Send(b"a"), Wait(1), Send(b"b")], Stage(self.clock, {0: pause}))
        self.player.pauseProducing()
        self.player.resumeProducing()
        self.player.resumeProducing()
        self.assertEqual(self.timers(), 1)
        self.clock.advance(1)
        self.assertEqual(self.stage.writes, [b"a", b"b"])

    def test_needless_resume(self) -> None:
        """
        A stage may say at any time that it has room: nothing is said early or twice.
        """
        done = self.start([Wait(1), Send(b"a"), Wait(1), Send(b"b")])
        for _ in range(8):
            self.player.resumeProducing()
            self.clock.advance(0.25)
        self.assertEqual(self.stage.events[1:3], [(1, b"a"), (2, b"b")])
        self.successResultOf(done)
        self.player.resumeProducing()
        self.player.pauseProducing()
        self.assertEqual(self.timers(), 0)

    def test_pause_during_a_turn_s_rest(self) -> None:
        """
        A pause between two turns of a long script holds it, and loses no step.
        """
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

    def test_resume_during_a_turn_s_rest(self) -> None:
        """
        A pause that ends before the next turn starts neither a second loop nor a burst.
        """
        self.start([Send(b"x")] * 1000)
        before = len(self.stage.writes)
        self.player.pauseProducing()
        self.player.resumeProducing()
        self.assertEqual(len(self.stage.writes), before)
        self.assertEqual(self.timers(), 1)

    def test_transport(self) -> None:
        """
        A player registers with a transport of Twisted as a streaming producer.
        """

        @implementer(Sink)
        class Wire(StringTransport):
            """A transport is a stage but for the names of its ends."""

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


class ReentryTests(_Acts):
    """
    A stage may call its producer from within a write.
    """

    SENDS = 10_000

    def _numbers(self) -> list[Send]:
        return [Send(b"%d" % number) for number in range(self.SENDS)]

    def test_resuming_stage(self) -> None:
        """
        Ten thousand writes, each of which resumes the player, neither recurse nor reorder.
        """
        self.start(self._numbers(), Stage(self.clock, always=resume))
        self.settle()
        self.assertEqual(self.stage.writes, [step.data for step in self._numbers()])

    def test_blinking_stage(self) -> None:
        """
        Nor do ten thousand writes that pause and resume.
        """
        self.start(self._numbers(), Stage(self.clock, always=blink))
        self.settle()
        self.assertEqual(self.stage.writes, [step.data for step in self._numbers()])

    def test_pull(self) -> None:
        """
        Nor do ten thousand writes with a pause, each resumed from outside.
        """
        self.start(self._numbers(), Stage(self.clock, always=pause))
        for number in range(self.SENDS):
            self.assertEqual(len(self.stage.writes), number + 1)
            self.player.resumeProducing()
        self.assertTrue(self.stage.ended)
        self.assertEqual(self.timers(), 0)

    @_property
    @given(
        st.lists(st.sampled_from([Wait(0.5), Wait(0), Send(b"a"), Send(b"bc")]), max_size=60),
        st.lists(st.sampled_from([None, pause, resume, blink]), max_size=40),
        st.lists(st.sampled_from(["pause", "resume", "tick"]), max_size=60),
    )
    def test_any_pressure(
        self, script: list[Step], reactions: list[Any], outside: list[str]
    ) -> None:
        """
        Whatever the stage calls, and when, everything is said once, in order, and ends.
        """
        clock = TurningClock()
        stage = Stage(clock, {n: each for n, each in enumerate(reactions) if each})
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


class TurnTests(_Acts):
    """
    No script keeps the reactor to itself.
    """

    def test_endless(self) -> None:
        """
        An endless script that nobody slows down says a bounded number of things a turn.
        """

        def endless() -> Iterator[Step]:
            while True:
                yield Send(b"x")

        self.start(endless())
        before = len(self.stage.writes)
        self.assertLessEqual(before, 100)
        for turn in range(2, 20):
            self.assertEqual([each.getTime() for each in self.clock.getDelayedCalls()], [0])
            self.clock.advance(0)
            self.assertEqual(len(self.stage.writes), turn * before)
        self.player.stopProducing()
        self.assertEqual(self.timers(), 0)

    def test_large(self) -> None:
        """
        Large pieces are counted by their bytes: fewer of them make a turn.
        """
        piece = Send(b"x" * 100_000)
        self.start([piece] * 40)
        self.assertLessEqual(len(self.stage.said), 400_000)
        self.assertEqual(self.settle(), 13)
        self.assertEqual(len(self.stage.said), 4_000_000)

    def test_one_huge(self) -> None:
        """
        A single piece beyond a turn's bytes is said whole.
        """
        done = self.start([Send(b"x" * 2_000_000)])
        self.settle()
        self.assertEqual(len(self.stage.said), 2_000_000)
        self.assertIs(self.successResultOf(done), True)

    def test_endless_instants(self) -> None:
        """
        An endless row of waits that take no time gives each turn back as well.
        """

        def endless() -> Iterator[Step]:
            while True:
                yield Wait(0)

        self.start(endless())
        for _ in range(100):
            self.assertEqual(self.timers(), 1)
            self.clock.advance(0)
        self.player.stopProducing()

    def test_wait_after_a_long_speech(self) -> None:
        """
        A wait after a speech of many turns counts from the end of the speech.
        """
        self.start([*[Send(b"x")] * 200, Wait(1), Send(b"!")])
        self.clock.pump([2, 2, 0])
        self.assertEqual(len(self.stage.writes), 200)
        self.clock.advance(0.5)
        self.assertEqual(self.stage.said[-1:], b"x")
        self.clock.advance(0.5)
        self.assertEqual(self.stage.said[-1:], b"!")
        self.assertEqual(self.now, 5)

    def test_others_go_on(self) -> None:
        """
        Two long scripts on one clock take turns.
        """
        one, other = Stage(self.clock), Stage(self.clock)
        for stage in (one, other):
            Player([Send(b"x")] * 1000, stage, self.clock).perform()
        while not one.ended:
            self.assertEqual(len(one.writes), len(other.writes))
            self.clock.advance(0)
        self.assertTrue(other.ended)


class StopTests(_Acts):
    """
    A peer that leaves takes the performance with it.
    """

    def test_while_waiting(self) -> None:
        """
        The timer goes with the peer, and the stage is not called any more.
        """
        done = self.start([Wait(3), Send(b"a")])
        self.player.stopProducing()
        self.assertIs(self.successResultOf(done), False)
        self.assertEqual(self.timers(), 0)
        self.clock.advance(10)
        self.assertEqual(self.stage.events, [(0, "register")])

    def test_in_write(self) -> None:
        """
        A peer that leaves during a write hears nothing more.
        """
        done = self.start([Send(b"a"), Send(b"b")], Stage(self.clock, {0: stop}))
        self.assertIs(self.successResultOf(done), False)
        self.assertEqual(self.stage.writes, [b"a"])
        self.assertEqual(self.timers(), 0)

    def test_in_the_last_write(self) -> None:
        """
        A peer that leaves during the last write is not finished.
        """
        done = self.start([Send(b"a")], Stage(self.clock, {0: stop}))
        self.assertIs(self.successResultOf(done), False)
        self.assertFalse(self.stage.ended)

    def test_in_a_large_write(self) -> None:
        """
        A peer that leaves during a write that ends the turn leaves no timer.
        """
        done = self.start([Send(b"x" * 10**6)] * 2, Stage(self.clock, {0: stop}))
        self.assertIs(self.successResultOf(done), False)
        self.assertEqual(self.timers(), 0)

    def test_while_paused(self) -> None:
        """
        A peer that leaves while its buffer is full ends the performance.
        """
        done = self.start([Send(b"a"), Send(b"b")], Stage(self.clock, {0: pause}))
        self.player.stopProducing()
        self.assertIs(self.successResultOf(done), False)
        self.player.resumeProducing()
        self.assertEqual(self.stage.said, b"a")

    def test_between_turns(self) -> None:
        """
        A peer that leaves between two turns of a long script leaves no timer.
        """
        done = self.start([Send(b"x")] * 1000)
        self.assertEqual(self.timers(), 1)
        self.player.stopProducing()
        self.assertEqual(self.timers(), 0)
        self.assertIs(self.successResultOf(done), False)

    def test_at_registration(self) -> None:
        """
        A transport that is gone stops the player when it registers: nothing is said.
        """

        class Gone(Stage):
            """As `abstract.FileDescriptor` does once it is disconnected."""

            def registerProducer(self, producer: Any, streaming: bool) -> None:
                super().registerProducer(producer, streaming)
                producer.stopProducing()

        done = self.start([Send(b"a")], Gone(self.clock))
        self.assertIs(self.successResultOf(done), False)
        self.assertEqual(self.stage.said, b"")
        self.assertEqual(self.timers(), 0)

    def test_during_finish(self) -> None:
        """
        A peer that is lost during the goodbye changes nothing: the script came to its end.
        """
        done = self.start([Send(b"a")], Stage(self.clock, at_goodbye=stop))
        self.assertIs(self.successResultOf(done), True)
        self.assertEqual(self.stage.names, ["register", "unregister", "finish"])

    def test_during_abort(self) -> None:
        """
        Nor does a peer that is lost during the abort.
        """
        done = self.start([Abort()], Stage(self.clock, at_goodbye=stop))
        self.assertIs(self.successResultOf(done), True)
        self.assertEqual(self.stage.names, ["register", "unregister", "abort"])

    def test_twice(self) -> None:
        """
        Stopping again, or after the end, does nothing.
        """
        self.start([Wait(1)])
        self.player.stopProducing()
        self.player.stopProducing()
        self.assertEqual(self.stage.names, ["register"])
        self.start([])
        self.player.stopProducing()
        self.assertEqual(self.stage.names, ["register", "unregister", "finish"])

    def test_in_a_step(self) -> None:
        """
        A peer that is lost while the script makes a step hears nothing and leaves no timer.
        """
        for step in (Send(b"a"), Wait(1), Abort()):

            def script(step: Step = step) -> Iterator[Step]:
                self.player.stopProducing()
                yield step

            done = self.start(script())
            self.assertIs(self.successResultOf(done), False)
            self.assertEqual(self.stage.names, ["register"])
            self.assertEqual((self.stage.said, self.timers()), (b"", 0))

    def test_pause_after(self) -> None:
        """
        Calls that a transport makes after the stop start nothing.
        """
        self.start([Wait(1), Send(b"a")])
        self.player.stopProducing()
        self.player.pauseProducing()
        self.player.resumeProducing()
        self.clock.advance(5)
        self.assertEqual(self.stage.said, b"")
        self.assertEqual(self.timers(), 0)


class GeneratorTests(_Acts):
    """
    A script that holds something gives it back in its `finally`, at once.
    """

    def setUp(self) -> None:
        super().setUp()
        self.open = 0

    def script(self, *steps: Step) -> Iterator[Step]:
        """Say `steps` with something open."""
        self.open += 1
        try:
            yield from steps
        finally:
            self.open -= 1

    def test_at_the_end(self) -> None:
        """
        A script that came to its end holds nothing.
        """
        self.successResultOf(self.start(self.script(Send(b"a"))))
        self.assertEqual(self.open, 0)

    def test_after_abort(self) -> None:
        """
        Nor does one that aborted.
        """
        self.successResultOf(self.start(self.script(Abort(), Send(b"a"))))
        self.assertEqual(self.open, 0)

    def test_stopped_while_waiting(self) -> None:
        """
        A script that is stopped in a wait gives back what it holds before the stop returns.
        """
        done = self.start(self.script(Wait(1)))
        self.assertEqual(self.open, 1)
        self.player.stopProducing()
        self.assertEqual(self.open, 0)
        self.assertIs(self.successResultOf(done), False)

    def test_stopped_in_write(self) -> None:
        """
        A script that is stopped in a write gives it back when that write is over.
        """
        done = self.start(self.script(Send(b"a"), Wait(1)), Stage(self.clock, {0: stop}))
        self.assertEqual(self.open, 0)
        self.assertIs(self.successResultOf(done), False)

    def test_stopped_while_paused(self) -> None:
        """
        So does one that is stopped with the buffer full.
        """
        self.start(self.script(Send(b"a"), Send(b"b")), Stage(self.clock, {0: pause}))
        self.player.stopProducing()
        self.assertEqual(self.open, 0)

    def test_own_iterator(self) -> None:
        """
        An iterator that cannot be closed is as good a script.
        """
        steps: list[Step] = [Send(b"a"), Wait(1)]
        done = self.start(iter(steps))
        self.player.stopProducing()
        self.assertIs(self.successResultOf(done), False)


class RestTests(_Acts):
    """
    A player that is done knows nobody, so that no collector is needed to free its stage.
    """

    def test_stage(self) -> None:
        """
        It forgets its stage, whichever way it ended.
        """
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
    """What a script raises."""


class FailureTests(_Acts):
    """
    A script that raises hands its failure to whoever started it.
    """

    def script(self, *steps: Step) -> Iterator[Step]:
        """Say `steps`, then trip."""
        yield from steps
        raise Trip("over")

    def test_at_once(self) -> None:
        """
        A script that raises before its first step fails the performance.
        """
        self.failureResultOf(self.start(self.script()), Trip)

    def test_open_stage(self) -> None:
        """
        The stage is left open and without a producer, for its owner to explain.
        """
        done = self.start(self.script(Send(b"a")))
        self.failureResultOf(done, Trip)
        self.assertEqual(self.stage.names, ["register", "unregister"])
        self.assertEqual(self.stage.said, b"a")
        self.stage.finish()

    def test_traceback(self) -> None:
        """
        The failure shows the line of the script that raised.
        """
        failure = self.failureResultOf(self.start(self.script()))
        self.assertIn('raise Trip("over")', failure.getTraceback())

    def test_later(self) -> None:
        """
        A script that raises after a wait fails then, and leaves no timer.
        """
        done = self.start(self.script(Wait(1)))
        self.assertNoResult(done)
        self.clock.advance(1)
        self.failureResultOf(done, Trip)
        self.assertEqual(self.timers(), 0)

    def test_after_the_stop(self) -> None:
        """
        A script that was stopped is never asked again, and so cannot fail.
        """
        done = self.start(self.script(Wait(1)))
        self.player.stopProducing()
        self.clock.advance(2)
        self.assertIs(self.successResultOf(done), False)

    def test_stop_after(self) -> None:
        """
        A peer that leaves after the failure changes nothing.
        """
        self.failureResultOf(self.start(self.script()), Trip)
        self.player.stopProducing()
        self.assertEqual(self.stage.names, ["register", "unregister"])

    def test_in_finally(self) -> None:
        """
        A script whose `finally` raises when it is stopped ends its performance all the same.
        """

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

    def test_no_step(self) -> None:
        """
        Something that is no step is a mistake of the script, not an abort.
        """
        wrong: Any = [b"raw bytes"]
        self.failureResultOf(self.start(wrong), TypeError)
        self.assertEqual(self.stage.names, ["register", "unregister"])

    def test_after_the_peer_left(self) -> None:
        """
        A script that loses its peer in a step and raises there is told, but not to the stage.
        """

        def script() -> Iterator[Step]:
            yield Send(b"a")
            self.player.stopProducing()
            raise Trip("no peer")

        done = self.start(script())
        self.assertEqual(self.stage.names, ["register"])
        self.failureResultOf(done, Trip)

    _why = "it unregisters, and loses the failure"

    def test_broken_goodbye(self) -> None:
        """
        A stage that cannot be finished or aborted fails the performance.
        """

        class Broken(Stage):
            """Raises at the end."""

            def finish(self) -> None:
                raise Trip("in the goodbye")

            abort = finish

        ends: list[list[Step]] = [[], [Abort()], [Wait(1)]]
        for script in ends:
            done = self.start(script, Broken(self.clock))
            self.clock.advance(1)
            self.failureResultOf(done, Trip)
            self.assertEqual(self.timers(), 0)

    def test_broken_stage(self) -> None:
        """
        A stage whose write raises fails the performance, at once and after a wait.
        """

        class Broken(Stage):
            """Raises where a transport would not."""

            def write(self, data: bytes) -> None:
                raise Trip("in the write")

        scripts: list[list[Step]] = [[Send(b"a")], [Wait(1), Send(b"a")]]
        for script in scripts:
            done = self.start(script, Broken(self.clock))
            self.clock.advance(1)
            self.failureResultOf(done, Trip)
