"""
Signal handlers that run on the reactor's thread.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Final, TypeVar

from twisted.internet.interfaces import IReactorCore, IReactorFromThreads

T = TypeVar("T")

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class SignalReactor(IReactorCore, IReactorFromThreads):
    """The parts of a reactor that signals need."""


def on_signal(
    reactor: SignalReactor, number: signal.Signals, function: Callable[[], None]
) -> None:
    """
    Call `function` for each signal `number` from the moment that the reactor runs.

    The previous handler is called as well: on SIGUSR1 twistd rotates its own log.
    """

    def install() -> None:
        previous = signal.getsignal(number)

        def handle(_: int, frame: FrameType | None) -> None:
            reactor.callFromThread(function)
            if callable(previous):
                previous(number, frame)

        signal.signal(number, handle)

    reactor.callWhenRunning(install)


def on_stop_signal(reactor: SignalReactor, function: Callable[[], None]) -> Callable[[T], T]:
    """
    Call `function` for each SIGINT and SIGTERM from now on, instead of the handlers.

    Twisted's handlers would log a traceback, as a reactor cannot be stopped twice.
    The result restores them and returns its argument, for `addBoth`.
    """
    previous = {
        number: signal.signal(number, lambda *_: reactor.callFromThread(function))
        for number in _STOP_SIGNALS
    }

    def restore(result: T) -> T:
        for number, handler in previous.items():
            # None is a handler that was not installed from Python.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        return result

    return restore
