"""
What was asked, said back.
"""

from __future__ import annotations

from uuid import UUID

from twisted.trial.unittest import SynchronousTestCase

from netd.addresses import Network
from netd.lab.call import JSON, BadCall
from netd.test.lab.calling import ask, bench, said, shown, waits

FORWARDED = ("X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https")


class EchoTests(SynchronousTestCase):
    """
    The keys of each echo.
    """

    def test_keys(self) -> None:
        """Each has exactly the keys that httpbin's has."""
        plain = {"args", "headers", "origin", "url"}
        body = {*plain, "data", "files", "form", "json"}
        for line, keys in (
            ("GET /get", plain),
            ("POST /post", body),
            ("PUT /put", body),
            ("PATCH /patch", body),
            ("DELETE /delete", body),
            ("BREW /anything", {*body, "method"}),
            ("GET /anything/a/b", {*body, "method"}),
            ("GET /delay/0", body - {"json"}),
        ):
            reply = ask(line)
            self.assertEqual(set(shown(reply)), keys, line)
            self.assertEqual(reply.type, JSON)

    def test_exact(self) -> None:
        """The bytes are those of httpbin."""
        wanted = (
            b'{\n  "args": {\n    "a": [\n      "1",\n      "2"\n    ],\n    "b": ""\n  },\n'
            b'  "headers": {\n    "Accept": "*/*",\n    "Host": "netd"\n  },\n'
            b'  "origin": "127.0.0.1",\n  "url": "http://netd/get?a=1&a=2&b="\n}\n'
        )
        self.assertEqual(said(ask("GET /get?a=1&a=2&b=", "Accept: */*")), wanted)

    def test_method(self) -> None:
        """/anything names the method, invented ones too."""
        self.assertEqual(shown(ask("BREW /anything"))["method"], "BREW")

    def test_args(self) -> None:
        """What is no UTF-8 stays percent-encoded; a plus is a space; a semicolon is itself."""
        found = shown(ask("GET /get?x=%FF&y=a%20b+c;d"))
        self.assertEqual(found["args"], {"x": "%FF", "y": "a b c;d"})
        self.assertEqual(found["url"], "http://netd/get?x=%FF&y=a%20b+c;d")

    def test_small(self) -> None:
        """The small ones say their one thing."""
        self.assertEqual(shown(ask("GET /ip")), {"origin": "127.0.0.1"})
        self.assertEqual(shown(ask("GET /user-agent", "User-Agent: x")), {"user-agent": "x"})
        self.assertEqual(shown(ask("GET /user-agent")), {"user-agent": None})
        self.assertEqual(UUID(shown(ask("GET /uuid"))["uuid"]).version, 4)

    def test_upload(self) -> None:
        """/upload counts a body and does not read it."""
        found = shown(ask("POST /upload", "Content-Type: x/y", body=b"123"))
        self.assertEqual((found["bytes"], found["content_type"]), (3, "x/y"))
        self.assertEqual(shown(ask("POST /upload"))["bytes"], 0)


class DelayTests(SynchronousTestCase):
    """
    `/delay/<duration>`.
    """

    def test_waits(self) -> None:
        """It waits what the path says, and at most --max-delay."""
        for text, seconds in (("250ms", 0.25), ("1.5", 1.5), ("61", 60.0), ("0", 0.0)):
            reply = ask(f"GET /delay/{text}")
            self.assertEqual(reply.after, seconds)

    def test_ready(self) -> None:
        """What costs is done at once: when it is due an answer is only to be sent."""
        self.assertIsInstance(ask("GET /delay/1").body, bytes)

    def test_bad(self) -> None:
        """What is no duration is a 400."""
        for text in ("nan", "inf", "-1", "1_0", "1e3", "x", "uniform:1", "%D9%A3"):
            self.assertEqual(self.assertRaises(BadCall, ask, f"GET /delay/{text}").status, 400)

    def test_distribution(self) -> None:
        """A distribution is drawn from, the same for the same seed, never above --max-delay."""
        one, other = (waits(ask("GET /delay/uniform:1s-3s?seed=7")) for _ in "12")
        self.assertEqual(one, other)
        self.assertTrue(1 <= one[0] <= 3)
        self.assertEqual(waits(ask("GET /delay/uniform:300s-400s")), [60.0])


class ForwardedTests(SynchronousTestCase):
    """
    On whose behalf a proxy asks.
    """

    def test_trusted(self) -> None:
        """A proxy on loopback is believed."""
        for client in ("127.0.0.1", "::1", "::ffff:127.0.0.2", "::1%lo"):
            found = shown(ask("GET /get", *FORWARDED, client=client))
            self.assertEqual((found["origin"], found["url"]), ("9.9.9.9", "https://netd/get"))

    def test_untrusted(self) -> None:
        """Nobody else is."""
        for client in ("192.0.2.1", "2001:db8::1", "no address"):
            found = shown(ask("GET /get", *FORWARDED, client=client))
            self.assertEqual((found["origin"], found["url"]), (client, "http://netd/get"))

    def test_configured(self) -> None:
        """--trust-forwarded says who is, instead."""
        on = bench(trust_forwarded=(Network.parse("192.0.2.0/24"),))
        self.assertEqual(
            shown(ask("GET /ip", *FORWARDED, client="192.0.2.9", on=on))["origin"], "9.9.9.9"
        )
        self.assertEqual(shown(ask("GET /ip", *FORWARDED, on=on))["origin"], "127.0.0.1")

    def test_schemes(self) -> None:
        """The other two spellings of the scheme are known; another scheme is not."""
        for field, scheme in (
            ("X-Forwarded-Protocol: https", "https"),
            ("X-Forwarded-Ssl: on", "https"),
            ("X-Forwarded-Ssl: off", "http"),
            ("X-Forwarded-Proto: javascript", "http"),
        ):
            self.assertEqual(shown(ask("GET /get", field))["url"], f"{scheme}://netd/get")

    def test_secure(self) -> None:
        """Over TLS the URL is https, and an absolute target names its host."""
        self.assertEqual(shown(ask("GET /get", secure=True))["url"], "https://netd/get")
        self.assertEqual(shown(ask("GET /get", authority="x:1"))["url"], "http://x:1/get")
