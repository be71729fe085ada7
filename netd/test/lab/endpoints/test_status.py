"""
Statuses on demand.
"""

from __future__ import annotations

from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.lab.endpoints.status import phrase
from netd.test.lab.calls import content, fields, json_of, lab_state, reply_to


class StatusTests(SynchronousTestCase):
    """
    `/status/<codes>`.
    """

    def test_plain(self) -> None:
        """Any status from 200 to 999 works for any method, with an empty body."""
        for method in ("GET", "POST", "BREW"):
            for code in (200, 204, 404, 500, 599, 999):
                reply = reply_to(f"{method} /status/{code}")
                self.assertEqual((reply.status, content(reply)), (code, b""))

    def test_special(self) -> None:
        """Some statuses have the headers and bodies of httpbin."""
        for code in (301, 302, 303, 305, 307):
            self.assertEqual(fields(reply_to(f"GET /status/{code}"))["location"], "/redirect/1")
        basic = 'Basic realm="Fake Realm"'
        self.assertEqual(fields(reply_to("GET /status/401"))["www-authenticate"], basic)
        self.assertEqual(fields(reply_to("GET /status/407"))["proxy-authenticate"], basic)
        self.assertIn("x-more-info", fields(reply_to("GET /status/402")))
        self.assertEqual(len(content(reply_to("GET /status/418"))), 135)
        self.assertIn(b"teapot", content(reply_to("GET /status/418")))
        self.assertIn("image/*", json_of(reply_to("GET /status/406"))["accept"])

    def test_weights(self) -> None:
        """One of several is chosen by weight, and equally for equal seeds."""
        state = lab_state()
        result = Counter(
            reply_to("GET /status/200:3,500:1,503:0", state=state).status for _ in range(400)
        )
        self.assertTrue(260 < result[200] < 340, result)
        self.assertEqual(set(result), {200, 500})
        self.assertEqual(
            len({reply_to("GET /status/200,201,202?seed=5").status for _ in "1234"}), 1
        )

    def test_bad(self) -> None:
        """A malformed status is a 400."""
        for text in (
            "abc",
            "20",
            "100",
            "1000",
            "200,",
            "200:-1",
            "200:x",
            "200:0,500:0",
            "200:nan",
            "%D9%A2%D9%A0%D9%A0",
        ):
            self.assertEqual(
                self.assertRaises(BadCall, reply_to, f"GET /status/{text}").status, 400
            )
        self.assertRaises(BadCall, reply_to, "GET /status/" + ",".join(["200"] * 102))

    def test_phrases(self) -> None:
        """Reason phrases are the registered ones."""
        self.assertEqual((phrase(404), phrase(599)), ("Not Found", "Unknown Status"))
