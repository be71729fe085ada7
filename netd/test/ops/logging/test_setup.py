"""
Tests of netd.ops.logging.setup.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.application.service import Application, MultiService
from twisted.internet.task import Clock
from twisted.logger import ILogObserver
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.http.context import AccessRecord
from netd.ops.logging import setup as module
from netd.ops.logging.access_log import CombinedLog, TextLog
from netd.ops.logging.journal import JournalLog
from netd.ops.logging.json_log import JSONLog
from netd.ops.logging.line_writer import LineWriter
from netd.ops.logging.setup import STDOUT, Logs, logs
from netd.settings import HTTP, Monitoring, Settings


class LogsTests(SynchronousTestCase):
    """
    Forms and destinations.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def make(
        self,
        form: Any,
        access: str | None,
        output: str | int | None,
        *,
        duration: bool = False,
        worker: Callable[[], int] | None = None,
        **environ: str,
    ) -> Logs:
        """The logs for these settings."""
        settings = Settings(
            http=HTTP(access_log=access, access_log_duration=duration),
            monitoring=Monitoring(log=form),
        )
        tested = logs(settings, output, environ, Clock(), Counters(), worker=worker)
        for destination in tested.destinations:
            if isinstance(destination, JournalLog):
                self.addCleanup(destination._socket.close)
        return tested

    def kinds(self, tested: Logs) -> tuple[type, type]:
        """The types of the access log and of the observer."""
        return type(tested.access), type(tested.observer)

    def test_kinds(self) -> None:
        """Each form has its types; text files of events are left to twistd."""
        none = type(None)
        file = str(self.path)
        for form, access, output, kinds in (
            ("text", "-", STDOUT, (CombinedLog, TextLog)),
            ("text", file, STDOUT, (CombinedLog, TextLog)),
            ("text", None, STDOUT, (none, TextLog)),
            ("text", "-", None, (CombinedLog, none)),
            ("text", "-", "twistd.log", (CombinedLog, none)),
            ("text", None, None, (none, none)),
            ("json", "-", STDOUT, (JSONLog, JSONLog)),
            ("json", file, None, (JSONLog, JSONLog)),
            ("json", None, file, (none, JSONLog)),
            ("journal", "-", STDOUT, (JournalLog, JournalLog)),
            ("journal", None, None, (none, JournalLog)),
            ("journal", file, STDOUT, (CombinedLog, JournalLog)),
            ("auto", "-", STDOUT, (CombinedLog, TextLog)),
        ):
            tested = self.make(form, access, output)
            self.assertEqual(self.kinds(tested), kinds, (form, access, output))
            tested.stop()

    def test_duration(self) -> None:
        """Lines of the combined format end in a duration, whatever the form of the others."""
        for form in ("text", "journal", "json"):
            for duration in (True, False):
                tested = self.make(form, str(self.path), None, duration=duration)
                assert tested.access is not None
                self.assertEqual(tested.access.detailed, duration or form == "json")
                tested.stop()

    def test_auto(self) -> None:
        """`auto` is the journal where it reads standard error."""
        status = os.fstat(2)
        tested = self.make("auto", "-", 1, JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino}")
        self.assertIsInstance(tested.observer, JournalLog)
        tested = self.make(
            "auto", "-", 1, JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino + 1}"
        )
        self.assertIsInstance(tested.observer, TextLog)

    def test_shared(self) -> None:
        """Both logs of one target share a destination."""
        self.assertEqual(len(self.make("text", "-", STDOUT).destinations), 1)
        self.assertEqual(len(self.make("json", "-", None).destinations), 1)
        self.assertEqual(len(self.make("json", str(self.path), None).destinations), 2)

    def test_files(self) -> None:
        """Files are reopened, and written until the stop and after it."""
        responses, events = self.path.with_suffix(".a"), self.path.with_suffix(".b")
        tested = self.make("json", str(responses), str(events))
        assert tested.access is not None
        assert tested.observer is not None
        tested.access.record(AccessRecord(b"-", b"-", 200, 0, b"-", b"-"))
        tested.observer({"log_format": "one"})
        for path in (responses, events):
            path.rename(f"{path}.1")
        tested.reopen()
        tested.access.record(AccessRecord(b"-", b"-", 404, 0, b"-", b"-"))
        tested.stop()
        tested.observer({"log_format": "two"})
        for path, message in (
            (Path(f"{responses}.1"), '"-" 200 0'),
            (responses, '"-" 404 0'),
            (Path(f"{events}.1"), "one"),
            (events, "two"),
        ):
            self.assertEqual(json.loads(path.read_text())["message"], message)

    def test_refused(self) -> None:
        """A file that cannot be opened is a UsageError."""
        for form, access, output, option in (
            ("text", "/nonexistent/log", 1, "--access-log"),
            ("journal", "/nonexistent/log", 1, "--access-log"),
            ("json", None, "/nonexistent/log", "--logfile"),
        ):
            caught = self.assertRaises(UsageError, self.make, form, access, output)
            message = f"{option} /nonexistent/log: No such file or directory"
            self.assertEqual(str(caught), message)

    def test_closed(self) -> None:
        """Closed standard output is shown as `-`."""

        def closed(*_: object, **__: object) -> None:
            raise OSError(9, "Bad file descriptor")

        self.patch(module, "LineWriter", closed)
        caught = self.assertRaises(UsageError, self.make, "text", "-", STDOUT)
        self.assertEqual(str(caught), "--access-log -: Bad file descriptor")

    def test_worker(self) -> None:
        """With several processes each response says whose it is, and lines stay whole."""
        number = [0]
        entry = AccessRecord(b"127.0.0.1", b"GET / HTTP/1.1", 200, 1)
        tested = self.make("json", str(self.path), None, worker=lambda: number[0])
        # The number is known after the fork only.
        number[0] = 3
        assert tested.access is not None
        tested.access.record(entry)
        tested.stop()
        self.assertEqual(json.loads(self.path.read_text())["worker"], 3)
        writer = tested.destinations[0]
        assert isinstance(writer, LineWriter)
        self.assertTrue(writer._shared)
        alone = self.make("json", str(self.path), None).destinations[0]
        assert isinstance(alone, LineWriter)
        self.addCleanup(alone.stop)
        self.assertFalse(alone._shared)

    def test_journalWorker(self) -> None:
        """Entries of the journal say so, too."""
        sent: list[bytes] = []
        self.patch(JournalLog, "_send", lambda _, data: sent.append(data))
        for worker, text in ((lambda: 3, True), (None, False)):
            tested = self.make("journal", "-", None, worker=worker)
            assert tested.access is not None
            tested.access.record(AccessRecord(b"a", b"GET / HTTP/1.1", 200, 1))
            self.assertEqual(b"NETD_WORKER=3\n" in sent.pop(), text)

    def test_descriptors(self) -> None:
        """The descriptors are those of the open files."""
        tested = self.make("text", str(self.path), STDOUT)
        found = tested.descriptors()
        self.assertEqual(os.readlink(f"/proc/self/fd/{found[0]}"), str(self.path.absolute()))
        self.assertEqual(found[1], STDOUT)
        tested.destinations[0].stop()

    def test_attach(self) -> None:
        """An application gets the observer, unless it has one, or is no application."""
        observer: Any = object()
        tested = Logs(observer=observer)
        application: Any = Application("netd")
        tested.attach(application)
        self.assertIs(application.getComponent(ILogObserver), observer)
        Logs(observer=lambda _: None).attach(application)  # type: ignore[arg-type]  # unused
        self.assertIs(application.getComponent(ILogObserver), observer)
        tested.attach(MultiService())
        Logs().attach(application)
