"""
What a second SIGTERM or SIGINT means: do not wait for the grace.

Rules: touches handlers only while a stop is under way, and puts them back.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

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
