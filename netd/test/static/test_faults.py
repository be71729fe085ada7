"""
Faults on files.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd.http.ranges import Part, Span
from netd.lab.call import BadCall
from netd.script import Abort, Send, Step, Wait
from netd.static.faults import Fault


def asked(**query: bytes) -> Fault | None:
    """The fault that a query asks for."""
    said = {b"netd." + name.encode(): [value] for name, value in query.items()}
    return Fault.parse({b"other": [b"1"], **said}, 60.0)


class ParseTests(SynchronousTestCase):
    """
    From a query to a fault.
    """

    def test_rows(self) -> None:
        """Durations and sizes as everywhere in netd; nothing asked is no fault."""
        self.assertIsNone(asked())
        self.assertIsNone(asked(delay=b"0"))
        self.assertEqual(asked(delay=b"250ms"), Fault(delay=0.25))
        self.assertEqual(asked(rate=b"1KiB"), Fault(rate=1024))
        self.assertEqual(asked(truncate=b"0"), Fault(truncate=0))

    def test_refused(self) -> None:
        """What cannot be is a 400."""
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
                asked(**query)
            self.assertEqual(caught.exception.status, 400)


class ScriptTests(SynchronousTestCase):
    """
    From a fault to what is sent.
    """

    def played(self, fault: Fault, *parts: Part) -> list[Step]:
        """The script for a file of ten digits."""
        file = Path(self.mktemp())
        file.write_bytes(b"0123456789")
        fd = os.open(file, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        return list(fault.script(fd, parts))

    def test_delay(self) -> None:
        """The wait comes first."""
        self.assertEqual(
            self.played(Fault(delay=2.0), b"<", Span(2, 5), b">"),
            [Wait(2.0), Send(b"<"), Send(b"234"), Send(b">")],
        )

    def test_rate(self) -> None:
        """Ten pieces a second, each followed by the time it takes."""
        self.assertEqual(
            self.played(Fault(rate=40), Span(0, 10)),
            [
                Send(b"0123"),
                Wait(0.1),
                Send(b"4567"),
                Wait(0.1),
                Send(b"89"),
                Wait(0.05),
            ],
        )
        self.assertEqual(self.played(Fault(rate=1), Span(0, 1)), [Send(b"0"), Wait(1.0)])

    def test_truncate(self) -> None:
        """The connection is cut after so many bytes, or not at all when there are fewer."""
        for count, meant in (
            (0, [Send(b""), Abort()]),
            (4, [Send(b"0123"), Abort()]),
            (10, [Send(b"0123456789")]),
            (11, [Send(b"0123456789")]),
        ):
            self.assertEqual(self.played(Fault(truncate=count), Span(0, 10)), meant)
        self.assertEqual(
            self.played(Fault(truncate=3), b"ab", Span(0, 10)),
            [Send(b"ab"), Send(b"0"), Abort()],
        )

    def test_short(self) -> None:
        """A file that is shorter than was promised ends in a cut."""
        self.assertEqual(self.played(Fault(), Span(5, 20)), [Send(b"56789"), Abort()])
