"""
The systemd unit, as systemd-analyze judges it.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.running import ROOT, Finished, run

_UNIT = ROOT / "contrib" / "systemd" / "netd.service"
_COMMAND = "/opt/netd/bin/netd"


class UnitTests(SynchronousTestCase):
    """
    `contrib/systemd/netd.service`, with a program in it that exists here.
    """

    def setUp(self) -> None:
        if shutil.which("systemd-analyze") is None:
            raise SkipTest("systemd-analyze is not installed")
        text = _UNIT.read_text()
        program = shutil.which("true")
        assert program is not None
        self.assertEqual(text.count(_COMMAND), 1)
        room = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.unit = room / _UNIT.name
        self.unit.write_text(text.replace(_COMMAND, program))

    def analyze(self, *words: str | Path) -> Finished:
        """What `systemd-analyze WORDS unit` says."""
        return run("systemd-analyze", "--no-pager", *words, self.unit)

    def test_verify(self) -> None:
        """
        `verify` finds nothing to say of it.
        """
        done = self.analyze("verify", "--man=no")
        self.assertEqual((done.status, done.out, done.err), (0, "", ""))

    def test_security(self) -> None:
        """
        `security` finds it exposed to at most 2.0 of 10.
        """
        done = self.analyze("security", "--offline=true", "--threshold=20")
        self.assertEqual(done.status, 0, f"{done.out}{done.err}")
        score = re.search(r"Overall exposure level for netd\.service: ([0-9.]+)", done.out)
        assert score is not None, done.out
        self.assertLessEqual(float(score[1]), 2.0)

    def test_notify(self) -> None:
        """
        Its main process is netd itself, in the foreground, which says when it is ready.
        """
        lines = _UNIT.read_text().splitlines()
        self.assertIn("Type=notify", lines)
        self.assertIn("NotifyAccess=main", lines)
        self.assertIn(f"ExecStart={_COMMAND}", lines)
