"""
Endpoints that return the request.
"""

from __future__ import annotations

from uuid import UUID

from twisted.trial.unittest import SynchronousTestCase

from netd.addresses import Network
from netd.lab.call import JSON, BadCall
from netd.test.lab.calls import content, json_of, lab_state, reply_to, steps, waits

FORWARDED = ("X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https")


class EchoTests(SynchronousTestCase):
    """
    The members of each response.
    """

    def test_keys(self) -> None:
        """The keys are exactly those of httpbin."""
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
            reply = reply_to(line)
            self.assertEqual(set(json_of(reply)), keys, line)
            self.assertEqual(reply.type, JSON)

    def test_exact(self) -> None:
        """The bytes are those of httpbin."""
        expected = (
            b'{\n  "args": {\n    "a": [\n      "1",\n      "2"\n    ],\n    "b": ""\n  },\n'
            b'  "headers": {\n    "Accept": "*/*",\n    "Host": "netd"\n  },\n'
            b'  "origin": "127.0.0.1",\n  "url": "http://netd/get?a=1&a=2&b="\n}\n'
        )
        self.assertEqual(content(reply_to("GET /get?a=1&a=2&b=", "Accept: */*")), expected)

    def test_method(self) -> None:
        """/anything returns the method, unregistered ones too."""
        self.assertEqual(json_of(reply_to("BREW /anything"))["method"], "BREW")

    def test_args(self) -> None:
        """Bytes that are not UTF-8 stay encoded; a plus is a space; a semicolon is itself."""
        result = json_of(reply_to("GET /get?x=%FF&y=a%20b+c;d"))
        self.assertEqual(result["args"], {"x": "%FF", "y": "a b c;d"})
        self.assertEqual(result["url"], "http://netd/get?x=%FF&y=a%20b+c;d")

    def test_small(self) -> None:
        """/ip, /user-agent and /uuid return one member each."""
        self.assertEqual(json_of(reply_to("GET /ip")), {"origin": "127.0.0.1"})
        self.assertEqual(
            json_of(reply_to("GET /user-agent", "User-Agent: x")), {"user-agent": "x"}
        )
        self.assertEqual(json_of(reply_to("GET /user-agent")), {"user-agent": None})
        self.assertEqual(UUID(json_of(reply_to("GET /uuid"))["uuid"]).version, 4)

    def test_upload(self) -> None:
        """/upload returns the size of a body and does not read it."""
        result = json_of(reply_to("POST /upload", "Content-Type: x/y", body=b"123"))
        self.assertEqual((result["bytes"], result["content_type"]), (3, "x/y"))
        self.assertEqual(json_of(reply_to("POST /upload"))["bytes"], 0)


class DelayTests(SynchronousTestCase):
    """
    `/delay/<duration>`.
    """

    def test_waits(self) -> None:
        """The delay is that of the path, and at most --max-delay."""
        for text, seconds in (("250ms", 0.25), ("1.5", 1.5), ("61", 60.0), ("0", 0.0)):
            reply = reply_to(f"GET /delay/{text}")
            self.assertEqual(reply.delay, seconds)

    def test_ready(self) -> None:
        """The body is made before the delay, not when it is due."""
        self.assertIsInstance(reply_to("GET /delay/1").body, bytes)

    def test_bad(self) -> None:
        """A malformed duration is a 400."""
        for text in ("nan", "inf", "-1", "1_0", "1e3", "x", "uniform:1", "%D9%A3"):
            self.assertEqual(
                self.assertRaises(BadCall, reply_to, f"GET /delay/{text}").status, 400
            )

    def test_distribution(self) -> None:
        """A distribution is drawn from, equally for equal seeds, and at most --max-delay."""
        one, other = (waits(reply_to("GET /delay/uniform:1s-3s?seed=7")) for _ in "12")
        self.assertEqual(one, other)
        self.assertTrue(1 <= one[0] <= 3)
        self.assertEqual(waits(reply_to("GET /delay/uniform:300s-400s")), [60.0])


