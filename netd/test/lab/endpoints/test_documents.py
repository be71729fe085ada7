"""
Fixed documents.
"""

from __future__ import annotations

from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.test.lab.calls import content, json_of, reply_to

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
        """The page of HTML has the text that clients look for."""
        reply = reply_to("GET /html")
        self.assertIn(b"<h1>Herman Melville - Moby-Dick</h1>", content(reply))
        self.assertFalse(reply.sandbox)

    def test_xml(self) -> None:
        """The document of XML is well-formed."""
        reply = reply_to("GET /xml")
        self.assertEqual(reply.type, "application/xml")
        self.assertEqual(
            ElementTree.fromstring(content(reply)).get("title"), "Sample Slide Show"
        )

    def test_json(self) -> None:
        """The document of JSON has the same author."""
        self.assertEqual(json_of(reply_to("GET /json"))["slideshow"]["author"], "Yours Truly")

    def test_text(self) -> None:
        """The texts for robots and the page in many scripts are there."""
        self.assertEqual(
            content(reply_to("GET /robots.txt")), b"User-agent: *\nDisallow: /deny\n"
        )
        self.assertIn(b"YOU SHOULDN'T BE HERE", content(reply_to("GET /deny")))
        self.assertIn("∮ E⋅da = Q", content(reply_to("GET /encoding/utf8")).decode())

    def test_form(self) -> None:
        """The form posts to /post."""
        self.assertIn(
            b'<form method="post" action="/post">', content(reply_to("GET /forms/post"))
        )


class ImageTests(SynchronousTestCase):
    """
    Images.
    """

    def test_kinds(self) -> None:
        """Each image has its type and its first bytes."""
        for kind, start in STARTS.items():
            reply = reply_to(f"GET /image/{kind}")
            self.assertTrue(content(reply).startswith(start), kind)
            self.assertEqual(reply.type, "image/svg+xml" if kind == "svg" else f"image/{kind}")
        self.assertRaises(BadCall, reply_to, "GET /image/gif")

    def test_accept(self) -> None:
        """Accept chooses the image; PNG without Accept; 406 when no type fits."""
        for accept, kind in (
            ("image/webp, image/png", "webp"),
            ("image/svg+xml", "svg"),
            ("IMAGE/JPEG", "jpeg"),
            ("image/png", "png"),
            ("image/*", "png"),
            ("*/*", "png"),
            ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "webp"),
            ("image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", "webp"),
            ("image/webp;q=0, image/png;q=0.5", "png"),
            ("image/webp;q=0.2, image/png;q=0.5", "png"),
            ("image/jpeg, */*", "jpeg"),
            ("image/png;q=0, */*", "jpeg"),
        ):
            self.assertTrue(
                content(reply_to("GET /image", f"Accept: {accept}")).startswith(STARTS[kind])
            )
        self.assertTrue(content(reply_to("GET /image")).startswith(STARTS["png"]))
        for accept in ("text/html", "image/*;q=0", "image/webpage"):
            self.assertEqual(reply_to("GET /image", f"Accept: {accept}").status, 406)
