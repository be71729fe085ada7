"""
lab.*.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.faults import BadParameters, Fault
from netd.xmlrpc.methods import lab


class LabTests(SynchronousTestCase):
    """
    Methods that echo, wait, compute or fail.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.methods = {
            each.name: each for each in (*lab.procedures(self.clock), *lab.OFFLOADED)
        }

    def ask(self, name: str, *values: Any) -> Any:
        """The result of lab.NAME."""
        method = self.methods[f"lab.{name}"]
        method.signature.check(method.name, values)
        return method.function(*values)

    def test_names(self) -> None:
        """All six methods have a help text, and only burn is offloaded."""
        self.assertEqual(
            sorted(self.methods),
            ["lab.burn", "lab.bytes", "lab.delay", "lab.echo", "lab.fault", "lab.time"],
        )
        for each in self.methods.values():
            self.assertTrue(each.help)
            self.assertEqual(each.offload, each.name == "lab.burn")

    def test_echo(self) -> None:
        """echo returns its value."""
        self.assertEqual(self.ask("echo", [1, {"a": None}]), [1, {"a": None}])

    def test_fault(self) -> None:
        """fault raises the requested fault."""
        fault = self.assertRaises(Fault, self.ask, "fault", 7, "seven")
        self.assertEqual((fault.code, fault.text), (7, "seven"))

    def test_bytes(self) -> None:
        """bytes gives the requested number, at most 64 KiB."""
        self.assertEqual(self.ask("bytes", 0), b"")
        self.assertEqual(self.ask("bytes", 300), bytes(range(256)) + bytes(range(44)))
        self.assertEqual(len(self.ask("bytes", 65536)), 65536)
        for count in (-1, 65537, 3 * 10**7):
            self.assertRaises(BadParameters, self.ask, "bytes", count)

    def test_time(self) -> None:
        """time is the current time in whole seconds, without a zone."""
        now = self.ask("time")
        self.assertEqual((now.microsecond, now.tzinfo), (0, None))
        self.assertGreater(now.year, 2025)

    def test_delay(self) -> None:
        """delay waits for the seconds and returns them."""
        waited = self.ask("delay", 2)
        self.clock.advance(1.9)
        self.assertNoResult(waited)
        self.clock.advance(0.1)
        self.assertEqual(self.successResultOf(waited), 2)

    def test_delayCancelled(self) -> None:
        """A cancelled delay leaves no timer."""
        waited = self.ask("delay", 2.5)
        waited.addErrback(lambda _: None)
        waited.cancel()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_seconds(self) -> None:
        """Negative and too long times are refused."""
        for name in ("delay", "burn"):
            for seconds in (-1, 3600.5, 10**9):
                self.assertRaises(BadParameters, self.ask, name, seconds)

    def test_burn(self) -> None:
        """burn returns its seconds and its rounds."""
        burnt = self.ask("burn", 0.001)
        self.assertGreaterEqual(burnt["seconds"], 0.001)
        self.assertGreaterEqual(burnt["rounds"], 0)
