"""
Tests of netd.http.context.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.http.context import AccessRecord


class AccessRecordTests(SynchronousTestCase):
    """
    What is not known of a response.
    """

    def test_unknown(self) -> None:
        """Fields that are not known are dashes, as the combined log format has them."""
        record = AccessRecord(b"::1", b"GET / HTTP/1.1", 200, 58)
        self.assertEqual((record.referer, record.user_agent, record.user), (b"-", b"-", b"-"))
