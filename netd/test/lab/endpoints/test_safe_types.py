"""
Content types that a client chooses.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import TEXT
from netd.lab.endpoints.safe_types import allowed, echoed_type
from netd.test.lab.calls import lab_state, make_call

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


def echoed(content_type: str) -> str:
    """The type with which a body of this type is sent back."""
    call = make_call("PUT /")
    call._headers = (("Content-Type", content_type),)
    return echoed_type(call)


class TypeTests(SynchronousTestCase):
    """
    The type of a body that is sent back.
    """

    def test_kept(self) -> None:
        """Types that no browser runs are kept, with their parameters."""
        for kind in KEPT:
            self.assertEqual(echoed(kind), kind)

    def test_disarmed(self) -> None:
        """Active, unknown and malformed types become plain text."""
        self.assertEqual(echoed_type(make_call("GET /")), TEXT)
        for kind in DISARMED:
            self.assertEqual(echoed(kind), TEXT, kind)

    def test_unsafe(self) -> None:
        """--unsafe-responses allows every type, but no line breaks."""
        call = make_call("GET /", state=lab_state(unsafe_responses=True))
        self.assertTrue(allowed(call, "text/html"))
        self.assertFalse(allowed(call, "text/html\r\nX: y"))

    @given(st.text())
    def test_neverActive(self, kind: str) -> None:
        """No type that a browser would run is ever sent back."""
        media = echoed(kind).partition(";")[0].lower()
        for active in ("html", "xml", "svg", "script", ","):
            self.assertNotIn(active, media)
