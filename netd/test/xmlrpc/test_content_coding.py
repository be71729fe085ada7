"""
The media type, charset and coding of a body.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.steps import run_now
from netd.test.chance import by_chance
from netd.xmlrpc.content_coding import (
    CODINGS,
    BadCompression,
    TooLarge,
    decompressed,
    gzipped,
    media_type,
)


def raw_deflate(data: bytes) -> bytes:
    """DEFLATE without zlib's header."""
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
}


class HeaderTests(SynchronousTestCase):
    """
    Content-Type and Accept-Encoding.
    """

    def test_media(self) -> None:
        """The type and charset are read in any case and order."""
        for text, expected in (
            ("", ("", None)),
            ("text/xml", ("text/xml", None)),
            ("Text/XML ; Charset=UTF-8", ("text/xml", "UTF-8")),
            ('application/xml; x=y; charset="iso-8859-1"', ("application/xml", "iso-8859-1")),
            ("text/plain;charset=", ("text/plain", None)),
            ('text/xml; x="; charset=q"', ("text/xml", None)),
        ):
            self.assertEqual(media_type(text), expected)


class CompressionTests(SynchronousTestCase):
    """
    Compressed bodies, within a limit.
    """

    def test_unpacked(self) -> None:
        """Each coding is undone, and deflate also without zlib's header."""
        data = b"<methodCall>" * 20_000
        for coding, pack in PACKED.items():
            self.assertEqual(run_now(decompressed(pack(data), coding)), data, coding)
        self.assertEqual(run_now(decompressed(raw_deflate(data), "deflate")), data)
        self.assertEqual(sorted(PACKED), sorted(CODINGS))

    @by_chance
    @given(st.binary(max_size=100))
    def test_all(self, data: bytes) -> None:
        """Compressed data is decompressed to itself."""
        self.assertEqual(run_now(decompressed(gzip.compress(data), "gzip")), data)
        self.assertEqual(run_now(decompressed(raw_deflate(data), "deflate")), data)
        self.assertEqual(gzip.decompress(run_now(gzipped(data))), data)

    def test_bomb(self) -> None:
        """Decompression stops as soon as the limit is passed."""
        for coding, pack in PACKED.items():
            steps = decompressed(pack(bytes(100_000_000)), coding)
            taken = 0
            with self.assertRaises(TooLarge):
                while True:
                    next(steps)
                    taken += 1
            self.assertLess(taken, 20)
        self.assertEqual(
            len(run_now(decompressed(gzip.compress(bytes(1000)), "gzip", 1000))), 1000
        )
        self.assertRaises(
            TooLarge, run_now, decompressed(gzip.compress(bytes(1001)), "gzip", 1000)
        )

    def test_broken(self) -> None:
        """A body that is cut, followed by more, or not compressed is refused."""
        for coding, pack in PACKED.items():
            good = pack(b"x" * 1000)
            for bad in (b"", good[:-1], good[:5], good + b"x", b"<methodCall/>", good + good):
                steps = decompressed(bad, coding)
                self.assertRaises(BadCompression, run_now, steps)

    def test_steps(self) -> None:
        """Large bodies are compressed and decompressed in many steps."""
        data = bytes(1_000_000)
        self.assertGreater(len(list(gzipped(data))), 10)
        self.assertGreater(len(list(decompressed(gzip.compress(data), "gzip"))), 10)
