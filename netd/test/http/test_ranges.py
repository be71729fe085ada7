"""
Byte ranges, rule by rule of RFC 9110 14.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.http.ranges import MOST, Span, length, multipart, parse

_property = how(max_examples=50, deadline=None, database=None, derandomize=True)


# What is asked of a file of 100 bytes, and what it means: spans, nothing, or to be ignored.
ROWS: tuple[tuple[bytes, tuple[tuple[int, int], ...] | None], ...] = (
    # 14.1.2
    (b"bytes=0-0", ((0, 1),)),
    (b"bytes=0-99", ((0, 100),)),
    (b"bytes=10-", ((10, 100),)),
    (b"bytes=-1", ((99, 100),)),
    (b"bytes=-100", ((0, 100),)),
    (b"bytes=-101", ((0, 100),)),
    (b"bytes=0-100", ((0, 100),)),
    (b"bytes=99-999999999999999999999999", ((99, 100),)),
    (b"bytes=-999999999999999999999999", ((0, 100),)),
    (b"bytes=" + b"0" * 5000 + b"7-7", ((7, 8),)),
    (b"bytes=7-" + b"9" * 5000, ((7, 100),)),
    # 14.1: units are case-insensitive, and another one is not ours
    (b"BYTES=1-1", ((1, 2),)),
    (b"Bytes=1-1", ((1, 2),)),
    (b"lines=1-1", None),
    (b"byte=1-1", None),
    (b"bytes", None),
    (b"", None),
    # Not satisfiable
    (b"bytes=100-", ()),
    (b"bytes=100-200", ()),
    (b"bytes=-0", ()),
    (b"bytes=999999999999999999999999-", ()),
    (b"bytes=100-,200-", ()),
    # One that is suffices
    (b"bytes=100-,5-5", ((5, 6),)),
    # Malformed
    (b"bytes=", None),
    (b"bytes=,", None),
    (b"bytes=-", None),
    (b"bytes=1", None),
    (b"bytes=2-1", None),
    (b"bytes=1-2-3", None),
    (b"bytes=--1", None),
    (b"bytes=a-b", None),
    (b"bytes=+1-2", None),
    (b"bytes=1_0-20", None),
    (b"bytes=0x1-2", None),
    (b"bytes=1 -2", None),
    (b"bytes=\xb2-\xb3", None),
    ("bytes=\u0661-\u0662".encode(), None),
    (b"bytes=0-1,x", None),
    (b"bytes 0-1", None),
    # Lists (5.6.1): spaces and empty elements are forgiven
    (b"bytes=0-1,5-6", ((0, 2), (5, 7))),
    (b"bytes=0-1 ,\t5-6", ((0, 2), (5, 7))),
    (b"bytes=,0-1,,5-6,", ((0, 2), (5, 7))),
    (b"bytes=5-6,0-1", ((0, 2), (5, 7))),
    # 15.3.7.2: neighbours and overlaps become one
    (b"bytes=0-4,5-9", ((0, 10),)),
    (b"bytes=0-4,2-9", ((0, 10),)),
    (b"bytes=0-9,2-4", ((0, 10),)),
    (b"bytes=5-9,0-4,20-29", ((0, 10), (20, 30))),
    (b"bytes=0-4,6-9", ((0, 5), (6, 10))),
    # More than there is
    (b"bytes=0-,0-", None),
    (b"bytes=0-,-1", None),
    (b"bytes=0-98,98-99", None),
)


class ParseTests(SynchronousTestCase):
    """
    What a Range field asks for.
    """

    def test_rows(self) -> None:
        """Each field means what RFC 9110 says."""
        for value, meant in ROWS:
            with self.subTest(value=value[:40]):
                spans = parse(value, 100)
                found = spans if spans is None else tuple((s.start, s.stop) for s in spans)
                self.assertEqual(found, meant)

    def test_empty(self) -> None:
        """No range of an empty file can be satisfied."""
        for value in (b"bytes=0-", b"bytes=0-0", b"bytes=-1", b"bytes=-0"):
            self.assertEqual(parse(value, 0), ())

    def test_many(self) -> None:
        """The 51st range is one too many."""
        asked = [b"%d-%d" % (at, at) for at in range(0, 4 * MOST, 4)]
        found = parse(b"bytes=" + b",".join(asked), 1000)
        self.assertEqual(len(found or ()), MOST)
        self.assertIsNone(parse(b"bytes=" + b",".join([*asked, b"999-999"]), 1000))

    def test_amplified(self) -> None:
        """500 times the whole file gives it once."""
        self.assertIsNone(parse(b"bytes=" + b",".join([b"0-"] * 500), 36))
        self.assertIsNone(parse(b"bytes=" + b",".join([b"0-"] * 40), 36))

    def test_large(self) -> None:
        """Positions beyond 4 GiB are exact."""
        size = 5 * 2**30
        self.assertEqual(
            parse(b"bytes=4294967297-4294967298", size), (Span(2**32 + 1, 2**32 + 3),)
        )
        self.assertEqual(parse(b"bytes=-1", size), (Span(size - 1, size),))

    @_property
    @given(st.binary(max_size=60), st.integers(0, 2**40))
    def test_anything(self, value: bytes, size: int) -> None:
        """Whatever is sent, the spans are within the file, ascending and apart."""
        for said in (value, b"bytes=" + value):
            self._check(parse(said, size), size)

    @_property
    @given(
        st.lists(
            st.tuples(st.integers(0, 120) | st.none(), st.integers(0, 120) | st.none()),
            max_size=8,
        ),
        st.integers(0, 100),
    )
    def test_wellFormed(self, asked: list[tuple[int | None, int | None]], size: int) -> None:
        """The spans hold exactly the bytes asked for, each once."""
        texts = [
            f"{'' if first is None else first}-{'' if last is None else last}"
            for first, last in asked
        ]
        spans = parse(("bytes=" + ",".join(texts)).encode(), size)
        self._check(spans, size)
        if spans is None:
            return
        meant: set[int] = set()
        for first, last in asked:
            if first is None:
                meant.update(range(max(0, size - (last or 0)), size))
            else:
                meant.update(range(first, size if last is None else min(last + 1, size)))
        self.assertEqual({at for s in spans for at in range(s.start, s.stop)}, meant)

    def _check(self, spans: tuple[Span, ...] | None, size: int) -> None:
        end = -1
        for span in spans or ():
            self.assertGreater(span.start, end)
            self.assertGreater(span.length, 0)
            end = span.stop
        self.assertLessEqual(end, size)


class MultipartTests(SynchronousTestCase):
    """
    The form of an answer with several ranges.
    """

    def test_form(self) -> None:
        """Each part says its type and where it belongs (RFC 9110 14.6)."""
        parts = multipart((Span(0, 2), Span(5, 7)), 10, b"text/plain", b"B")
        said = b"".join(part if isinstance(part, bytes) else b"<>" for part in parts)
        self.assertEqual(
            said,
            b"--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n<>"
            b"\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 5-6/10\r\n\r\n<>"
            b"\r\n--B--\r\n",
        )

    def test_length(self) -> None:
        """The length counts what is said and what is read."""
        self.assertEqual(length([b"abc", Span(10, 20), b"d"]), 14)
