"""
Performs a script on a sink: an HTTP response, a TCP connection or a datagram.

Rules: the only place that waits; knows no protocol and no address.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall, IPushProducer, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from netd.script import Abort, Script, Send, Step, Wait
from netd.turns import Turns


class Sink(IConsumer):
    """The receiver of what a script sends."""

    def finish() -> None:
        """End properly, as the script is over."""

    def abort() -> None:
        """Cut off the peer, as the script says."""


class _End:
    """Follows the last step."""


_END: Final = _End()


@implementer(IPushProducer)
class Player:
    """
    Performs one script, once.

    It writes only while the sink wants more, leaves the reactor after a limited
    number of steps or bytes, and has no timer left when the sink stops it.
    """

    # Limits of one reactor turn, so that an endless script does not block others.
    _STEPS: Final = 64
    _BYTES: Final = 64 * 1024

    def __init__(self, script: Script, sink: Sink, clock: IReactorTime) -> None:
        self._steps: Iterator[Step] = iter(script)
        self._sink = sink
        self._clock = clock
        self.queued = False
        self._timer: IDelayedCall | None = None
        self._due = 0.0
        self._paused = False
        self._playing = False
        self._done: Deferred[bool] | None = None
        self._ended: tuple[Deferred[bool], bool | Failure] | None = None

    def perform(self, at_once: bool = True) -> Deferred[bool]:
        """
        Start the script, in a later turn of the reactor unless `at_once`.

        Fires with True at its end, when the sink is finished or aborted, and with
        False when the sink stopped it.  Fails with the exception of the script or
        of the sink; the sink is then still open, for its owner to close.
        """
        done: Deferred[bool] = Deferred()
        self._done = done
        self._due = self._clock.seconds()
        self._sink.registerProducer(self, True)
        if at_once:
            self._play()
        else:
            self._wait_for_turn()
        return done

    def pauseProducing(self) -> None:
        """Take no further step; a wait goes on."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Go on with the script."""
        if self._paused:
            self._paused = False
            self._catch_up()
            self.proceed()

    def stopProducing(self) -> None:
        """Forget the rest of the script, as the peer is gone."""
        self._end(False)

    def proceed(self) -> None:
        """Take further steps, unless one waits for its time or for its turn."""
        if self._timer is None and not self.queued:
            self._play()

    def _wait_for_turn(self) -> None:
        Turns.of(self._clock).wait(self)

    def _play(self) -> None:
        # A write may pause, resume or stop this player before it returns: the
        # running loop notices, and a second loop must not start.
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
        budget = self._BYTES
        for _ in range(self._STEPS):
            if self._done is None or self._paused or self._timer is not None:
                return
            step = next(self._steps, _END)
            if self._done is None:
                # The peer was lost while the script made this step.
                return
            match step:
                case Send(data):
                    self._sink.write(data)
                    budget -= len(data)
                case Wait(seconds):
                    self._due += seconds
                    self._sleep(max(0.0, self._due - self._clock.seconds()))
                case Abort() | _End():
                    self._finish(step)
                    return
                case _:
                    raise TypeError(f"{step!r} is no step of a script")
            if budget <= 0:
                break
        if self._done is not None and self._timer is None and not self._paused:
            self._catch_up()
            self._wait_for_turn()

    def _catch_up(self) -> None:
        """Count later waits from now, so that time lost is not made up for in a burst."""
        self._due = max(self._due, self._clock.seconds())

    def _finish(self, step: Abort | _End) -> None:
        # Cleared first, so that a peer that is lost meanwhile changes nothing.
        done, self._done = self._done, None
        result: bool | Failure = True
        try:
            self._sink.unregisterProducer()
            if isinstance(step, Abort):
                self._sink.abort()
            else:
                self._sink.finish()
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
            self._sink.unregisterProducer()
            self._end(failure)
        elif self._ended is not None:
            # The step stopped this player before it raised; the sink is gone.
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
        """Close the script and fire the Deferred, once no step runs."""
        if self._ended is None:
            return
        (done, result), self._ended = self._ended, None
        # The sink refers to this player, and only the garbage collector would free both.
        del self._sink
        try:
            # A generator runs its `finally` here.
            close = getattr(self._steps, "close", None)
            if close is not None:
                close()
        except Exception:
            result = Failure()
        if isinstance(result, Failure):
            done.errback(result)
        else:
            done.callback(result)
