"""
Media types by name.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.static.mime import TYPES, media_type


class MediaTypeTests(SynchronousTestCase):
    """
    Content-Type by the name of a file.
    """

    def test_rows(self) -> None:
        """Text is UTF-8, and an unknown suffix is a stream of bytes."""
        for name, expected in (
            (b"a.html", b"text/html; charset=utf-8"),
            (b"a.HTM", b"text/html; charset=utf-8"),
            (b"a.txt", b"text/plain; charset=utf-8"),
            (b"a.log", b"text/plain; charset=utf-8"),
            (b"a.css", b"text/css; charset=utf-8"),
            (b"a.csv", b"text/csv; charset=utf-8"),
            (b"a.jpg", b"image/jpeg"),
            (b"a.ico", b"image/vnd.microsoft.icon"),
            (b"a.zip", b"application/zip"),
            (b"a.webmanifest", b"application/manifest+json"),
            (b"a.mjs", b"text/javascript; charset=utf-8"),
            (b"a.json", b"application/json"),
            (b"a.svg", b"image/svg+xml"),
            (b"a.png", b"image/png"),
            (b"a.wasm", b"application/wasm"),
            (b"a.tar", b"application/x-tar"),
            (b"a.tar.gz", b"application/gzip"),
            (b"a.gz", b"application/gzip"),
            (b"a.zst", b"application/zstd"),
            (b"a.unheard-of", b"application/octet-stream"),
            (b"README", b"application/octet-stream"),
            (b"html", b"application/octet-stream"),
            (b".html", b"application/octet-stream"),
            (b"a.", b"application/octet-stream"),
            (b"\xff.\xff", b"application/octet-stream"),
        ):
            self.assertEqual(media_type(name), expected, name)

    def test_sound(self) -> None:
        """Every type is a valid field value."""
        for value in TYPES.values():
            self.assertRegex(value, rb"\A[a-z]+/[a-zA-Z0-9.+-]+(; charset=utf-8)?\Z")
