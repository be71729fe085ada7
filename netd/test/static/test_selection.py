"""
The response that a request selects.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.http.conditional import Validators
from netd.http.ranges import ByteRange, length
from netd.lab.call import BadCall
from netd.static.headers import FileHeaders
from netd.static.selection import Selection, select

FIELDS = ((b"Content-Type", b"text/plain"), (b"ETag", b'"a"'), (b"Accept-Ranges", b"bytes"))
HEADERS = FileHeaders(FIELDS, Validators(b'"a"', 1000), b"text/plain")


def selected(method: bytes = b"GET", size: int = 100, **fields: bytes) -> Selection:
    """The selection of a request with these fields."""
    values = {name.replace("_", "-").encode(): (value,) for name, value in fields.items()}
    return select(method, values, HEADERS, size, 2e9)


class SelectTests(SynchronousTestCase):
    """
    Status, fields and parts.
    """

    def test_whole(self) -> None:
        """The whole file is selected by HEAD, and where no Range applies."""
        whole = Selection(200, FIELDS, (ByteRange(0, 100),))
        self.assertEqual(selected(), whole)
        self.assertEqual(selected(b"HEAD", range=b"bytes=0-1"), whole)
        self.assertEqual(selected(range=b"lines=0-1"), whole)
        self.assertEqual(selected(range=b"bytes=0-1", if_range=b'"b"'), whole)
        twice = {b"range": (b"bytes=0-1", b"bytes=2-3")}
        self.assertEqual(select(b"GET", twice, HEADERS, 100, 2e9), whole)

    def test_partial(self) -> None:
        """One range, or several that merge into one, is a plain 206."""
        for value in (b"bytes=10-19", b"bytes=10-14,15-19"):
            selection = selected(range=value, if_range=b'"a"')
            self.assertEqual(selection.code, 206)
            self.assertEqual(selection.parts, (ByteRange(10, 20),))
            self.assertEqual(
                selection.fields, (*FIELDS, (b"Content-Range", b"bytes 10-19/100"))
            )

    def test_multipart(self) -> None:
        """Several ranges are parts with a boundary that nobody can predict."""
        first, second = selected(range=b"bytes=0-0,2-2"), selected(range=b"bytes=0-0,2-2")
        self.assertEqual(first.code, 206)
        kind = dict(first.fields)[b"Content-Type"]
        self.assertTrue(kind.startswith(b"multipart/byteranges; boundary="))
        self.assertNotEqual(kind, dict(second.fields)[b"Content-Type"])
        self.assertNotIn(b"Content-Range", dict(first.fields))
        self.assertEqual(len(first.parts), 5)
        self.assertGreater(length(first.parts), 2)

    def test_unsatisfiable(self) -> None:
        """A 416 has the size of the file; an empty file is sent whole."""
        with self.assertRaises(BadCall) as caught:
            selected(size=100, range=b"bytes=100-")
        self.assertEqual(caught.exception.status, 416)
        self.assertEqual(caught.exception.headers, (("Content-Range", "bytes */100"),))
        for value in (b"bytes=0-", b"bytes=-5", b"bytes=1-2"):
            self.assertEqual(selected(size=0, range=value).code, 200)

    def test_conditions(self) -> None:
        """Preconditions are evaluated before ranges."""
        selection = selected(if_none_match=b'"a"', range=b"bytes=0-1")
        self.assertEqual(selection, Selection(304, ((b"ETag", b'"a"'),), ()))
        with self.assertRaises(BadCall) as caught:
            selected(if_match=b'"b"', range=b"bytes=0-1")
        self.assertEqual(caught.exception.status, 412)
