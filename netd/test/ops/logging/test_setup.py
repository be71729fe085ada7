"""
Tests for netd.ops.logging.setup.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.http.context import AccessRecord
from netd.ops.logging import setup as module
from netd.ops.logging.access_log import AccessLog, Text
from netd.ops.logging.journal import Journal
from netd.ops.logging.json_log import JSONLog
from netd.ops.logging.setup import STDOUT, Logs, logs


class LogsTests(SynchronousTestCase):
    """
    Forms and places.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def make(
        self, form: Any, access: str | None, output: str | int | None, **environ: str
    ) -> Logs:
        """The logs that are asked for."""
        made = logs(form, access, output, environ=environ, clock=Clock(), counters=Counters())
        for each in made.keepers:
            if isinstance(each, Journal):
                self.addCleanup(each._socket.close)
        return made

    def kinds(self, made: Logs) -> tuple[type, type]:
        """Who writes answers, and who events."""
        return type(made.access), type(made.observer)

    def test_kinds(self) -> None:
        """
        Each form has its writers; a file that twistd writes is left to it, as text.
        """
        nobody = type(None)
        file = str(self.path)
        for form, access, output, kinds in (
            ("text", "-", STDOUT, (AccessLog, Text)),
            ("text", file, STDOUT, (AccessLog, Text)),
            ("text", None, STDOUT, (nobody, Text)),
            ("text", "-", None, (AccessLog, nobody)),
            ("text", "-", "twistd.log", (AccessLog, nobody)),
            ("text", None, None, (nobody, nobody)),
            ("json", "-", STDOUT, (JSONLog, JSONLog)),
            ("json", file, None, (JSONLog, JSONLog)),
            ("json", None, file, (nobody, JSONLog)),
            ("journal", "-", STDOUT, (Journal, Journal)),
            ("journal", None, None, (nobody, Journal)),
            ("journal", file, STDOUT, (AccessLog, Journal)),
            ("auto", "-", STDOUT, (AccessLog, Text)),
        ):
            made = self.make(form, access, output)
            self.assertEqual(self.kinds(made), kinds, (form, access, output))
            made.stop()

    def test_auto(self) -> None:
        """
        The journal is spoken to where it reads standard error.
        """
        found = os.fstat(2)
        made = self.make("auto", "-", 1, JOURNAL_STREAM=f"{found.st_dev}:{found.st_ino}")
        self.assertIsInstance(made.observer, Journal)
        made = self.make("auto", "-", 1, JOURNAL_STREAM=f"{found.st_dev}:{found.st_ino + 1}")
        self.assertIsInstance(made.observer, Text)

    def test_one_place(self) -> None:
        """
        What goes to one place goes through one buffer, so that no line is cut by another.
        """
        self.assertEqual(len(self.make("text", "-", STDOUT).keepers), 1)
        self.assertEqual(len(self.make("json", "-", None).keepers), 1)
        self.assertEqual(len(self.make("json", str(self.path), None).keepers), 2)

    def test_files(self) -> None:
        """
        Files are written, opened anew, and written to the end and after it.
        """
        answers, events = self.path.with_suffix(".a"), self.path.with_suffix(".b")
        made = self.make("json", str(answers), str(events))
        assert made.access is not None
        assert made.observer is not None
        made.access.record(AccessRecord(b"-", b"-", 200, 0, b"-", b"-"))
        made.observer({"log_format": "one"})
        for each in (answers, events):
            each.rename(f"{each}.1")
        made.reopen()
        made.access.record(AccessRecord(b"-", b"-", 404, 0, b"-", b"-"))
        made.stop()
        made.observer({"log_format": "two"})
        for path, said in (
            (f"{answers}.1", '"-" 200 0'),
            (answers, '"-" 404 0'),
            (f"{events}.1", "one"),
            (events, "two"),
        ):
            self.assertEqual(json.loads(Path(path).read_text())["message"], said)

    def test_refused(self) -> None:
        """
        A file that cannot be opened is refused by name.
        """
        for form, access, output, option in (
            ("text", "/nonexistent/log", 1, "--access-log"),
            ("journal", "/nonexistent/log", 1, "--access-log"),
            ("json", None, "/nonexistent/log", "--logfile"),
        ):
            with self.assertRaises(UsageError) as caught:
                self.make(form, access, output)
            said = f"{option} /nonexistent/log: No such file or directory"
            self.assertEqual(str(caught.exception), said)

    def test_closed(self) -> None:
        """
        Standard output that is closed is named as the operator names it.
        """

        def closed(*_: object) -> None:
            raise OSError(9, "Bad file descriptor")

        self.patch(module, "LineWriter", closed)
        with self.assertRaises(UsageError) as caught:
            self.make("text", "-", STDOUT)
        self.assertEqual(str(caught.exception), "--access-log -: Bad file descriptor")
