"""
Cookies.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.lab.endpoints.cookies import parse_cookies, set_cookies
from netd.test.chance import by_chance
from netd.test.lab.calls import fields, json_of, reply_to


class CookieTests(SynchronousTestCase):
    """
    Reading, setting and deleting.
    """

    def test_read(self) -> None:
        """The first cookie of each name is shown unquoted; cookies of analytics are hidden."""
        fields = ('Cookie: a=1; b="x\\054y\\""; a=2; c', "Cookie: d=4; __utma=x; ;")
        expected = {"a": "1", "b": 'x,y"', "c": "", "d": "4"}
        self.assertEqual(json_of(reply_to("GET /cookies", *fields)), {"cookies": expected})
        self.assertIn(
            "__utma", json_of(reply_to("GET /cookies?show_env=1", *fields))["cookies"]
        )

    def test_odd(self) -> None:
        """Quotes may hold semicolons, and a malformed cookie is shown as it was sent."""
        for value, expected in (
            ('a="b;c"; d=e', {"a": "b;c", "d": "e"}),
            ('a="\\303\\251\\x"', {"a": "éx"}),
            ("é=é", {"é": "é"}),
            ('a={"b":1}; c', {"a": '{"b":1}', "c": ""}),
            ("a b = c d ;=x;;", {"a b": "c d"}),
            ('a="b; c=d', {"a": '"b', "c": "d"}),
        ):
            self.assertEqual(
                json_of(reply_to("GET /cookies", f"Cookie: {value}"))["cookies"], expected
            )

    def test_set(self) -> None:
        """Setting cookies redirects to /cookies, with one field for each."""
        reply = reply_to("GET /cookies/set?a=1&b=2&a=3")
        expected = (
            ("Location", "/cookies"),
            ("Set-Cookie", "a=1; Path=/"),
            ("Set-Cookie", "b=2; Path=/"),
        )
        self.assertEqual((reply.status, reply.headers), (302, expected))
        one = reply_to("GET /cookies/set/a/b%20c", secure=True)
        self.assertEqual(one.headers[1], ("Set-Cookie", 'a="b c"; Secure; Path=/'))
        forwarded = reply_to("GET /cookies/set?a=1", "X-Forwarded-Proto: https")
        self.assertEqual(forwarded.headers[1], ("Set-Cookie", "a=1; Secure; Path=/"))

    def test_delete(self) -> None:
        """A deleted cookie is empty and expired."""
        gone = "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"
        self.assertEqual(
            reply_to("GET /cookies/delete?a&a=1").headers[1:], (("Set-Cookie", gone),)
        )

    def test_attributes(self) -> None:
        """Parameters of /cookies/set/NAME/VALUE are attributes; other arguments are ignored."""
        for query, attributes in (
            ("", "; Path=/"),
            ("x=1&domain=example", "; Path=/"),
            ("secure=yes", "; Secure; Path=/"),
            ("httponly=yes&path=/a%20b", "; HttpOnly; Path=/a b"),
            ("max_age=0&samesite=lax", "; Max-Age=0; Path=/; SameSite=Lax"),
            (
                "samesite=none&secure=yes&max_age=5&httponly=yes",
                "; Max-Age=5; Secure; HttpOnly; Path=/; SameSite=None",
            ),
        ):
            reply = reply_to(f"GET /cookies/set/a/b?{query}")
            self.assertEqual(reply.headers[1:], (("Set-Cookie", f"a=b{attributes}"),))
        reply = reply_to("GET /cookies/set/a/b?secure=no", secure=True)
        self.assertEqual(fields(reply)["set-cookie"], "a=b; Path=/")

    def test_badAttributes(self) -> None:
        """An attribute that is malformed, or could smuggle in another one, is a 400."""
        for query in (
            "secure=maybe",
            "max_age=x",
            "max_age=-1",
            "samesite=other",
            "path=a",
            "path=/;Domain=example",
            "path=/%0d%0aX:y",
            "path=/%C3%A9",
        ):
            self.assertRaises(BadCall, reply_to, f"GET /cookies/set/a/b?{query}")

    def test_bad(self) -> None:
        """A name that is not a token is a 400."""
        for name in ("a%20b", "a%0d%0aX", "%C3%A9", "a;b", ""):
            for path in (f"set?{name}=1", f"delete?{name}=1"):
                self.assertRaises(BadCall, reply_to, f"GET /cookies/{path}")

    @by_chance
    @given(st.text())
    def test_anyValue(self, value: str) -> None:
        """Any value is quoted into one field, and read back unchanged."""
        try:
            value.encode()
        except UnicodeEncodeError:
            return
        ((_, field),) = set_cookies([("a", value)])
        self.assertRegex(field, r"\A[\x20-\x7e]*\Z")
        pair = field.removesuffix("; Path=/")
        self.assertEqual(parse_cookies((("Cookie", pair),)), {"a": value})
