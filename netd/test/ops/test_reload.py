"""
Tests for netd.ops.reload.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import evolve
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent, LogLevel, capturedLogs
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from netd import settings
from netd.daemon import build
from netd.ops.reload import Commit, Reload, Reloadable
from netd.setting_types import Option
from netd.settings import OPTIONS, Settings
from netd.test.options.examples import COMPANY, EXAMPLES, Commands
from netd.test.stages import identity
from netd.values import Duration, Endpoint

HERE = Endpoint("tcp", "127.0.0.1", 0)
START = Settings(
    http=settings.HTTP(
        (HERE,),
        Duration.parse("3s"),
        settings.Limits(max_delay=60.0, max_body=1 << 20),
    ),
    tls=settings.TLS((), None, None),
    files=settings.Files(None),
    udp=settings.UDP(None),
    grace=Duration.parse("10s"),
)
LATER = evolve(START, grace=Duration.parse("5s"))


class ReloadTests(SynchronousTestCase):
    """
    A new configuration, as a whole or not at all.
    """

    def setUp(self) -> None:
        self.now = START
        self.done: list[str] = []
        self.planned: list[str] = []

    def read(self) -> Settings:
        """The settings of this moment."""
        return self.now

    def part(self, name: str, of: Callable[[Settings], object] | None = None) -> Reloadable:
        """A part that records its plans and commits."""

        def plan(fresh: Settings) -> Commit:
            self.planned.append(name)
            return lambda: self.done.append(f"{name} {fresh.grace}")

        return Reloadable(plan, of or (lambda _: None), always=of is None)

    def bad(self, error: Exception) -> Reloadable:
        """A part that refuses its plan."""

        def plan(fresh: Settings) -> Commit:
            raise error

        return Reloadable(plan, lambda _: None, always=True)

    def run_logged(self, reload: Reload) -> tuple[str, list[LogEvent]]:
        """The outcome of a reload, and what it logs."""
        with capturedLogs() as events:
            outcome = reload()
        return outcome, list(events)

    def test_all(self) -> None:
        """
        Every part is changed, after every part has been planned.
        """
        reload = Reload(START, self.read, [self.part("a"), self.part("b")])
        self.now = LATER
        outcome, events = self.run_logged(reload)
        self.assertEqual(outcome, "Reloaded")
        self.assertEqual(self.done, ["a 5s", "b 5s"])
        self.assertEqual([each["log_level"] for each in events], [LogLevel.info])

    def test_none(self) -> None:
        """
        If a part refuses its plan, no part is changed, and one error line says why.
        """
        error = UsageError("--files /x: No such file or directory")
        reload = Reload(START, self.read, [self.part("a"), self.bad(error), self.part("b")])
        self.now = LATER
        outcome, events = self.run_logged(reload)
        self.assertEqual(outcome, "Not reloaded: --files /x: No such file or directory")
        self.assertEqual(self.done, [])
        self.assertEqual([each["log_level"] for each in events], [LogLevel.error])

    def test_unreadable(self) -> None:
        """
        If the configuration cannot be read, no part is planned.
        """

        def read() -> Settings:
            raise UsageError("--config a: line 1")

        outcome, events = self.run_logged(Reload(START, read, [self.part("a")]))
        self.assertEqual(outcome, "Not reloaded: --config a: line 1")
        self.assertEqual((self.planned, len(events)), ([], 1))

    def test_bug(self) -> None:
        """
        A bug in a plan is logged with its traceback, and no part is changed.
        """
        reload = Reload(START, self.read, [self.part("a"), self.bad(ZeroDivisionError())])
        self.assertEqual(self.run_logged(reload)[0], "Not reloaded: see the log")
        self.assertEqual(self.done, [])
        self.flushLoggedErrors(ZeroDivisionError)

    def test_half(self) -> None:
        """
        A bug in a commit is logged and reported, and the next reload commits every part again.
        """

        def broken() -> None:
            if not broke:
                broke.append(True)
                raise ZeroDivisionError

        broke: list[bool] = []
        parts = [
            self.part("a", lambda of: of.grace),
            Reloadable(lambda _: broken, lambda _: None, always=True),
            self.part("b", lambda of: of.grace),
        ]
        reload = Reload(START, self.read, parts)
        self.now = LATER
        self.assertEqual(self.run_logged(reload)[0], "Reloaded in part: see the log")
        self.flushLoggedErrors(ZeroDivisionError)
        self.assertEqual(self.done, ["a 5s"])
        self.assertEqual(self.run_logged(reload)[0], "Reloaded")
        self.assertEqual(self.done, ["a 5s", "a 5s", "b 5s"])

    def test_oneLine(self) -> None:
        """
        A message of several lines becomes one line.
        """
        reload = Reload(START, self.read, [self.bad(UsageError("--files a\nREADY=1: no"))])
        self.assertEqual(self.run_logged(reload)[0], "Not reloaded: --files a READY=1: no")

    def test_untouched(self) -> None:
        """
        A part is planned only if its settings differ from those of the latest reload.
        """
        reload = Reload(START, self.read, [self.part("grace", lambda of: of.grace)])
        for now, done in ((START, 0), (LATER, 1), (LATER, 1), (START, 2)):
            self.now = now
            self.run_logged(reload)
            self.assertEqual(len(self.done), done)

    def test_afterFailure(self) -> None:
        """
        The next reload makes the changes of a failed reload.
        """
        parts = [self.part("grace", lambda of: of.grace), self.bad(UsageError("no"))]
        reload = Reload(START, self.read, parts)
        self.now = LATER
        self.run_logged(reload)
        parts.pop()
        self.run_logged(reload)
        self.assertEqual(self.done, ["grace 5s"])

    def test_fixed(self) -> None:
        """
        Each reload names the options that only a restart changes, and changes the rest.
        """
        reload = Reload(START, self.read, [self.part("a")])
        self.now = evolve(
            LATER,
            http=evolve(START.http, listen=(HERE, HERE)),
            services=(settings.Service("echo", HERE),),
        )
        for _ in range(2):
            outcome, events = self.run_logged(reload)
            self.assertEqual(outcome, "Reloaded, but for --port, --bind or --http; --service")
            self.assertEqual(
                [each["log_level"] for each in events], [LogLevel.info, LogLevel.warn]
            )
        self.assertEqual(self.done, ["a 5s", "a 5s"])


class EveryOptionTests(Commands):
    """
    Each option, changed alone in the daemon that `netd.daemon` builds.
    """

    def test_everyOption(self) -> None:
        """
        A reload plans a part that depends on the option, or says that a restart is needed.
        """
        certificate, key = identity().write(Path(self.mktemp()))
        daemon = build(
            self.settings(f"--certificate={certificate}", f"--private-key={key}", "--https=0"),
            MemoryReactorClock(),
            {},
        )
        for option in OPTIONS:
            company = [f"--{key}={value}" for key, value in COMPANY.get(option.name, ())]
            before, *others = (
                self.settings(*company, f"--{option.name}={text}")
                for text in EXAMPLES[option.name]
            )
            for after in others:
                if after != before:
                    self.check(option, before, after, daemon.parts.reloadables())

    def check(
        self, option: Option, before: Settings, after: Settings, parts: Sequence[Reloadable]
    ) -> None:
        """Reload from `before` to `after`, with parts that only note that they are planned."""
        planned: list[Reloadable] = []

        def noting(part: Reloadable) -> Reloadable:
            def plan(fresh: Settings) -> Commit:
                planned.append(part)
                return lambda: None

            return Reloadable(plan, part.depends_on)

        outcome = Reload(before, lambda: after, [noting(part) for part in parts])()
        warned = re.search(rf"--{option.name}(?![a-z0-9-])", outcome) is not None
        self.assertEqual(warned, option.restart, f"{option.name}: {outcome}")
        self.assertTrue(warned or planned, f"no part of the daemon depends on --{option.name}")
