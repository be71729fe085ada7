"""
Which answer a request gets.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.http.conditional import Validators
from netd.http.ranges import Span, length
from netd.lab.call import BadCall
from netd.static.headers import FileHeaders
from netd.static.selection import Selection, plan

LINES = ((b"Content-Type", b"text/plain"), (b"ETag", b'"a"'), (b"Accept-Ranges", b"bytes"))
SHEET = FileHeaders(LINES, Validators(b'"a"', 1000), b"text/plain")


def planned(method: bytes = b"GET", size: int = 100, **fields: bytes) -> Selection:
    """The plan for a request with these fields."""
    said = {name.replace("_", "-").encode(): (value,) for name, value in fields.items()}
    return plan(method, said, SHEET, size, 2e9)


class PlanTests(SynchronousTestCase):
    """
    Status, fields and parts.
    """

    def test_whole(self) -> None:
        """Without more, the whole file; for HEAD, a foreign unit and a stale If-Range too."""
        whole = Selection(200, LINES, (Span(0, 100),))
        self.assertEqual(planned(), whole)
        self.assertEqual(planned(b"HEAD", range=b"bytes=0-1"), whole)
        self.assertEqual(planned(range=b"lines=0-1"), whole)
        self.assertEqual(planned(range=b"bytes=0-1", if_range=b'"b"'), whole)
        twice = {b"range": (b"bytes=0-1", b"bytes=2-3")}
        self.assertEqual(plan(b"GET", twice, SHEET, 100, 2e9), whole)

    def test_partial(self) -> None:
        """One range, or several that became one, is a plain 206."""
        for asked in (b"bytes=10-19", b"bytes=10-14,15-19"):
            made = planned(range=asked, if_range=b'"a"')
            self.assertEqual(made.code, 206)
            self.assertEqual(made.parts, (Span(10, 20),))
            self.assertEqual(made.lines, (*LINES, (b"Content-Range", b"bytes 10-19/100")))

    def test_multipart(self) -> None:
        """Several ranges are parts behind a boundary nobody can know before."""
        made, again = planned(range=b"bytes=0-0,2-2"), planned(range=b"bytes=0-0,2-2")
        self.assertEqual(made.code, 206)
        kind = dict(made.lines)[b"Content-Type"]
        self.assertTrue(kind.startswith(b"multipart/byteranges; boundary="))
        self.assertNotEqual(kind, dict(again.lines)[b"Content-Type"])
        self.assertNotIn(b"Content-Range", dict(made.lines))
        self.assertEqual(len(made.parts), 5)
        self.assertGreater(length(made.parts), 2)

    def test_unsatisfiable(self) -> None:
        """416 says how large the file is; an empty one has no range at all."""
        for size, asked in ((100, b"bytes=100-"), (0, b"bytes=0-"), (0, b"bytes=-5")):
            with self.assertRaises(BadCall) as caught:
                planned(size=size, range=asked)
            self.assertEqual(caught.exception.status, 416)
            self.assertEqual(caught.exception.headers, (("Content-Range", f"bytes */{size}"),))

    def test_conditions(self) -> None:
        """Preconditions come before ranges."""
        made = planned(if_none_match=b'"a"', range=b"bytes=0-1")
        self.assertEqual(made, Selection(304, ((b"ETag", b'"a"'),), ()))
        with self.assertRaises(BadCall) as caught:
            planned(if_match=b'"b"', range=b"bytes=0-1")
        self.assertEqual(caught.exception.status, 412)
