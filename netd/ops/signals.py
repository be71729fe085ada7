"""
Signal handlers that run on the reactor's thread, and the limit of a stop.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Final, TypeVar

from twisted.internet.interfaces import IReactorCore, IReactorFromThreads
from twisted.logger import Logger

T = TypeVar("T")

_log = Logger()

OVERTIME_SECONDS: Final = 1.0
"""How much longer than drain and grace a stop may take, whatever published functions do."""
# Windows has no alarm, and so no limit of a stop.
_ALARM: Final[signal.Signals | None] = getattr(signal, "SIGALRM", None)
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class SignalReactor(IReactorCore, IReactorFromThreads):
    """The parts of a reactor that signals need."""


def on_signal(reactor: SignalReactor, name: str, function: Callable[[], None]) -> None:
    """
    Call `function` for each signal `name` from the moment that the reactor runs.

    Never where there is no such signal, as on Windows.

    The previous handler is called as well: on SIGUSR1 twistd rotates its own log.
    """

    number: signal.Signals | None = getattr(signal, name, None)
    if number is None:
        return

    def install() -> None:
        previous = signal.getsignal(number)

        def handle(_: int, frame: FrameType | None) -> None:
            reactor.callFromThread(function)
            if callable(previous):
                previous(number, frame)

        signal.signal(number, handle)

    reactor.callWhenRunning(install)


def limit_stop(reactor: SignalReactor, limit: Callable[[], float]) -> None:
    """
    End the process soon after `limit()` seconds from a stop signal, whatever blocks it.

    Stop signals in one turn of the reactor are one: Twisted would log a traceback for another.
    """
    passed = False

    def begun() -> None:
        nonlocal passed
        passed = False

    def install() -> None:
        if _ALARM is not None:
            signal.signal(_ALARM, _end)
        handlers = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
        # A shell has background processes ignore SIGINT.
        previous = {number: each for number, each in handlers.items() if callable(each)}

        def handle(number: int, frame: FrameType | None) -> None:
            nonlocal passed
            end_after(limit())
            if not passed:
                passed = True
                previous[signal.Signals(number)](number, frame)
                reactor.callFromThread(begun)

        for number in previous:
            signal.signal(number, handle)

    reactor.callWhenRunning(install)


def end_after(limit: float) -> None:
    """End the process soon after `limit` seconds, if `limit_stop` was called."""
    # Without a handler the alarm would end the process by another signal.
    if _ALARM is not None and signal.getsignal(_ALARM) is _end:
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        seconds = limit + OVERTIME_SECONDS
        signal.setitimer(signal.ITIMER_REAL, min(left or seconds, seconds))


def _end(_: int, frame: FrameType | None) -> None:
    _log.critical("ended before the stop was complete: a function does not return")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def on_stop_signal(
    reactor: SignalReactor, function: Callable[[], None], limit: Callable[[], float]
) -> Callable[[T], T]:
    """
    Call `function` for each SIGINT and SIGTERM from now on, instead of the handlers.

    What the process ignores stays ignored.  The process ends soon after `limit()` seconds from
    such a signal.

    Twisted's handlers would log a traceback, as a reactor cannot be stopped twice.
    The result returns its argument, for `addBoth`, and restores them in a later turn of
    the reactor: never when this was its last one, since it has been stopped then.
    """

    def handle(_: int, frame: FrameType | None) -> None:
        end_after(limit())
        reactor.callFromThread(function)

    heard = [each for each in _STOP_SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, handle) for number in heard}

    def reset() -> None:
        for number, handler in previous.items():
            # None is a handler that was not installed from Python.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def restore(result: T) -> T:
        reactor.callFromThread(reset)
        return result

    return restore
