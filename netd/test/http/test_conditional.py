"""
Preconditions, rule by rule of RFC 9110 13.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.http.conditional import Validators, evaluate, range_applies
from netd.test.chance import by_chance

MODIFIED = 784111777
AT = b"Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = b"Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = b"Sun, 06 Nov 1994 08:49:38 GMT"
NOW = 1_795_000_000.0
STRONG = Validators(b'"a"', MODIFIED)
WEAK = Validators(b'W/"a"', MODIFIED, False)

Lines = tuple[tuple[bytes, bytes], ...]


def fields(lines: Lines) -> dict[bytes, tuple[bytes, ...]]:
    """Field values by name, as a request has them."""
    result: dict[bytes, tuple[bytes, ...]] = {}
    for name, value in lines:
        result[name] = (*result.get(name, ()), value)
    return result


M, N, S, U = b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"

# Fields, and the status for a file with a strong tag and on one with a weak.
ROWS: tuple[tuple[Lines, int | None, int | None], ...] = (
    ((), None, None),
    # 13.1.1 If-Match: strong comparison
    (((M, b'"a"'),), None, 412),
    (((M, b'"b"'),), 412, 412),
    (((M, b'W/"a"'),), 412, 412),
    (((M, b"*"),), None, None),
    (((M, b'"b", "a"'),), None, 412),
    (((M, b'"b"'), (M, b'"a"')), None, 412),
    (((M, b"a"),), 412, 412),
    (((M, b""),), 412, 412),
    # 13.1.2 If-None-Match: weak comparison
    (((N, b'"a"'),), 304, 304),
    (((N, b'W/"a"'),), 304, 304),
    (((N, b'"b"'),), None, None),
    (((N, b"*"),), 304, 304),
    (((N, b'"b",W/"a" , "c"'),), 304, 304),
    (((N, b',, "b" ,, "a",'),), 304, 304),
    (((N, b'"b"'), (N, b'"a"')), 304, 304),
    (((N, b'"b, a"'),), None, None),
    (((N, b"a"),), None, None),
    (((N, b'"a'),), None, None),
    (((N, b'"a" "b"'),), None, None),
    (((N, b'w/"a"'),), None, None),
    (((N, b'"a", *'),), None, None),
    (((N, b'"A"'),), None, None),
    # 13.1.3 If-Modified-Since
    (((S, AT),), 304, 304),
    (((S, AFTER),), 304, 304),
    (((S, BEFORE),), None, None),
    (((S, b"yesterday"),), None, None),
    (((S, b""),), None, None),
    (((S, AT), (S, AT)), None, None),
    (((S, b"Sunday, 06-Nov-94 08:49:37 GMT"),), 304, 304),
    (((S, b"Sun Nov  6 08:49:37 1994"),), 304, 304),
    # ... which is ignored beside If-None-Match
    (((S, AT), (N, b'"b"')), None, None),
    (((S, BEFORE), (N, b'"a"')), 304, 304),
    # 13.1.4 If-Unmodified-Since
    (((U, AT),), None, None),
    (((U, AFTER),), None, None),
    (((U, BEFORE),), 412, 412),
    (((U, b"tomorrow"),), None, None),
    # ... which is ignored beside If-Match
    (((U, BEFORE), (M, b"*")), None, None),
    (((U, AFTER), (M, b'"b"')), 412, 412),
    # 13.2.2 the order
    (((M, b'"b"'), (N, b'"a"')), 412, 412),
    (((M, b"*"), (N, b'"a"')), 304, 304),
    (((U, BEFORE), (S, AFTER)), 412, 412),
    (((U, AT), (S, AT)), 304, 304),
)


class EvaluateTests(SynchronousTestCase):
    """
    The status that the preconditions demand.
    """

    def test_rows(self) -> None:
        """Each combination of fields has the status that RFC 9110 gives it."""
        for lines, strong, weak in ROWS:
            with self.subTest(lines=lines):
                self.assertEqual(evaluate(fields(lines), STRONG, NOW), strong)
                self.assertEqual(evaluate(fields(lines), WEAK, NOW), weak)

    @by_chance
    @given(st.dictionaries(st.sampled_from([M, N, S, U]), st.tuples(st.binary(max_size=40))))
    def test_anything(self, values: dict[bytes, tuple[bytes]]) -> None:
        """Any fields have a status, which is no 304 without a match."""
        status = evaluate(values, Validators(b'"not this one"', 2**40), NOW)
        if b"*" not in b"".join(values.get(N, ())):
            self.assertIn(status, (None, 412))


class RangeAppliesTests(SynchronousTestCase):
    """
    If-Range (RFC 9110 13.1.5).
    """

    def test_rows(self) -> None:
        """A Range applies only with a strong validator that still matches."""
        rows: tuple[tuple[tuple[bytes, ...], bool, bool], ...] = (
            ((b'"a"',), True, False),
            ((b'W/"a"',), False, False),
            ((b'"b"',), False, False),
            ((b'"a", "b"',), False, False),
            ((b"*",), False, False),
            ((AT,), True, False),
            ((BEFORE,), False, False),
            ((AFTER,), False, False),
            ((b"",), False, False),
            ((b'"a"', b'"a"'), False, False),
        )
        for values, strong, weak in rows:
            with self.subTest(values=values):
                self.assertEqual(range_applies({b"if-range": values}, STRONG, NOW), strong)
                self.assertEqual(range_applies({b"if-range": values}, WEAK, NOW), weak)

    def test_absent(self) -> None:
        """A Range applies without the field."""
        self.assertTrue(range_applies({}, WEAK, NOW))