class ForwardedTests(SynchronousTestCase):
    """
    X-Forwarded-* fields.
    """

    def test_trusted(self) -> None:
        """Fields of a proxy on loopback count."""
        for client in ("127.0.0.1", "::1", "::ffff:127.0.0.2", "::1%lo"):
            result = json_of(reply_to("GET /get", *FORWARDED, address=client))
            self.assertEqual((result["origin"], result["url"]), ("9.9.9.9", "https://netd/get"))

    def test_untrusted(self) -> None:
        """Fields of other clients do not count."""
        for client in ("192.0.2.1", "2001:db8::1", "no address"):
            result = json_of(reply_to("GET /get", *FORWARDED, address=client))
            self.assertEqual((result["origin"], result["url"]), (client, "http://netd/get"))

    def test_configured(self) -> None:
        """--trust-forwarded replaces loopback."""
        state = lab_state(trust_forwarded=(Network.parse("192.0.2.0/24"),))
        reply = reply_to("GET /ip", *FORWARDED, address="192.0.2.9", state=state)
        self.assertEqual(json_of(reply)["origin"], "9.9.9.9")
        self.assertEqual(
            json_of(reply_to("GET /ip", *FORWARDED, state=state))["origin"], "127.0.0.1"
        )

    def test_schemes(self) -> None:
        """X-Forwarded-Protocol and X-Forwarded-Ssl count too; unknown schemes do not."""
        for field, scheme in (
            ("X-Forwarded-Protocol: https", "https"),
            ("X-Forwarded-Ssl: on", "https"),
            ("X-Forwarded-Ssl: off", "http"),
            ("X-Forwarded-Proto: javascript", "http"),
        ):
            self.assertEqual(
                json_of(reply_to("GET /get", field))["url"], f"{scheme}://netd/get"
            )

    def test_secure(self) -> None:
        """Over TLS the URL is https, and the authority of an absolute target counts."""
        self.assertEqual(json_of(reply_to("GET /get", secure=True))["url"], "https://netd/get")
        self.assertEqual(
            json_of(reply_to("GET /get", authority="x:1"))["url"], "http://x:1/get"
        )


class RawTests(SynchronousTestCase):
    """
    `/raw` and `/dump/request`.
    """

    def test_exact(self) -> None:
        """Bytes, order, case and repeats are those of the request."""
        for path in ("/raw", "/dump/request"):
            reply = reply_to(
                f"BREW {path}", "b: 2", "A:  1 ", "b:\t3", "X: é", body=b"\xff\x00"
            )
            expected = (
                f"BREW {path} HTTP/1.1\r\nHost: netd\r\nb: 2\r\nA:  1 \r\nb:\t3\r\nX: é\r\n"
            )
            expected += "Content-Length: 2\r\n\r\n"
            whole = expected.encode() + b"\xff\x00"
            self.assertEqual((content(reply), reply.length), (whole, len(whole)))

    def test_pieces(self) -> None:
        """A large body is sent in pieces."""
        self.assertEqual(len(steps(reply_to("PUT /raw", body=bytes(200_000)))), 5)


class ConnectionTests(SynchronousTestCase):
    """
    `/tls` and `/head`.
    """

    def test_tls(self) -> None:
        """/tls returns the facts about TLS, or null."""
        self.assertEqual(json_of(reply_to("GET /tls")), {"tls": None})
        result = json_of(reply_to("GET /tls", tls=lambda: {"version": "TLSv1.3"}))
        self.assertEqual(result, {"tls": {"version": "TLSv1.3"}})

    def test_head(self) -> None:
        """/head has an empty body."""
        self.assertEqual(content(reply_to("HEAD /head")), b"")


class MachineTests(SynchronousTestCase):
    """
    Facts about the machine.
    """

    def test_hidden(self) -> None:
        """Without --reveal hostname and version are a 403."""
        for name in ("hostname", "version"):
            self.assertEqual(self.assertRaises(BadCall, reply_to, f"GET /{name}").status, 403)

    def test_revealed(self) -> None:
        """With --reveal they are returned."""
        state = lab_state(hostname="box", version="1.2")
        self.assertEqual(json_of(reply_to("GET /hostname", state=state)), {"hostname": "box"})
        self.assertEqual(json_of(reply_to("GET /version", state=state)), {"version": "1.2"})

    def test_environment(self) -> None:
        """Only variables NETD_ENV_* are returned."""
        state = lab_state(
            environ={"NETD_ENV_A": "1", "NETD_PORT": "2", "PATH": "x", "XNETD_ENV_": "3"}
        )
        self.assertEqual(
            json_of(reply_to("GET /env", state=state)), {"env": {"NETD_ENV_A": "1"}}
        )
