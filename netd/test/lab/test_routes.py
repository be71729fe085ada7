"""
Routes and the table that finds them.
"""

from __future__ import annotations

from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall, Call, Reply
from netd.lab.parameters import Parameter
from netd.lab.routes import ANY, Route, Table, elsewhere
from netd.test.chance import by_chance


def nothing(call: Call) -> Reply:
    """An endpoint that is never called."""
    raise AssertionError("called")


class RouteTests(SynchronousTestCase):
    """
    What a route takes.
    """

    def test_takes(self) -> None:
        """A route takes its methods, and HEAD where it takes GET."""
        route = Route("/", nothing, "help", ("GET", "POST"))
        taken = [each for each in ("GET", "HEAD", "POST", "PUT") if route.takes(each)]
        self.assertEqual(taken, ["GET", "HEAD", "POST"])

    def test_headNeedsGet(self) -> None:
        """HEAD is not taken where GET is not."""
        self.assertFalse(Route("/", nothing, "help", ("POST",)).takes("HEAD"))

    def test_any(self) -> None:
        """A route of any method takes all of them."""
        route = Route("/", nothing, "help", ANY)
        self.assertTrue(all(map(route.takes, ("GET", "HEAD", "OPTIONS", "BREW"))))

    def test_allow(self) -> None:
        """Allow lists the methods sorted, with HEAD where GET is and OPTIONS always."""
        self.assertEqual(Route("/", nothing, "").allow, "GET, HEAD, OPTIONS")
        self.assertEqual(Route("/", nothing, "", ("PUT", "POST")).allow, "OPTIONS, POST, PUT")

    def test_match(self) -> None:
        """Literal segments must be equal, and named segments must not be empty."""
        route = Route("/a/<x>/c", nothing, "")
        self.assertEqual(route.match(["a", "b", "c"]), {"x": "b"})
        self.assertEqual(route.match(["a", "<x>", "c"]), {"x": "<x>"})
        for segments in (["a", "", "c"], ["a", "b", "d"], ["a", "b"], ["a", "b", "c", "d"]):
            self.assertIsNone(route.match(segments))

    def test_rest(self) -> None:
        """A path segment takes the rest, which may not be missing."""
        route = Route("/a/<path:x>", nothing, "")
        self.assertEqual(route.match(["a", "b", "", "c"]), {"x": "b//c"})
        self.assertEqual(route.match(["a", ""]), {"x": ""})
        self.assertIsNone(route.match(["a"]))
        self.assertEqual(route.names, ("x",))

    def test_root(self) -> None:
        """The root path is one empty segment."""
        self.assertEqual(Route("/", nothing, "").match([""]), {})

    def test_parameter(self) -> None:
        """A route has its parameters by their names."""
        one = Parameter("x", "text", "")
        route = Route("/", nothing, "", parameters=(one,))
        self.assertIs(route.by_name["x"], one)
        self.assertNotIn("y", route.by_name)


class DelayableTests(SynchronousTestCase):
    """
    Routes that X-Netd-Delay delays.
    """

    def test_timed(self) -> None:
        """A route that is timed by itself, or prompt, is none of them."""
        for kind in ("delay", "duration"):
            route = Route("/", nothing, "help", parameters=(Parameter("x", kind, ""),))
            self.assertFalse(route.delayable)
        self.assertFalse(Route("/", nothing, "help", composable=True).delayable)
        self.assertFalse(Route("/", nothing, "help", prompt=True).delayable)
        self.assertTrue(
            Route("/", nothing, "help", parameters=(Parameter("x", "text", ""),)).delayable
        )


class TableTests(SynchronousTestCase):
    """
    The route of a path.
    """

    table = Table(
        [
            Route("/", nothing, "root"),
            Route("/a/b", nothing, "literal"),
            Route("/a/<x>", nothing, "any"),
            Route("/a/<x>/<path:y>", nothing, "rest"),
        ]
    )

    def find(self, path: str) -> tuple[str, dict[str, str]]:
        """The help of the route, and the values of the path."""
        route, parameters = self.table.find(path.encode())
        return route.help, dict(parameters)

    def test_order(self) -> None:
        """The first route that matches wins."""
        self.assertEqual(self.find("/"), ("root", {}))
        self.assertEqual(self.find("/a/b"), ("literal", {}))
        self.assertEqual(self.find("/a/%62"), ("literal", {}))
        self.assertEqual(self.find("/a/c"), ("any", {"x": "c"}))
        self.assertEqual(self.find("/a/1%2F2/%C3%A9/"), ("rest", {"x": "1/2", "y": "é/"}))

    def test_near(self) -> None:
        """A 404 names the routes that begin alike, and the parameters of their paths."""
        kind = Parameter("kind", "text", "the kind", choices=("x", "y"))
        table = Table(
            [
                Route("/fault/<kind>", nothing, "help", parameters=(kind,)),
                Route("/", nothing, "help"),
                *(Route(f"/many/<a>/{n}", nothing, "help") for n in range(9)),
            ]
        )
        for path, said in (
            ("/fault", "nothing is here, but at /fault/<kind>; kind: the kind (x, y)"),
            ("/fault/x/", "nothing is here, but at /fault/<kind>; kind: the kind (x, y)"),
            ("/Fualt/x", "nothing is here, but at /fault/<kind>; kind: the kind (x, y)"),
            ("/many", "nothing is here, but at /many/<a>/0 or /many/<a>/1 or /many/<a>/2"),
            ("/other", "nothing is here; /help lists what is"),
            ("//x", "nothing is here; /help lists what is"),
        ):
            error = self.assertRaises(BadCall, table.find, path.encode())
            self.assertEqual((error.status, error.detail), (404, said), path)

    def test_unknown(self) -> None:
        """Any other path is a 404; a path that is not UTF-8 is a 400."""
        for path in ("/a", "/a/", "/b/c", "//a/b", "/A/b"):
            self.assertEqual(self.assertRaises(BadCall, self.find, path).status, 404)
        self.assertEqual(self.assertRaises(BadCall, self.find, "/a/%ff").status, 400)

    def test_elsewhere(self) -> None:
        """A path that another resource takes is a 404 here."""
        call = cast(Call, None)
        self.assertEqual(self.assertRaises(BadCall, elsewhere, call).status, 404)

    @by_chance
    @given(st.binary())
    def test_anything(self, path: bytes) -> None:
        """Any path has a route or is a 400 or a 404."""
        try:
            self.table.find(b"/" + path)
        except BadCall as bad:
            self.assertIn(bad.status, (400, 404))
