"""
Digest authentication.
"""

from __future__ import annotations

import hashlib
import json

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import Reply
from netd.lab.endpoints.digest import expected_response, parse_credentials
from netd.test.bounded import bounded
from netd.test.lab.calls import fields, json_of, reply_to
from netd.test.lab.client import Client, parse

NAMES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512": "sha512"}


def cookies(reply: Reply) -> dict[str, str]:
    """The cookies that a reply sets."""
    pairs = [
        value.split(";")[0].split("=", 1)
        for name, value in reply.headers
        if name == "Set-Cookie"
    ]
    return dict(pairs)


class Browser:
    """A client of digest authentication, written from RFC 7616 3.4 and not from the code."""

    def __init__(self, word: str = "p") -> None:
        self.password = word
        self.jar: dict[str, str] = {}

    def send(self, line: str, *extra: str, body: bytes = b"") -> Reply:
        """The reply to a request; its cookies are stored."""
        if self.jar:
            extra = (*extra, "Cookie: " + "; ".join(f"{k}={v}" for k, v in self.jar.items()))
        reply = reply_to(line, *extra, body=body)
        self.jar |= cookies(reply)
        return reply

    def credentials(self, challenge: str, line: str, qop: str | None, body: bytes = b"") -> str:
        """The Authorization field for a challenge."""
        offer = parse_credentials(challenge.removeprefix("Digest "))
        name = NAMES[offer["algorithm"]]

        def h(text: str | bytes) -> str:
            data = text if isinstance(text, bytes) else text.encode()
            return hashlib.new(name, data).hexdigest()

        method, uri = line.split(" ")
        a1, a2 = h(f"u:{offer['realm']}:{self.password}"), f"{method}:{uri}"
        if qop == "auth-int":
            a2 += f":{h(body)}"
        middle = f":{offer['nonce']}:" + (f"00000001:abc:{qop}:" if qop else "")
        text = f'Digest username="u", realm="{offer["realm"]}", nonce="{offer["nonce"]}", '
        text += f'uri="{uri}", '
        text += f'algorithm={offer["algorithm"]}, response="{h(a1 + middle + h(a2))}"'
        if qop:
            text += f', qop={qop}, nc=00000001, cnonce="abc"'
        return f"Authorization: {text}"

    def log_in(self, line: str, qop: str | None = "auth", body: bytes = b"") -> Reply:
        """Take the challenge and send credentials."""
        challenge = fields(self.send(line, body=body))["www-authenticate"]
        return self.send(line, self.credentials(challenge, line, qop, body), body=body)


