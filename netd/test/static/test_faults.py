"""
Faults of files.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd.http.ranges import ByteRange, Part
from netd.lab.call import BadCall
from netd.script import Abort, Send, Step, Wait
from netd.static.faults import Fault


def parse(**query: bytes) -> Fault | None:
    """The fault in a query."""
    fields = {b"netd." + name.encode(): [value] for name, value in query.items()}
    return Fault.parse({b"other": [b"1"], **fields}, 60.0)


class ParseTests(SynchronousTestCase):
    """
    From a query to a fault.
    """

    def test_rows(self) -> None:
        """Durations and sizes are parsed as everywhere in netd; no value is no fault."""
        self.assertIsNone(parse())
        self.assertIsNone(parse(delay=b"0"))
        self.assertEqual(parse(delay=b"250ms"), Fault(delay=0.25))
        self.assertEqual(parse(rate=b"1KiB"), Fault(rate=1024))
        self.assertEqual(parse(truncate=b"0"), Fault(truncate=0))

    def test_notes(self) -> None:
        """The log has the kinds of the faults, and the delay."""
        for fault, notes in (
            (Fault(delay=0.25), (("delay", 0.25),)),
            (Fault(rate=1), (("fault", "rate"),)),
            (Fault(1.0, 2, 0), (("fault", "rate,truncate"), ("delay", 1.0))),
        ):
            self.assertEqual(fault.notes, notes)

    def test_refused(self) -> None:
        """An impossible value is a 400."""
        for query in (
            {"delay": b"-1"},
            {"delay": b"61"},
            {"delay": b"\xff"},
            {"rate": b"0"},
            {"rate": b"fast"},
            {"truncate": b"1.5"},
            {"truncate": b""},
        ):
            with self.subTest(query=query), self.assertRaises(BadCall) as caught:
                parse(**query)
            self.assertEqual(caught.exception.status, 400)


class ScriptTests(SynchronousTestCase):
    """
    From a fault to a script.
    """

    def script(self, fault: Fault, *parts: Part) -> list[Step]:
        """The script for a file of ten digits."""
        file = Path(self.mktemp())
        file.write_bytes(b"0123456789")
        fd = os.open(file, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        return list(fault.script(fd, parts))

    def test_delay(self) -> None:
        """The delay comes first."""
        self.assertEqual(
            self.script(Fault(delay=2.0), b"<", ByteRange(2, 5), b">"),
            [Wait(2.0), Send(b"<"), Send(b"234"), Send(b">")],
        )

    def test_rate(self) -> None:
        """Ten pieces a second are sent, each followed by its share of time."""
        self.assertEqual(
            self.script(Fault(rate=40), ByteRange(0, 10)),
            [
                Send(b"0123"),
                Wait(0.1),
                Send(b"4567"),
                Wait(0.1),
                Send(b"89"),
                Wait(0.05),
            ],
        )
        self.assertEqual(self.script(Fault(rate=1), ByteRange(0, 1)), [Send(b"0"), Wait(1.0)])

    def test_truncate(self) -> None:
        """The script aborts after so many bytes, unless the body has no more."""
        for count, steps in (
            (0, [Send(b""), Abort()]),
            (4, [Send(b"0123"), Abort()]),
            (10, [Send(b"0123456789")]),
            (11, [Send(b"0123456789")]),
        ):
            self.assertEqual(self.script(Fault(truncate=count), ByteRange(0, 10)), steps)
        self.assertEqual(
            self.script(Fault(truncate=3), b"ab", ByteRange(0, 10)),
            [Send(b"ab"), Send(b"0"), Abort()],
        )

    def test_short(self) -> None:
        """The script aborts where the file is shorter than promised."""
        self.assertEqual(self.script(Fault(), ByteRange(5, 20)), [Send(b"56789"), Abort()])
