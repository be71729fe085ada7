"""
Types, encodings and compression.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.test.xmlrpc import profile  # noqa: F401  # hypothesis' settings
from netd.xmlrpc.content_coding import (
    CODINGS,
    BadCompression,
    TooLarge,
    media,
    packed,
    unpacked,
)
from netd.xmlrpc.steps import run_now


def raw_deflate(data: bytes) -> bytes:
    """DEFLATE without zlib's head."""
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
}


class HeaderTests(SynchronousTestCase):
    """
    What HTTP says.
    """

    def test_media(self) -> None:
        """Type and charset, in whatever case and order."""
        for text, found in (
            ("", ("", None)),
            ("text/xml", ("text/xml", None)),
            ("Text/XML ; Charset=UTF-8", ("text/xml", "UTF-8")),
            ('application/xml; x=y; charset="iso-8859-1"', ("application/xml", "iso-8859-1")),
            ("text/plain;charset=", ("text/plain", None)),
        ):
            self.assertEqual(media(text), found)


class CompressionTests(SynchronousTestCase):
    """
    Compressed bodies, within a limit.
    """

    def test_unpacked(self) -> None:
        """Each coding is undone; deflate also without its head."""
        data = b"<methodCall>" * 20_000
        for coding, pack in PACKED.items():
            self.assertEqual(run_now(unpacked(pack(data), coding)), data, coding)
        self.assertEqual(run_now(unpacked(raw_deflate(data), "deflate")), data)
        self.assertEqual(sorted(PACKED), sorted(CODINGS))

    @given(st.binary(max_size=100))
    def test_all(self, data: bytes) -> None:
        """Whatever went in comes out."""
        self.assertEqual(run_now(unpacked(gzip.compress(data), "gzip")), data)
        self.assertEqual(run_now(unpacked(raw_deflate(data), "deflate")), data)
        self.assertEqual(gzip.decompress(run_now(packed(data))), data)

    def test_bomb(self) -> None:
        """A body that unpacks to too much is given up when that is reached."""
        for coding, pack in PACKED.items():
            steps = unpacked(pack(bytes(100_000_000)), coding)
            taken = 0
            with self.assertRaises(TooLarge):
                while True:
                    next(steps)
                    taken += 1
            self.assertLess(taken, 20)
        self.assertEqual(len(run_now(unpacked(gzip.compress(bytes(1000)), "gzip", 1000))), 1000)
        self.assertRaises(TooLarge, run_now, unpacked(gzip.compress(bytes(1001)), "gzip", 1000))

    def test_broken(self) -> None:
        """What is cut short, followed by something, or no such thing, is refused."""
        for coding, pack in PACKED.items():
            good = pack(b"x" * 1000)
            for bad in (b"", good[:-1], good[:5], good + b"x", b"<methodCall/>", good + good):
                steps = unpacked(bad, coding)
                self.assertRaises(BadCompression, run_now, steps)

    def test_steps(self) -> None:
        """Much is packed and unpacked in many steps."""
        data = bytes(1_000_000)
        self.assertGreater(len(list(packed(data))), 10)
        self.assertGreater(len(list(unpacked(gzip.compress(data), "gzip"))), 10)
