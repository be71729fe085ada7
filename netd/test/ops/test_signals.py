"""
The second stop signal.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from netd.ops.signals import impatient, on_signal


@define
class Thread:
    """The part of a reactor that is called from signal handlers."""

    called: list[Callable[[], None]] = field(factory=list)

    def callWhenRunning(self, function: Callable[[], None]) -> None:
        """It runs."""
        function()

    def callFromThread(self, function: Callable[[], None]) -> None:
        """Keep `function`."""
        self.called.append(function)


class OnSignalTests(SynchronousTestCase):
    """
    A signal that has something done.
    """

    def setUp(self) -> None:
        self.seen: list[int] = []
        before = signal.signal(signal.SIGUSR1, lambda number, _: self.seen.append(number))
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        self.reactor = Thread()

    def act(self) -> None:
        """Never called here: it belongs to the reactor's thread."""
        raise AssertionError

    def test_heard(self) -> None:
        """The signal asks for the act on the reactor's thread, and its handler hears of it."""
        on_signal(self.reactor, signal.SIGUSR1, self.act)
        os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual(self.reactor.called, [self.act])
        self.assertEqual(self.seen, [signal.SIGUSR1])

    def test_noHandler(self) -> None:
        """A signal that nobody handled no longer ends the process."""
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        on_signal(self.reactor, signal.SIGUSR1, self.act)
        os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual(self.reactor.called, [self.act])


class ImpatientTests(SynchronousTestCase):
    """
    While a stop is under way.
    """

    def setUp(self) -> None:
        self.seen: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, lambda number, _: self.seen.append(number))
            self.addCleanup(signal.signal, number, before)

    def test_hurries(self) -> None:
        """Each stop signal asks for haste on the reactor's thread."""
        reactor = Thread()

        def hurry() -> None:
            """Never called here: it belongs to the reactor's thread."""
            raise AssertionError

        restore = impatient(reactor, hurry)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        restore(None)
        self.assertEqual(reactor.called, [hurry, hurry])
        self.assertEqual(self.seen, [])

    def test_restores(self) -> None:
        """Afterwards the handlers are those of before, and the result passes through."""
        restore = impatient(Thread(), lambda: None)
        self.assertEqual(restore("result"), "result")
        os.kill(os.getpid(), signal.SIGTERM)
        self.assertEqual(self.seen, [signal.SIGTERM])

    def test_foreign(self) -> None:
        """A handler that was not Python's is replaced by the default."""
        # What signal.signal returns for such a one is None.
        replaced: list[tuple[int, object]] = []

        def replace(number: int, handler: object) -> None:
            replaced.append((number, handler))

        self.patch(signal, "signal", replace)
        impatient(Thread(), lambda: None)(None)
        self.assertEqual(
            replaced[2:], [(signal.SIGINT, signal.SIG_DFL), (signal.SIGTERM, signal.SIG_DFL)]
        )
