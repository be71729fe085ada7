"""
Content types that a client chooses.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import TEXT
from netd.lab.endpoints.safe_types import allowed, returned
from netd.test.lab.calling import bench, call

KEPT = (
    "application/json",
    "Application/JSON; charset=utf-8",
    "text/plain;charset=latin-1",
    "text/csv",
    "application/octet-stream",
    "multipart/form-data; boundary=----x",
    "image/png",
    "video/mp4",
)

DISARMED = (
    "",
    "text/html",
    "TEXT/HTML; charset=utf-8",
    "image/svg+xml",
    "application/xhtml+xml",
    "text/xml",
    "application/javascript",
    "application/pdf",
    "text/plain, text/html",
    "text/plain\ntext/html",
    "image/png text/html",
    "application/jsonx",
)


class TypeTests(SynchronousTestCase):
    """
    Which types come back as they were sent.
    """

    def test_kept(self) -> None:
        """Types that no browser runs are kept, with their parameters."""
        for kind in KEPT:
            self.assertEqual(returned(call("GET /"), kind), kind)

    def test_disarmed(self) -> None:
        """Active, unknown and malformed types become plain text."""
        self.assertEqual(returned(call("GET /"), None), TEXT)
        for kind in DISARMED:
            self.assertEqual(returned(call("GET /"), kind), TEXT, kind)

    def test_unsafe(self) -> None:
        """--unsafe-responses keeps every type, and still no line breaks."""
        asked = call("GET /", on=bench(unsafe_responses=True))
        self.assertTrue(allowed(asked, "text/html"))
        self.assertFalse(allowed(asked, "text/html\r\nX: y"))

    @given(st.text())
    def test_neverActive(self, kind: str) -> None:
        """Whatever is sent, nothing a browser would run comes back before the parameters."""
        media = returned(call("GET /"), kind).partition(";")[0].lower()
        for active in ("html", "xml", "svg", "script", ","):
            self.assertNotIn(active, media)
