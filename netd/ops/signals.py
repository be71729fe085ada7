"""
Signals: SIGUSR1 for fresh logs, a second SIGTERM or SIGINT for not waiting.

Rules: handlers are called on the reactor's thread, and those of a stop are put back.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, TypeVar

T = TypeVar("T")


def on_signal(reactor: Any, number: signal.Signals, act: Callable[[], None]) -> None:
    """
    Call `act` on the reactor's thread for each signal `number`, once the reactor runs.

    Whoever handled the signal before (twistd rotates its own log on SIGUSR1) still hears of it.
    """

    def install() -> None:
        before = signal.getsignal(number)

        def heard(_: int, frame: FrameType | None) -> None:
            reactor.callFromThread(act)
            if callable(before):
                before(number, frame)

        signal.signal(number, heard)

    reactor.callWhenRunning(install)


_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


def impatient(reactor: Any, hurry: Callable[[], None]) -> Callable[[T], T]:
    """
    Call `hurry` on the reactor's thread for each stop signal that comes from now on.

    Twisted would log a traceback for it: its reactor cannot be stopped twice.
    The result restores the handlers and passes its argument on, for `addBoth`.
    """
    before = {
        number: signal.signal(number, lambda *_: reactor.callFromThread(hurry))
        for number in _STOPPING
    }

    def restore(result: T) -> T:
        for number, handler in before.items():
            # None: whoever handled it did so outside of Python; nothing to put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        return result

    return restore
