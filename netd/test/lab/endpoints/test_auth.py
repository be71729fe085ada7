"""
Basic and bearer authentication.
"""

from __future__ import annotations

from base64 import b64encode

from twisted.trial.unittest import SynchronousTestCase

from netd.test.lab.calls import content, fields, json_of, reply_to


def basic(pair: str) -> str:
    """The Authorization field of a user and password."""
    return f"Authorization: Basic {b64encode(pair.encode()).decode()}"


class BasicTests(SynchronousTestCase):
    """
    A user and a password in the URL.
    """

    def test_right(self) -> None:
        """The right user and password are accepted, colons and umlauts included."""
        for user, password in (("u", "p"), ("ü", "p:q"), ("a b", "%")):
            path = (
                f"{user}/{password}".replace("%", "%25")
                .replace(" ", "%20")
                .replace("ü", "%C3%BC")
            )
            for kind in ("basic-auth", "hidden-basic-auth"):
                result = json_of(reply_to(f"GET /{kind}/{path}", basic(f"{user}:{password}")))
                self.assertEqual(result, {"authenticated": True, "user": user})

    def test_latin1(self) -> None:
        """User and password may be in latin-1; what latin-1 lacks is not guessed."""
        for pair in ("ü:p".encode("latin-1"), "ü:p".encode()):
            field = f"Authorization: basic  {b64encode(pair).decode()} "
            self.assertEqual(reply_to("GET /basic-auth/%C3%BC/p", field).status, 200)
        self.assertEqual(reply_to("GET /basic-auth/%CF%80/p", basic("?:p")).status, 401)

    def test_wrong(self) -> None:
        """Other credentials are an empty 401 with a challenge, or a 404."""
        for header in (
            (),
            (basic("u:q"),),
            (basic("u"),),
            ("Authorization: Basic ???",),
            ("Authorization: Bearer x",),
            ("Authorization: Basic \xe9",),
        ):
            reply = reply_to("GET /basic-auth/u/p", *header)
            self.assertEqual((reply.status, content(reply)), (401, b""))
            self.assertEqual(fields(reply)["www-authenticate"], 'Basic realm="Fake Realm"')
            self.assertEqual(reply_to("GET /hidden-basic-auth/u/p", *header).status, 404)


class BearerTests(SynchronousTestCase):
    """
    Bearer tokens.
    """

    def test_token(self) -> None:
        """The token is returned; without a token the response is a 401."""
        for scheme in ("Bearer ", "bearer ", "BEARER  "):
            result = json_of(reply_to("GET /bearer", f"Authorization: {scheme}abc"))
            self.assertEqual(result, {"authenticated": True, "token": "abc"})
        for field in ((), ("Authorization: Bearer ",), ("Authorization: Bearerabc",)):
            reply = reply_to("GET /bearer", *field)
            self.assertEqual((reply.status, fields(reply)["www-authenticate"]), (401, "Bearer"))
