"""
httpbin and netd respond alike, except for the rows of the table.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from netd.test.differences.samples import COUNT, request, samples
from netd.test.differences.servers import Netd, Response, differing, environ, httpbin
from netd.test.differences.table import DIFFERENCES

CLAIMS: Final = tuple(claim for row in DIFFERENCES for claim in row.claims)


class DifferenceTests(SynchronousTestCase):
    """
    The same requests to both servers.
    """

    def setUp(self) -> None:
        """One netd for all requests of a test, and one with --httpbin-exact."""
        self.netd, self.exact = Netd(), Netd(exact=True)

    def split(
        self, raw: bytes, exact: bool = False
    ) -> tuple[set[str], set[str], tuple[int, int]]:
        """The differing parts that are claimed, those that are not, and both statuses."""
        first, second = httpbin(raw), (self.exact if exact else self.netd)(raw)
        parts, statuses = differing(first, second), (first.status, second.status)
        claims = [claim for claim in CLAIMS if claim.exact in (None, exact)]
        claimed = {
            part for part in parts if any(c.explains(raw, part, statuses) for c in claims)
        }
        return claimed, parts - claimed, statuses

    def test_samples(self) -> None:
        """Each difference in the responses to a thousand requests is in the table."""
        requests = list(samples())
        self.assertGreater(len({*requests}), COUNT * 3 // 4)
        self.assertEqual(self.unexplained(requests), [])

    def test_exact(self) -> None:
        """With --httpbin-exact the differences that it does away with are gone."""
        self.assertEqual(self.unexplained(list(samples())[::3], exact=True), [])

    def unexplained(self, requests: list[bytes], exact: bool = False) -> list[object]:
        """The requests with a difference that is not claimed."""
        split = [(raw, *self.split(raw, exact)) for raw in requests]
        return [(raw, parts, statuses) for raw, _, parts, statuses in split if parts]

    def test_claims(self) -> None:
        """The example of each claim differs as that claim says."""
        for claim in CLAIMS:
            for exact in (False, True):
                claimed, others, statuses = self.split(claim.example, exact)
                true = [
                    each for each in claimed if claim.explains(claim.example, each, statuses)
                ]
                why = f"{claim.example[:200]!r} {statuses} {claimed} {exact}"
                self.assertEqual(bool(true), claim.exact in (None, exact), why)
                self.assertEqual(others, set(), why)


RESPONSE: Final = Response.of(
    200,
    [("Content-Type", "application/json"), ("X-A", "1"), ("x-a", "2"), ("Date", "now")],
    b'{"a": 1, "b": [2]}',
    0.5,
)


class ComparisonTests(SynchronousTestCase):
    """
    What counts as a difference.
    """

    def test_same(self) -> None:
        """A response differs from itself in nothing, and not in its date and chance."""
        later = Response.of(200, [("ETag", "0" * 32), ("Date", "later")], b"", 0)
        other = Response.of(200, [("etag", "1" * 32), ("Server", "x")], b"", 0)
        self.assertEqual(differing(RESPONSE, RESPONSE), set())
        self.assertEqual(differing(later, other), set())

    def test_parts(self) -> None:
        """Status, fields, members, text and time are compared, and a status alone."""
        fields = RESPONSE.fields
        for changed, parts in (
            (evolve(RESPONSE, status=404, body=""), {"status"}),
            (evolve(RESPONSE, fields={**fields, "X-A": ("1",)}), {"X-A"}),
            (evolve(RESPONSE, fields={**fields, "X-B": ("",)}), {"X-B"}),
            (evolve(RESPONSE, body='{"a": 1, "b": [3], "c": null}'), {"json.b", "json.c"}),
            (evolve(RESPONSE, body='{"a":1,"b":[2]}'), {"body"}),
            (evolve(RESPONSE, seconds=0.7), {"seconds"}),
        ):
            self.assertEqual(differing(RESPONSE, changed), parts)
            self.assertEqual(differing(changed, RESPONSE), parts)

    def test_environ(self) -> None:
        """The path is percent-decoded, repeats are joined, and underscores are dropped."""
        result = environ(request("PUT /a%20b?c=%20", "X-A: 1", "x-a:2", "X_A: 3", body=b"d"))
        self.assertEqual((result["PATH_INFO"], result["QUERY_STRING"]), ("/a b", "c=%20"))
        self.assertEqual((result["HTTP_X_A"], result["CONTENT_LENGTH"]), ("1,2", "1"))
        self.assertEqual(result["wsgi.input"].read(), b"d")
