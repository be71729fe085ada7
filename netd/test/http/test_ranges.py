"""
Byte ranges, rule by rule of RFC 9110 14.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.http.ranges import MAX_RANGES, ByteRange, length, multipart, parse
from netd.test.chance import by_chance

# Range fields for a file of 100 bytes, and their ranges; None: the field is ignored.
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
    # 14.1: units are case-insensitive, and an unknown unit is ignored
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
    # One satisfiable range suffices
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
    # Lists (5.6.1): spaces and empty elements are ignored
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
    # More bytes than the file has
    (b"bytes=0-,0-", None),
    (b"bytes=0-,-1", None),
    (b"bytes=0-98,98-99", None),
)


class ParseTests(SynchronousTestCase):
    """
    From a Range field to ranges.
    """

    def test_rows(self) -> None:
        """Each field is parsed as RFC 9110 says."""
        for value, expected in ROWS:
            with self.subTest(value=value[:40]):
                ranges = parse(value, 100)
                pairs = ranges if ranges is None else tuple((r.start, r.stop) for r in ranges)
                self.assertEqual(pairs, expected)

    def test_empty(self) -> None:
        """A Range is ignored for an empty file."""
        for value in (b"bytes=0-", b"bytes=0-0", b"bytes=-1", b"bytes=-0", b"bytes=7-"):
            self.assertIsNone(parse(value, 0))

    def test_many(self) -> None:
        """A field with 51 ranges is ignored."""
        specs = [b"%d-%d" % (at, at) for at in range(0, 4 * MAX_RANGES, 4)]
        ranges = parse(b"bytes=" + b",".join(specs), 1000)
        self.assertEqual(len(ranges or ()), MAX_RANGES)
        self.assertIsNone(parse(b"bytes=" + b",".join([*specs, b"999-999"]), 1000))

    def test_amplified(self) -> None:
        """A field that requests the whole file many times is ignored."""
        self.assertIsNone(parse(b"bytes=" + b",".join([b"0-"] * 500), 36))
        self.assertIsNone(parse(b"bytes=" + b",".join([b"0-"] * 40), 36))

    def test_large(self) -> None:
        """Positions beyond 4 GiB are exact."""
        size = 5 * 2**30
        self.assertEqual(
            parse(b"bytes=4294967297-4294967298", size), (ByteRange(2**32 + 1, 2**32 + 3),)
        )
        self.assertEqual(parse(b"bytes=-1", size), (ByteRange(size - 1, size),))

    @by_chance
    @given(st.binary(max_size=60), st.integers(0, 2**40))
    def test_anything(self, value: bytes, size: int) -> None:
        """The ranges of any field are within the file, ascending and apart."""
        for field in (value, b"bytes=" + value):
            self._check(parse(field, size), size)

    @by_chance
    @given(
        st.lists(
            st.tuples(st.integers(0, 120) | st.none(), st.integers(0, 120) | st.none()),
            max_size=8,
        ),
        st.integers(0, 100),
    )
    def test_wellFormed(self, specs: list[tuple[int | None, int | None]], size: int) -> None:
        """The ranges hold exactly the requested bytes, each once."""
        texts = [
            f"{'' if first is None else first}-{'' if last is None else last}"
            for first, last in specs
        ]
        ranges = parse(("bytes=" + ",".join(texts)).encode(), size)
        self._check(ranges, size)
        if ranges is None:
            return
        expected: set[int] = set()
        for first, last in specs:
            if first is None:
                expected.update(range(max(0, size - (last or 0)), size))
            else:
                expected.update(range(first, size if last is None else min(last + 1, size)))
        self.assertEqual({at for r in ranges for at in range(r.start, r.stop)}, expected)

    def _check(self, ranges: tuple[ByteRange, ...] | None, size: int) -> None:
        end = -1
        for item in ranges or ():
            self.assertGreater(item.start, end)
            self.assertGreater(item.length, 0)
            end = item.stop
        self.assertLessEqual(end, size)


class MultipartTests(SynchronousTestCase):
    """
    The body of a response with several ranges.
    """

    def test_form(self) -> None:
        """Each part has its Content-Type and Content-Range (RFC 9110 14.6)."""
        parts = multipart((ByteRange(0, 2), ByteRange(5, 7)), 10, b"text/plain", b"B")
        body = b"".join(part if isinstance(part, bytes) else b"<>" for part in parts)
        self.assertEqual(
            body,
            b"--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n<>"
            b"\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 5-6/10\r\n\r\n<>"
            b"\r\n--B--\r\n",
        )

    def test_length(self) -> None:
        """The length counts literal bytes and ranges."""
        self.assertEqual(length([b"abc", ByteRange(10, 20), b"d"]), 14)
