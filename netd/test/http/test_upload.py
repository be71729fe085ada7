"""Requests whose body is on its way."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.http.body import Chunked, Sized
from netd.http.body_buffer import BodyBuffers
from netd.http.request_head import parse
from netd.http.upload import Upload
from netd.test.http.stages import LIMITS


class IntakeTests(SynchronousTestCase):
    """Both framings, one way in."""

    def intake(self, field: bytes) -> Upload:
        """A request whose body is announced by `field`."""
        head = parse(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % field, 100, 10)
        return Upload(head, LIMITS, BodyBuffers(), 5.0)

    def test_sized(self) -> None:
        """A body by length is taken in, and what follows is left."""
        intake = self.intake(b"Content-Length: 3")
        self.assertIsInstance(intake.decoder, Sized)
        self.assertIsNone(intake.feed(b"a"))
        self.assertEqual(intake.feed(b"bcde"), b"de")
        self.assertEqual(intake.spool.whole().read(), b"abc")

    def test_chunked(self) -> None:
        """A body in chunks is taken in, its trailers are kept."""
        intake = self.intake(b"Transfer-Encoding: chunked")
        self.assertIsInstance(intake.decoder, Chunked)
        self.assertIsNone(intake.feed(b"3\r\nabc\r"))
        self.assertEqual(intake.feed(b"\n0\r\na: b\r\n\r\nde"), b"de")
        self.assertEqual(intake.spool.whole().read(), b"abc")
        self.assertEqual(intake.decoder.trailers, {b"a": (b"b",)})

    def test_received(self) -> None:
        """What came over the wire is counted, for the time it may take."""
        intake = self.intake(b"Transfer-Encoding: chunked")
        intake.feed(b"1\r\na\r\n")
        self.assertEqual((intake.received, intake.begun), (6, 5.0))