class DigestTests(SynchronousTestCase):
    """
    `/digest-auth`.
    """

    def test_algorithms(self) -> None:
        """Each algorithm works with each quality of protection."""
        for algorithm in NAMES:
            for qop in ("auth", "auth-int", None):
                line = f"GET /digest-auth/{qop or 'any'}/u/p/{algorithm}"
                reply = Browser().log_in(line, qop, b"body" if qop == "auth-int" else b"")
                self.assertEqual(json_of(reply), {"authenticated": True, "user": "u"})

    def test_challenge(self) -> None:
        """The challenge has realm, qop and algorithm; an unknown algorithm is MD5."""
        reply = reply_to("GET /digest-auth/auth/u/p/ROT13")
        self.assertEqual(reply.status, 401)
        offer = parse_credentials(fields(reply)["www-authenticate"].removeprefix("Digest "))
        self.assertEqual(
            (offer["qop"], offer["algorithm"], offer["stale"]), ("auth", "MD5", "False")
        )
        self.assertEqual(cookies(reply), {"stale_after": "never", "fake": "fake_value"})
        both = parse_credentials(fields(reply_to("GET /digest-auth/x/u/p"))["www-authenticate"])
        self.assertEqual(both["qop"], "auth, auth-int")

    def test_wrong(self) -> None:
        """A wrong password, a wrong user or incomplete credentials are a 401."""
        line = "GET /digest-auth/auth/u/p"
        self.assertEqual(Browser("q").log_in(line).status, 401)
        self.assertEqual(Browser().log_in("GET /digest-auth/auth/other/p").status, 401)
        for text in (
            "Digest",
            'Digest username="u", qop=auth',
            'Digest username="u", qop=odd',
            "Basic x",
        ):
            self.assertEqual(reply_to(line, f"Authorization: {text}").status, 401)

    def test_encodings(self) -> None:
        """User and password may be in UTF-8, in latin-1, or in `username*`."""
        path = "/digest-auth/auth/Zo%C3%AB/p%C3%A4"
        for sent, secret in (
            ("Zoë", "utf-8"),
            ("Zoë", "latin-1"),
            ("Zoë".encode("latin-1"), "utf-8"),
            ("Zoë".encode("latin-1"), "latin-1"),
            (None, "utf-8"),
        ):
            user = (
                b"username*=utf-8''Zo%C3%AB"
                if sent is None
                else b'username="%b"' % (sent if isinstance(sent, bytes) else sent.encode())
            )
            a1 = hashlib.sha256("Zoë:r:pä".encode(secret)).hexdigest()
            a2 = hashlib.sha256(f"GET:{path}".encode()).hexdigest()
            response = hashlib.sha256(f"{a1}:n:1:c:AUTH:{a2}".encode()).hexdigest()
            field = (
                b'Authorization: dIGEST  %b, realm="r", nonce="n", uri="%b", nc=1, cnonce="c", '
                b"qop=AUTH, algorithm=sha-256, response=%b"
            ) % (user, path.encode(), response.encode())
            head = b"GET %b HTTP/1.1\r\nHost: netd\r\n%b\r\n\r\n" % (path.encode(), field)
            received = parse(Client().send(head))
            self.assertEqual(received.status, 200, field)
            self.assertEqual(json.loads(received.body)["user"], "Zoë")
        other = head.replace(b"Zo%C3%AB/p", b"Zo%3F/p")
        self.assertEqual(parse(Client().send(other)).status, 401)

    def test_linear(self) -> None:
        """Credentials take linear time, however malformed they are."""
        for piece in ("a", "0-", 'a="', '"\\', "a=,"):
            with bounded(piece):
                parse_credentials(piece * (1_000_000 // len(piece)))

    def test_otherTarget(self) -> None:
        """A digest of another target is a 401."""
        client, line = Browser(), "GET /digest-auth/auth/u/p"
        challenge = fields(client.send(line))["www-authenticate"]
        self.assertEqual(
            client.send(line, client.credentials(challenge, f"{line}?x", "auth")).status, 401
        )

    def test_nonceOnce(self) -> None:
        """The nonce of a failed attempt is stale."""
        client, line = Browser("q"), "GET /digest-auth/auth/u/p"
        client.log_in(line)
        client.password = "p"
        offer = f'Digest username="u", nonce="{client.jar["last_nonce"]}"'
        reply = client.send(line, f"Authorization: {offer}")
        self.assertIn("stale=True", fields(reply)["www-authenticate"])

    def test_staleAfter(self) -> None:
        """A nonce is stale after stale_after uses."""
        client, line = Browser(), "GET /digest-auth/auth/u/p/MD5/2"
        challenge = fields(client.send(line))["www-authenticate"]
        authorization = client.credentials(challenge, line, "auth")
        result = [client.send(line, authorization) for _ in range(3)]
        self.assertEqual([each.status for each in result], [200, 200, 401])
        self.assertIn("stale=True", fields(result[2])["www-authenticate"])

    def test_cookies(self) -> None:
        """With require-cookie the client must return its cookies."""
        line = "GET /digest-auth/auth/u/p?require-cookie=1"
        challenge = fields(reply_to(line))["www-authenticate"]
        authorization = Browser().credentials(challenge, line, "auth")
        self.assertEqual(reply_to(line, authorization).status, 401)
        self.assertEqual(reply_to(line, authorization, "Cookie: a=b").status, 403)
        self.assertEqual(reply_to(line, authorization, "Cookie: fake=fake_value").status, 200)

    def test_example(self) -> None:
        """The example of RFC 2617 3.5 has its response."""
        offer = {
            "username": "Mufasa",
            "realm": "testrealm@host.com",
            "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            "qop": "auth",
            "nc": "00000001",
            "cnonce": "0a4f113b",
        }
        result = expected_response(
            offer, b"Mufasa:testrealm@host.com:Circle Of Life", "GET", "/dir/index.html", b""
        )
        self.assertEqual(result, "6629fae49393a05397450978507c4ef1")
