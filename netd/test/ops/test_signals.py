"""
Tests of netd.ops.signals.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from netd.ops.signals import on_signal, on_stop_signal


@define
class Thread:
    """The methods of a reactor that signals need."""

    called: list[Callable[[], None]] = field(factory=list)

    def callWhenRunning(self, function: Callable[[], None]) -> None:
        """Call `function`, as the reactor runs."""
        function()

    def callFromThread(self, function: Callable[[], None]) -> None:
        """Keep `function`."""
        self.called.append(function)


class OnSignalTests(SynchronousTestCase):
    """
    A function for a signal.
    """

    def setUp(self) -> None:
        self.seen: list[int] = []
        before = signal.signal(signal.SIGUSR1, lambda number, _: self.seen.append(number))
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        self.reactor: Any = Thread()

    def function(self) -> None:
        """Fail: only the reactor's thread may call this."""
        raise AssertionError

    def test_called(self) -> None:
        """The function is called on the reactor's thread, and the previous handler at once."""
        on_signal(self.reactor, signal.SIGUSR1, self.function)
        os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual(self.reactor.called, [self.function])
        self.assertEqual(self.seen, [signal.SIGUSR1])

    def test_noHandler(self) -> None:
        """A signal without a previous handler no longer ends the process."""
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        on_signal(self.reactor, signal.SIGUSR1, self.function)
        os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual(self.reactor.called, [self.function])


class OnStopSignalTests(SynchronousTestCase):
    """
    Stop signals during a stop.
    """

    def setUp(self) -> None:
        self.seen: list[int] = []
        self.reactor: Any = Thread()
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, lambda number, _: self.seen.append(number))
            self.addCleanup(signal.signal, number, before)

    def test_called(self) -> None:
        """The function is called on the reactor's thread for each stop signal."""

        def function() -> None:
            """Fail: only the reactor's thread may call this."""
            raise AssertionError

        restore = on_stop_signal(self.reactor, function)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        restore(None)
        self.assertEqual(self.reactor.called, [function, function])
        self.assertEqual(self.seen, [])

    def test_restores(self) -> None:
        """Afterwards the previous handlers are back, and the argument is returned."""
        restore = on_stop_signal(self.reactor, lambda: None)
        self.assertEqual(restore("result"), "result")
        os.kill(os.getpid(), signal.SIGTERM)
        self.assertEqual(self.seen, [signal.SIGTERM])

    def test_foreign(self) -> None:
        """A handler that was not installed from Python is replaced by the default."""
        # signal.signal returns None for such a handler.
        replaced: list[tuple[int, object]] = []

        def replace(number: int, handler: object) -> None:
            replaced.append((number, handler))

        self.patch(signal, "signal", replace)
        on_stop_signal(self.reactor, lambda: None)(None)
        self.assertEqual(
            replaced[2:], [(signal.SIGINT, signal.SIG_DFL), (signal.SIGTERM, signal.SIG_DFL)]
        )
