"""
The systemd units, checked by systemd-analyze.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.programs import needs
from tests.running import ROOT, Finished, run, temporary_directory

_UNITS: Final = ROOT / "contrib" / "systemd"
_COMMAND: Final = "/opt/netd/bin/netd"
_MOST: Final = {
    (): 1.1,
    ("strict",): 0.5,
    ("direct",): 1.1,
    ("tls",): 1.1,
    ("strict", "tls"): 0.5,
    ("direct", "tls"): 1.1,
}
"""How exposed the service may be, of 10, with these drop-ins."""


class UnitTests(SynchronousTestCase):
    """
    `contrib/systemd/`, with a program that exists here.
    """

    def setUp(self) -> None:
        self.folder = self.enterContext(temporary_directory())
        self.units = []
        for unit in sorted([*_UNITS.glob("*.service"), *_UNITS.glob("*.socket")]):
            text = re.sub("/opt/netd/bin/[a-z]+", sys.executable, unit.read_text())
            (self.folder / unit.name).write_text(text)
            self.units.append(self.folder / unit.name)
        self.drop_ins = self.folder / "netd.service.d"

    def use(self, *names: str) -> None:
        """Install these drop-ins, and no others."""
        shutil.rmtree(self.drop_ins, ignore_errors=True)
        self.drop_ins.mkdir()
        for name in names:
            shutil.copy(_UNITS / f"{name}.conf", self.drop_ins)

    def analyze(self, *words: str | Path) -> Finished:
        """The finished `systemd-analyze WORDS`."""
        return run("systemd-analyze", "--no-pager", *words)

    def test_everyFile(self) -> None:
        """
        The tests below cover every unit and every drop-in.
        """
        drop_ins = {path.stem for path in _UNITS.glob("*.conf")}
        self.assertEqual(drop_ins, {name for names in _MOST for name in names})
        self.assertEqual(
            [path.name for path in self.units],
            ["netd-https.socket", "netd-worker.service", "netd.service", "netd.socket"],
        )

    @needs("systemd-analyze")
    def test_verify(self) -> None:
        """
        `verify` reports no mistake.
        """
        for names in _MOST:
            self.use(*names)
            done = self.analyze("verify", "--man=no", *self.units)
            self.assertEqual((done.status, done.out, done.err), (0, "", ""), names)

    @needs("systemd-analyze")
    def test_verifyFinds(self) -> None:
        """
        `verify` reports a mistake in a drop-in.
        """
        self.use("strict")
        (self.drop_ins / "wrong.conf").write_text("[Service]\nNoSuchThing=1\n")
        done = self.analyze("verify", "--man=no", *self.units)
        self.assertIn("NoSuchThing", done.err)

    @needs("systemd-analyze")
    def test_security(self) -> None:
        """
        `security` prints at most the promised exposure for each set of drop-ins.
        """
        for names, most in _MOST.items():
            self.use(*names)
            unit = self.folder / "netd.service"
            done = self.analyze("security", "--offline=true", "--threshold=100", unit)
            exposure = re.search(r"exposure level for netd\.service: ([0-9.]+)", done.out)
            assert exposure is not None, done.out + done.err
            self.assertLessEqual(float(exposure[1]), most, f"{names}\n{done.out}")

    @needs("systemd-analyze")
    def test_worker(self) -> None:
        """
        The workers are no more exposed than the daemon, and have limits too.
        """
        unit = self.folder / "netd-worker.service"
        done = self.analyze("security", "--offline=true", "--threshold=100", unit)
        self.assertIn("exposure level for netd-worker.service: 1.1", done.out)
        text = unit.read_text()
        for name in ("MemoryMax=", "TasksMax=", "DynamicUser=yes", "KillMode=mixed"):
            self.assertIn(f"\n{name}", text)

    def test_limits(self) -> None:
        """
        The service has limits of memory and of tasks, which no drop-in lifts.
        """
        texts = [path.read_text() for path in (_UNITS / "netd.service", *_UNITS.glob("*.conf"))]
        for name in ("MemoryMax", "TasksMax"):
            values = re.findall(rf"^{name}=(.*)$", "\n".join(texts), re.MULTILINE)
            self.assertEqual(len(values), 1, name)
            self.assertNotIn(values[0], ("", "infinity"))

    def test_notify(self) -> None:
        """
        The main process is netd itself, in the foreground, with Type=notify.
        """
        lines = (_UNITS / "netd.service").read_text().splitlines()
        for line in (
            "Type=notify",
            "NotifyAccess=main",
            f"ExecStart={_COMMAND}",
            "ExecReload=/bin/kill -HUP $MAINPID",
            "DynamicUser=yes",
            "CapabilityBoundingSet=",
        ):
            self.assertIn(line, lines)
        self.assertTrue(any(line.startswith("WatchdogSec=") for line in lines))

    def test_names(self) -> None:
        """
        Each socket unit gives its descriptors a name that netd knows.
        """
        for unit, name in (("netd.socket", "netd"), ("netd-https.socket", "https")):
            self.assertIn(f"FileDescriptorName={name}", (_UNITS / unit).read_text())
