"""
Cross-origin resource sharing.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.http.cors import ANY, Policy

ORIGIN, OTHER = b"https://a.example", b"https://b.example"


class AllowTests(SynchronousTestCase):
    """
    Which responses a script may read.
    """

    def test_origins(self) -> None:
        """An origin is allowed when the policy names that origin or any."""
        for origins, allowed in (
            ({ANY}, {ORIGIN, OTHER, ANY}),
            ({ORIGIN}, {ORIGIN}),
            ({ORIGIN, OTHER}, {ORIGIN, OTHER}),
            (set(), set()),
        ):
            policy = Policy(b"GET", frozenset(origins))
            for origin in (ORIGIN, OTHER, ANY, None):
                fields = ((b"Access-Control-Allow-Origin", ANY if ANY in origins else origin),)
                self.assertEqual(policy.allow(origin), fields if origin in allowed else ())

    def test_varies(self) -> None:
        """An origin is named where not all are allowed, and where credentials are."""
        for policy, named in (
            (Policy(b"GET"), ANY),
            (Policy(b"GET", credentials=True), ORIGIN),
            (Policy(b"GET", frozenset({ORIGIN})), ORIGIN),
        ):
            self.assertEqual(policy.allow(ORIGIN)[0][1], named)
            self.assertEqual(policy.varies, named != ANY)

    def test_more(self) -> None:
        """Credentials and exposed fields go with an allowed origin only."""
        policy = Policy(b"GET", frozenset({ORIGIN}), credentials=True, exposed=b"ETag")
        self.assertEqual(
            policy.allow(ORIGIN),
            (
                (b"Access-Control-Allow-Origin", ORIGIN),
                (b"Access-Control-Allow-Credentials", b"true"),
                (b"Access-Control-Expose-Headers", b"ETag"),
            ),
        )
        self.assertEqual(policy.allow(OTHER), ())


class PreflightTests(SynchronousTestCase):
    """
    Which requests a script may make.
    """

    def test_requested(self) -> None:
        """Without fields of its own the policy allows those that are requested."""
        methods = (b"Access-Control-Allow-Methods", b"GET, HEAD")
        age = (b"Access-Control-Max-Age", b"600")
        policy = Policy(b"GET, HEAD")
        for requested in (None, b""):
            self.assertEqual(policy.preflight(requested), (methods, age))
        headers = (b"Access-Control-Allow-Headers", b"range")
        self.assertEqual(policy.preflight(b"range"), (methods, headers, age))

    def test_own(self) -> None:
        """Fields that the policy names are allowed, whichever are requested."""
        policy = Policy(b"POST", headers=b"Content-Type", max_age=5)
        for requested in (None, b"range"):
            self.assertEqual(
                policy.preflight(requested),
                (
                    (b"Access-Control-Allow-Methods", b"POST"),
                    (b"Access-Control-Allow-Headers", b"Content-Type"),
                    (b"Access-Control-Max-Age", b"5"),
                ),
            )
