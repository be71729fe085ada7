"""
Fixed documents.
"""

from __future__ import annotations

from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.test.lab.calling import ask, said, shown

STARTS = {
    "png": b"\x89PNG\r\n\x1a\n",
    "jpeg": b"\xff\xd8\xff",
    "webp": b"RIFF",
    "svg": b"<svg ",
}


class PageTests(SynchronousTestCase):
    """
    Documents.
    """

    def test_html(self) -> None:
        """The page is the one that clients look for."""
        reply = ask("GET /html")
        self.assertIn(b"<h1>Herman Melville - Moby-Dick</h1>", said(reply))
        self.assertTrue(reply.ours)

    def test_xml(self) -> None:
        """The slides are well-formed."""
        reply = ask("GET /xml")
        self.assertEqual(reply.type, "application/xml")
        self.assertEqual(ElementTree.fromstring(said(reply)).get("title"), "Sample Slide Show")

    def test_json(self) -> None:
        """The same in JSON."""
        self.assertEqual(shown(ask("GET /json"))["slideshow"]["author"], "Yours Truly")

    def test_text(self) -> None:
        """What robots get, and a page in many scripts."""
        self.assertEqual(said(ask("GET /robots.txt")), b"User-agent: *\nDisallow: /deny\n")
        self.assertIn(b"YOU SHOULDN'T BE HERE", said(ask("GET /deny")))
        self.assertIn("∮ E⋅da = Q", said(ask("GET /encoding/utf8")).decode())

    def test_form(self) -> None:
        """The form posts to /post."""
        self.assertIn(b'<form method="post" action="/post">', said(ask("GET /forms/post")))


class ImageTests(SynchronousTestCase):
    """
    Images.
    """

    def test_kinds(self) -> None:
        """Each kind is of its type and begins as it should."""
        for kind, start in STARTS.items():
            reply = ask(f"GET /image/{kind}")
            self.assertTrue(said(reply).startswith(start), kind)
            self.assertEqual(reply.type, "image/svg+xml" if kind == "svg" else f"image/{kind}")
        self.assertRaises(BadCall, ask, "GET /image/gif")

    def test_accept(self) -> None:
        """Accept chooses; without one it is PNG; 406 when none fits."""
        for accept, kind in (
            ("image/webp, image/png", "webp"),
            ("image/svg+xml", "svg"),
            ("IMAGE/JPEG", "jpeg"),
            ("image/png", "png"),
            ("image/*", "png"),
        ):
            self.assertTrue(
                said(ask("GET /image", f"Accept: {accept}")).startswith(STARTS[kind])
            )
        self.assertTrue(said(ask("GET /image")).startswith(STARTS["png"]))
        self.assertEqual(ask("GET /image", "Accept: text/html").status, 406)
