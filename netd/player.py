"""
The one place that waits: it performs a script on a stage.

Rules: knows no protocol and no address.  The clock is handed in; the stage is
an HTTP response, a TCP connection or a datagram that can be written to,
finished and aborted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall, IPushProducer, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from netd.script import Abort, Script, Send, Step, Wait


class Sink(IConsumer):
    """What a script can be performed on."""

    def finish() -> None:
        """The script has come to its end."""

    def abort() -> None:
        """The script wants the peer cut off."""


class _End:
    """What comes after the last step."""


_END: Final = _End()


@implementer(IPushProducer)
class Player:
    """
    Performs one script, once.

    It never fills the stage's buffer beyond what the stage asks for, never
    holds the reactor longer than one turn's worth of steps, and leaves no
    timer behind when the stage stops it.
    """

    # Steps and bytes of one reactor turn, so that an endless script which
    # nobody slows down cannot keep other connections waiting.
    _STEPS: Final = 64
    _BYTES: Final = 256 * 1024

    def __init__(self, script: Script, stage: Sink, clock: IReactorTime) -> None:
        self._steps: Iterator[Step] = iter(script)
        self._stage = stage
        self._clock = clock
        self._timer: IDelayedCall | None = None
        self._due = 0.0
        self._paused = False
        self._playing = False
        self._done: Deferred[bool] | None = None
        self._ended: tuple[Deferred[bool], bool | Failure] | None = None

    def perform(self) -> Deferred[bool]:
        """
        Start; fires once, with True when the script came to its end (the stage
        was finished or aborted as it said) and False when the stage stopped
        it.  Fails with whatever the script or the stage raised; the stage is
        then still open, so that its owner can say so in its own words.
        """
        done: Deferred[bool] = Deferred()
        self._done = done
        self._due = self._clock.seconds()
        self._stage.registerProducer(self, True)
        self._play()
        return done

    def pauseProducing(self) -> None:
        """The stage is full; a wait that is under way goes on."""
        self._paused = True

    def resumeProducing(self) -> None:
        """The stage has room again."""
        if self._paused:
            self._paused = False
            self._held_up()
            if self._timer is None:
                self._play()

    def stopProducing(self) -> None:
        """The peer has gone: forget the rest, and every timer."""
        self._end(False)

    def _play(self) -> None:
        # A write may pause, resume or stop us before it returns; the loop that
        # is already running sees it, a second one must not start.
        if self._playing:
            return
        self._playing = True
        try:
            self._turn()
        except Exception:
            self._fail(Failure())
        finally:
            self._playing = False
            self._leave()

    def _turn(self) -> None:
        room = self._BYTES
        for _ in range(self._STEPS):
            if self._done is None or self._paused or self._timer is not None:
                return
            step = next(self._steps, _END)
            if self._done is None:
                # The peer was lost while this step was being made.
                return
            match step:
                case Send(data):
                    self._stage.write(data)
                    room -= len(data)
                case Wait(seconds):
                    self._due += seconds
                    self._sleep(max(0.0, self._due - self._clock.seconds()))
                case Abort() | _End():
                    self._finale(step)
                    return
                case _:
                    raise TypeError(f"{step!r} is no step of a script")
            if room <= 0:
                break
        if self._done is not None and self._timer is None and not self._paused:
            self._held_up()
            self._sleep(0.0)

    def _held_up(self) -> None:
        """What could not be said in time is not made up for in a burst."""
        self._due = max(self._due, self._clock.seconds())

    def _finale(self, step: Abort | _End) -> None:
        # Cleared first: a peer that is lost during the goodbye changes nothing.
        done, self._done = self._done, None
        result: bool | Failure = True
        try:
            self._stage.unregisterProducer()
            if isinstance(step, Abort):
                self._stage.abort()
            else:
                self._stage.finish()
        except Exception:
            result = Failure()
        if done is not None:
            self._ended = done, result

    def _sleep(self, seconds: float) -> None:
        self._timer = self._clock.callLater(seconds, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._play()

    def _fail(self, failure: Failure) -> None:
        if self._done is not None:
            self._stage.unregisterProducer()
            self._end(failure)
        elif self._ended is not None:
            # The step that raised had stopped us first; the stage has gone.
            self._ended = self._ended[0], failure

    def _end(self, result: bool | Failure) -> None:
        done, self._done = self._done, None
        if done is None:
            return
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._ended = done, result
        if not self._playing:
            self._leave()

    def _leave(self) -> None:
        """Once it has ended and no step is running: close the script, then tell."""
        if self._ended is None:
            return
        (done, result), self._ended = self._ended, None
        # It knows us, be it as its producer: only the collector would find both.
        del self._stage
        try:
            # A generator runs its `finally` now.
            close = getattr(self._steps, "close", None)
            if close is not None:
                close()
        except Exception:
            result = Failure()
        if isinstance(result, Failure):
            done.errback(result)
        else:
            done.callback(result)
