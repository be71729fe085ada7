"""
Tests of netd.ops.signals.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any, cast

from attrs import define, field
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from netd.ops import signals
from netd.ops.signals import limit_stop, on_signal, on_stop_signal


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
        on_signal(self.reactor, "SIGUSR1", self.function)
        os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual(self.reactor.called, [self.function])
        self.assertEqual(self.seen, [signal.SIGUSR1])

    def test_noHandler(self) -> None:
        """A signal without a previous handler no longer ends the process."""
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        on_signal(self.reactor, "SIGUSR1", self.function)
        os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual(self.reactor.called, [self.function])

    def test_unknown(self) -> None:
        """A signal that the system lacks is not waited for."""
        on_signal(self.reactor, "SIGNONE", self.function)
        self.assertEqual(self.reactor.called, [])


class LimitTests(SynchronousTestCase):
    """
    The limit of a stop.
    """

    def setUp(self) -> None:
        self.seen: list[int] = []
        self.timers: list[tuple[int, float]] = []
        self.killed: list[tuple[int, int]] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, lambda number, _: self.seen.append(number))
            self.addCleanup(signal.signal, number, before)
        self.addCleanup(signal.signal, signal.SIGALRM, signal.getsignal(signal.SIGALRM))
        self.patch(signal, "setitimer", lambda *timer: self.timers.append(timer))

    def test_begins(self) -> None:
        """A stop signal starts the time, as long as it is then, and has its effect."""
        seconds = [2.0, 3.0]
        reactor: Any = Thread()
        limit_stop(reactor, lambda: seconds.pop(0))
        self.assertEqual(self.timers, [])
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        self.assertEqual(self.timers, [(signal.ITIMER_REAL, 3.0), (signal.ITIMER_REAL, 4.0)])

    def test_together(self) -> None:
        """Two stop signals in one turn of the reactor are one, which Twisted gets."""
        reactor: Any = Thread()
        limit_stop(reactor, lambda: 2.0)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        self.assertEqual(self.seen, [signal.SIGTERM])
        reactor.called.pop()()
        os.kill(os.getpid(), signal.SIGINT)
        self.assertEqual(self.seen, [signal.SIGTERM, signal.SIGINT])

    def test_ends(self) -> None:
        """When the time is over the process ends by SIGTERM, and the log says why."""
        reactor: Any = Thread()
        limit_stop(reactor, lambda: 0.0)
        handler: Any = signal.getsignal(signal.SIGALRM)
        self.patch(os, "kill", lambda *each: self.killed.append(each))
        with capturedLogs() as events:
            handler(signal.SIGALRM, None)
        self.assertEqual(self.killed, [(os.getpid(), signal.SIGTERM)])
        self.assertEqual(signal.getsignal(signal.SIGTERM), signal.SIG_DFL)
        self.assertIn("ended before the stop was complete", str(events[0]["log_format"]))

    def test_foreign(self) -> None:
        """Without `limit_stop` no alarm is set, as nothing would handle it."""
        on_stop_signal(Thread(), lambda: None, float)  # type: ignore[arg-type]  # a fake
        os.kill(os.getpid(), signal.SIGTERM)
        self.assertEqual(self.timers, [])

    def test_windows(self) -> None:
        """Where there is no alarm a stop signal has its effect, and no limit."""
        self.patch(signals, "_ALARM", None)
        limit_stop(cast(Any, Thread()), lambda: 2.0)
        os.kill(os.getpid(), signal.SIGTERM)
        self.assertEqual((self.seen, self.timers), ([signal.SIGTERM], []))

    def test_ignored(self) -> None:
        """A signal that the process ignores stays ignored."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        reactor: Any = Thread()
        limit_stop(reactor, lambda: 2.0)
        calls: list[None] = []
        restore = on_stop_signal(reactor, lambda: calls.append(None), lambda: 2.0)
        os.kill(os.getpid(), signal.SIGINT)
        self.assertEqual((self.timers, calls), ([], []))
        restore(None)
        reactor.called.pop()()
        self.assertEqual(signal.getsignal(signal.SIGINT), signal.SIG_IGN)

    def test_hurry(self) -> None:
        """A signal during the stop leaves its limit and a second; none prolongs the rest."""
        reactor: Any = Thread()
        limit_stop(reactor, lambda: 5.0)
        limits = [3.0, 0.0]
        restore = on_stop_signal(reactor, lambda: None, lambda: limits.pop(0))
        self.patch(signal, "getitimer", lambda _: (4.5, 0.0))
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        restore(None)
        reactor.called[-1]()
        os.kill(os.getpid(), signal.SIGTERM)
        self.assertEqual([seconds for _, seconds in self.timers], [4.0, 1.0, 4.5])


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

        on_stop_signal(self.reactor, function, float)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        self.assertEqual(self.reactor.called, [function, function])
        self.assertEqual(self.seen, [])

    def test_restores(self) -> None:
        """Previous handlers come back if the reactor goes on; the argument is returned."""
        restore = on_stop_signal(self.reactor, lambda: None, float)
        self.assertEqual(restore("result"), "result")
        os.kill(os.getpid(), signal.SIGTERM)
        self.assertEqual(self.seen, [])
        self.reactor.called[0]()
        os.kill(os.getpid(), signal.SIGTERM)
        self.assertEqual(self.seen, [signal.SIGTERM])

    def test_foreign(self) -> None:
        """A handler that was not installed from Python is replaced by the default."""
        # signal.signal returns None for such a handler.
        replaced: list[tuple[int, object]] = []

        def replace(number: int, handler: object) -> None:
            replaced.append((number, handler))

        self.patch(signal, "signal", replace)
        on_stop_signal(self.reactor, lambda: None, float)(None)
        self.reactor.called[0]()
        self.assertEqual(
            replaced[2:], [(signal.SIGINT, signal.SIG_DFL), (signal.SIGTERM, signal.SIG_DFL)]
        )
