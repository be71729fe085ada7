"""
Where netd differs from httpbin.
"""

from __future__ import annotations

from http import HTTPStatus

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.compatibility import HTTPBIN, OWN
from netd.test.lab.calls import content, fields, lab_state, reply_to


class CompatibilityTests(SynchronousTestCase):
    """
    netd's own ways, and httpbin's.
    """

    def test_sharing(self) -> None:
        """Only httpbin's way lets scripts of other origins send cookies."""
        self.assertFalse(OWN.sharing.credentials)
        self.assertTrue(HTTPBIN.sharing.credentials)
        for each in (OWN, HTTPBIN):
            self.assertTrue(each.sharing.allow(b"http://x"))

    def test_phrases(self) -> None:
        """The phrases of httpbin are in capitals, those of unknown statuses too."""
        self.assertEqual(
            [HTTPBIN.phrase(code) for code in (302, 401, 418, 299)],
            [b"FOUND", b"UNAUTHORIZED", b"I'M A TEAPOT", b"UNKNOWN"],
        )
        self.assertEqual({OWN.phrase(code) for code in (*HTTPStatus, 299)}, {None})

    def test_tags(self) -> None:
        """Entity tags of httpbin have no quotes."""
        self.assertEqual(OWN.etag("a"), ("ETag", '"a"'))
        self.assertEqual(HTTPBIN.etag("a"), ("ETag", "a"))

    def test_page(self) -> None:
        """With --httpbin-exact GET of `/` is a page at once, whatever the query says."""
        state = lab_state(httpbin_exact=True)
        for target in ("/", "/?a=1", "/?delay=1s"):
            reply = reply_to(f"GET {target}", state=state)
            self.assertEqual((reply.status, reply.type), (200, "text/html; charset=utf-8"))
            self.assertEqual(reply.delay, 0.0)
            self.assertIn(b"HTTP Request &amp; Response Service", content(reply))
        self.assertEqual(content(reply_to("PUT /", body=b"x", state=state)), b"x")

    def test_redirects(self) -> None:
        """With --httpbin-exact redirects lead anywhere."""
        state = lab_state(httpbin_exact=True)
        for url in ("http://:1", "https://netd:1/", "//evil.example/"):
            reply = reply_to(f"GET /redirect-to?url={url}", state=state)
            self.assertEqual(fields(reply)["location"], url)
