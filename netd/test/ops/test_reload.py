"""
Tests for netd.ops.reload.
"""

from __future__ import annotations

import re
from collections.abc import Callable
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
        """The settings of the moment."""
        return self.now

    def part(self, name: str, of: Callable[[Settings], object] | None = None) -> Reloadable:
        """One that notes what becomes of it."""

        def plan(fresh: Settings) -> Commit:
            self.planned.append(name)
            return lambda: self.done.append(f"{name} {fresh.grace}")

        return Reloadable(plan, of or (lambda _: None), always=of is None)

    def bad(self, wrong: Exception) -> Reloadable:
        """One that cannot do what is asked."""

        def plan(fresh: Settings) -> Commit:
            raise wrong

        return Reloadable(plan, lambda _: None, always=True)

    def run_logged(self, reload: Reload) -> tuple[str, list[LogEvent]]:
        """What a reload says, and what it logs."""
        with capturedLogs() as events:
            said = reload()
        return said, list(events)

    def test_all(self) -> None:
        """
        Every part changes, after every part was asked.
        """
        reload = Reload(START, self.read, [self.part("a"), self.part("b")])
        self.now = LATER
        said, events = self.run_logged(reload)
        self.assertEqual(said, "Reloaded")
        self.assertEqual(self.done, ["a 5s", "b 5s"])
        self.assertEqual([each["log_level"] for each in events], [LogLevel.info])

    def test_none(self) -> None:
        """
        When one part cannot, no part changes, and one error line says why.
        """
        wrong = UsageError("--files /x: No such file or directory")
        reload = Reload(START, self.read, [self.part("a"), self.bad(wrong), self.part("b")])
        self.now = LATER
        said, events = self.run_logged(reload)
        self.assertEqual(said, "Not reloaded: --files /x: No such file or directory")
        self.assertEqual(self.done, [])
        self.assertEqual([each["log_level"] for each in events], [LogLevel.error])

    def test_unreadable(self) -> None:
        """
        When the configuration cannot be read, no part is even asked.
        """

        def read() -> Settings:
            raise UsageError("--config a: line 1")

        said, events = self.run_logged(Reload(START, read, [self.part("a")]))
        self.assertEqual(said, "Not reloaded: --config a: line 1")
        self.assertEqual((self.planned, len(events)), ([], 1))

    def test_bug(self) -> None:
        """
        A bug in a check is logged with its traceback, and changes nothing.
        """
        reload = Reload(START, self.read, [self.part("a"), self.bad(ZeroDivisionError())])
        self.assertEqual(self.run_logged(reload)[0], "Not reloaded: see the log")
        self.assertEqual(self.done, [])
        self.flushLoggedErrors(ZeroDivisionError)

    def test_half(self) -> None:
        """
        A bug in the middle of the changes is logged and said, and the next reload does it all.
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

    def test_one_line(self) -> None:
        """
        What is wrong is said in one line, whatever stands in it.
        """
        reload = Reload(START, self.read, [self.bad(UsageError("--files a\nREADY=1: no"))])
        self.assertEqual(self.run_logged(reload)[0], "Not reloaded: --files a READY=1: no")

    def test_untouched(self) -> None:
        """
        A part whose settings are as they were is left alone, as of the latest reload.
        """
        reload = Reload(START, self.read, [self.part("grace", lambda of: of.grace)])
        for now, done in ((START, 0), (LATER, 1), (LATER, 1), (START, 2)):
            self.now = now
            self.run_logged(reload)
            self.assertEqual(len(self.done), done)

    def test_after_failure(self) -> None:
        """
        What a failed reload did not do is done by the next one.
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
        What only a restart changes is said in one warning, each time, and the rest changes.
        """
        reload = Reload(START, self.read, [self.part("a")])
        self.now = evolve(
            LATER,
            http=evolve(START.http, listen=(HERE, HERE)),
            services=(settings.Service("echo", HERE),),
        )
        for _ in range(2):
            said, events = self.run_logged(reload)
            self.assertEqual(said, "Reloaded, but for --port, --bind or --http; --service")
            self.assertEqual(
                [each["log_level"] for each in events], [LogLevel.info, LogLevel.warn]
            )
        self.assertEqual(self.done, ["a 5s", "a 5s"])


class EveryOptionTests(Commands):
    """
    Each option, changed alone in the daemon that `netd.daemon` builds.
    """

    def test_every_option(self) -> None:
        """
        A reload changes the part that an option is for, or says that only a restart does.
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
                    self.check(option, before, after, daemon.parts)

    def check(
        self, option: Option, before: Settings, after: Settings, parts: list[Reloadable]
    ) -> None:
        """Reload from `before` to `after`, with parts that only note that they are planned."""
        planned: list[Reloadable] = []

        def noting(part: Reloadable) -> Reloadable:
            def plan(fresh: Settings) -> Commit:
                planned.append(part)
                return lambda: None

            return Reloadable(plan, part.depends_on)

        outcome = Reload(before, lambda: after, [noting(part) for part in parts])()
        said = re.search(rf"--{option.name}(?![a-z0-9-])", outcome) is not None
        self.assertEqual(said, option.restart, f"{option.name}: {outcome}")
        self.assertTrue(said or planned, f"no part of the daemon depends on --{option.name}")
