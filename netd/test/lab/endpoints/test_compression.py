"""
Content codings.
"""

from __future__ import annotations

import gzip
import zlib
from importlib import import_module
from unittest import SkipTest

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.lab.endpoints import compression
from netd.lab.endpoints.compression import ENCODERS, encoder
from netd.test.chance import by_chance
from netd.test.lab.calls import content, fields, reply_to


def negotiate(accept: str | None) -> str | None:
    """The coding of /compressed for an Accept-Encoding; None for a 406."""
    try:
        reply = reply_to(
            "GET /compressed", *([] if accept is None else [f"Accept-Encoding: {accept}"])
        )
    except BadCall as error:
        if error.status != 406:
            raise
        return None
    return fields(reply).get("content-encoding", "identity")


class CodingTests(SynchronousTestCase):
    """
    Endpoints of one coding.
    """

    def test_builtIn(self) -> None:
        """gzip and deflate are always there."""
        reply = reply_to("GET /gzip")
        self.assertEqual(fields(reply)["content-encoding"], "gzip")
        self.assertIn(b'"gzipped": true', gzip.decompress(content(reply)))
        reply = reply_to("GET /deflate")
        self.assertEqual(fields(reply)["content-encoding"], "deflate")
        self.assertIn(b'"deflated": true', zlib.decompress(content(reply)))

    def test_extra(self) -> None:
        """brotli and zstd are there with the extra `compress`."""
        if "br" not in ENCODERS or "zstd" not in ENCODERS:
            raise SkipTest("the extra compress is not installed")
        brotli, zstandard = import_module("brotli"), import_module("zstandard")
        self.assertIn(b'"brotli": true', brotli.decompress(content(reply_to("GET /brotli"))))
        plain = zstandard.ZstdDecompressor().decompress(content(reply_to("GET /zstd")))
        self.assertIn(b'"zstd": true', plain)
        self.assertEqual(fields(reply_to("GET /brotli"))["content-encoding"], "br")

    def test_missing(self) -> None:
        """A coding that is not installed is a 501."""
        self.assertIsNone(compression._installed("netd_has_no_such_module"))
        for name in ("br", "zstd"):
            coder = ENCODERS.pop(name, None)
            try:
                self.assertEqual(self.assertRaises(BadCall, encoder, name, 0).status, 501)
            finally:
                if coder is not None:
                    ENCODERS[name] = coder


class NegotiationTests(SynchronousTestCase):
    """
    `/compressed`.
    """

    def test_weights(self) -> None:
        """The coding with the highest weight wins, and identity without Accept-Encoding."""
        for accept, expected in (
            (None, "identity"),
            ("", "identity"),
            ("gzip", "gzip"),
            ("x-gzip", "gzip"),
            ("deflate;q=0.5, gzip;q=0.4", "deflate"),
            ("gzip;q=0", "identity"),
            ("gzip;q=0.5, identity", "identity"),
            ("lzma", "identity"),
            ("identity;q=0, deflate;q=0.1", "deflate"),
            ("identity;q=0", None),
            ("*;q=0", None),
            ("gzip;q=2, deflate;q=0.1", "deflate"),
        ):
            self.assertEqual(negotiate(accept), expected, accept)
        self.assertEqual(negotiate("*"), next(iter(ENCODERS)))

    def test_answer(self) -> None:
        """The response is in the preferred coding and varies by Accept-Encoding."""
        reply = reply_to("GET /compressed", "Accept-Encoding: gzip")
        expected = {"vary": "Accept-Encoding", "content-encoding": "gzip"}
        self.assertEqual(fields(reply), expected)
        self.assertIn(b'"coding": "gzip"', gzip.decompress(content(reply)))
        self.assertIn(b'"coding": "identity"', content(reply_to("GET /compressed")))
        error = self.assertRaises(
            BadCall, reply_to, "GET /compressed", "Accept-Encoding: *;q=0"
        )
        self.assertEqual(error.status, 406)

    @by_chance
    @given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
    def test_anything(self, accept: str) -> None:
        """Any Accept-Encoding has a result."""
        self.assertIn(negotiate(accept), {*ENCODERS, "identity", None})
