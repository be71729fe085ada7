"""
The floor plan of docs/design.md, kept: who may import whom.

Rules: reads source text and imports nothing of what it judges.  The tables
below are the plan; change them when the house is rebuilt, not to get by.
"""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

import netd

HOUSE: Final = Path(netd.__file__).parent
ROOT: Final = HOUSE.parent

PURE: Final = frozenset(
    {
        *("values", "distribution", "addresses", "acl", "ratelimit", "lru"),
        *("settings", "script", "counters"),
        *("http.request_head", "http.body", "http.errors", "http.ranges", "http.conditional"),
        *("transport.proxy_header", "lab.call"),
        *("xmlrpc.registry", "xmlrpc.codec", "xmlrpc.signature", "services.messages"),
    }
)
"""No Twisted in these, nor in any module whose docstring says `Rules: pure`."""

_VALUES: Final = ("values", "distribution", "addresses", "lru")
_GROUND: Final = (*_VALUES, "acl", "ratelimit", "settings", "script", "counters")
_PLAYER: Final = (*_GROUND, "player")

MAY_IMPORT: Final[Mapping[str, tuple[str, ...]]] = {
    "": (),
    "values": (),
    "distribution": ("values",),
    "addresses": ("values",),
    "lru": (),
    "acl": ("addresses", "lru"),
    "ratelimit": ("lru",),
    "script": (),
    "counters": (),
    "settings": _VALUES,
    "player": ("script",),
    "transport": _PLAYER,
    "http": (*_PLAYER, "transport", "lab"),
    "lab": (*_PLAYER, "http"),
    "static": (*_PLAYER, "transport", "http", "lab"),
    "xmlrpc": _PLAYER,
    "services": (*_PLAYER, "transport"),
    "ops": _PLAYER,
    "site": (*_PLAYER, "http", "lab", "static", "xmlrpc"),
    "house": (*_PLAYER, "transport", "http", "lab", "services", "ops", "site"),
    "daemon": (
        *("", *_PLAYER, "transport", "http", "lab", "xmlrpc", "services", "ops"),
        *("site", "house"),
    ),
    "options": ("", "settings", *_VALUES),
    "tap": (
        *("settings", "daemon", "options"),
        *("ops.inherited", "ops.logging.setup", "ops.healthcheck"),
    ),
    "__main__": (),
}
"""By room, what it may import beside itself; "" is netd/__init__.py."""

REACTOR_IN: Final = frozenset({"tap"})
"""Who may import the process's reactor."""

NOT_PURE: Final = frozenset(
    {"twisted", "zope", "OpenSSL", "automat", "incremental", "netd_plugin"}
)

# Modules whose own test is still to come; each goes when it is there.
NOT_YET: Final[frozenset[str]] = frozenset()

House: TypeAlias = Mapping[str, ast.Module]
"""Modules by their name below netd, tests left out; `web` is netd/web/__init__.py."""


@frozen
class Import:
    """One name that one module imports."""

    importer: str
    line: int
    target: str
    """In full, `netd.values`, and as deep as a module goes."""
    typing: bool
    """Whether it stands under `if TYPE_CHECKING`."""

    @property
    def ours(self) -> str | None:
        """The target's name below netd; None for what is not ours."""
        top, _, rest = self.target.partition(".")
        return rest if top == "netd" else None

    def __str__(self) -> str:
        return f"netd.{self.importer}:{self.line} imports {self.target}"


@cache
def read(house: Path) -> House:
    """Every module below `house`, parsed; nobody changes the trees."""
    found = {}
    for path in sorted(house.rglob("*.py")):
        parts = path.relative_to(house).with_suffix("").parts
        if parts[0] != "test":
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text(), str(path))
    return found


def imports(house: House) -> Iterator[Import]:
    """Every import of every module, those inside functions too."""
    for name, module in house.items():
        late = {
            id(inner)
            for node in ast.walk(module)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for inner in ast.walk(node)
        }
        for node in ast.walk(module):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for target in _targets(node, house):
                    yield Import(name, node.lineno, target, id(node) in late)


def _targets(node: ast.Import | ast.ImportFrom, house: House) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    origin = "." * node.level + (node.module or "")
    for alias in node.names:
        whole = f"{origin}.{alias.name}"
        is_module = whole.removeprefix("netd.") in house or whole == "twisted.internet.reactor"
        yield whole if is_module else origin


def room(name: str) -> str:
    """The room that the module `name` stands in."""
    return name.partition(".")[0]


def astray(house: House) -> list[str]:
    """Imports that the plan does not allow."""
    found = []
    for each in imports(house):
        if each.target.startswith("."):
            found.append(f"{each}: not absolute")
        elif each.ours is not None and room(each.importer) != room(each.ours):
            allowed = MAY_IMPORT.get(room(each.importer), ())
            if not any(
                each.ours == one or (one and each.ours.startswith(f"{one}.")) for one in allowed
            ):
                found.append(f"{each}: not for {room(each.importer)}")
    return found


def pure(house: House) -> set[str]:
    """The modules that are pure, by the plan or by their own word."""
    said = {
        name
        for name, module in house.items()
        if "rules: pure" in " ".join((ast.get_docstring(module) or "").lower().split())
    }
    return said | (PURE & house.keys())


def impure(house: House) -> list[str]:
    """Imports of pure modules that are not pure."""
    clean = pure(house)
    return [
        str(each)
        for each in imports(house)
        if each.importer in clean
        and not each.typing
        and (each.target.partition(".")[0] in NOT_PURE or (each.ours or "values") not in clean)
    ]


def reactors(house: House) -> list[str]:
    """Imports of the process's reactor where it is not allowed."""
    return [
        str(each)
        for each in imports(house)
        if each.target.startswith("twisted.internet.reactor")
        and each.importer not in REACTOR_IN
    ]


def circle(house: House) -> list[str]:
    """The first circle of imports, `if TYPE_CHECKING` left out; empty when there is none."""
    graph: dict[str, set[str]] = {name: set() for name in house}
    for each in imports(house):
        ours = each.ours
        if ours is not None and ours in house and not each.typing and ours != each.importer:
            graph[each.importer].add(ours)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as wrong:
        found: list[str] = wrong.args[1]
        return found
    return []


def furnished(text: str, allowed: tuple[str, ...] = ()) -> list[str]:
    """What stands in an `__init__.py` beside its docstring and the names `allowed`."""
    first, *rest = [*ast.parse(text).body, ast.Pass()]
    found = [
        ast.unparse(node)
        for node in rest[:-1]
        if not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in allowed)
    ]
    if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)):
        found.insert(0, "no docstring")
    return found


def untested(house: Path) -> set[str]:
    """The modules without a test file that mirrors them."""
    modules = [
        path.relative_to(house)
        for path in house.rglob("*.py")
        if path.name != "__init__.py" and path.relative_to(house).parts[0] != "test"
    ]
    return {
        ".".join(path.with_suffix("").parts)
        for path in modules
        if not (house / "test" / path.parent / f"test_{path.name}").exists()
    }


class PlanTests(SynchronousTestCase):
    """
    netd keeps its own plan.
    """

    def setUp(self) -> None:
        self.house = read(HOUSE)

    def none(self, offenders: list[str], rule: str) -> None:
        """There are no offenders; the failure lists them."""
        if offenders:
            self.fail("\n".join([f"{rule}:", *sorted(offenders)]))

    def test_rooms(self) -> None:
        """
        Every module stands in a room of the plan.
        """
        unknown = {room(name) for name in self.house} - MAY_IMPORT.keys()
        self.none(sorted(unknown), "rooms that MAY_IMPORT does not know")

    def test_downward(self) -> None:
        """
        Imports are absolute and run downward.
        """
        self.none(astray(self.house), "imports against the plan")

    def test_pure(self) -> None:
        """
        A pure module imports nothing of Twisted, and of netd only what is pure.
        """
        self.none(impure(self.house), "pure modules that are not")
        self.assertTrue({"values", "settings", "script", "counters"} <= pure(self.house))

    def test_reactor(self) -> None:
        """
        The process's reactor is imported in tap.py and nowhere else.
        """
        self.none(reactors(self.house), "imports of the reactor")

    def test_circles(self) -> None:
        """
        No module imports itself by way of others.
        """
        self.none(circle(self.house), "a circle of imports")

    def test_packages(self) -> None:
        """
        Every `__init__.py` holds a docstring and no more; netd's also its version.
        """
        for path in HOUSE.rglob("__init__.py"):
            allowed = ("__version__",) if path.parent == HOUSE else ()
            self.none(furnished(path.read_text(), allowed), str(path.relative_to(ROOT)))

    def test_mirrored(self) -> None:
        """
        Every netd/x.py has its netd/test/test_x.py.
        """
        self.none(sorted(untested(HOUSE) - NOT_YET), "modules without a test of their own")

    def test_not_yet(self) -> None:
        """
        NOT_YET names only what is still to come.
        """
        self.none(sorted(NOT_YET - untested(HOUSE)), "tested by now: strike it from NOT_YET")


class RulesTests(SynchronousTestCase):
    """
    The plan's rules find what breaks them.
    """

    def house(self, **modules: str) -> House:
        """A house of these modules; `__` in a name stands for the dot."""
        return {
            name.replace("__", "."): ast.parse(text)
            for name, text in {"": "", "values": "", "net": "", "web": "", **modules}.items()
        }

    def test_targets(self) -> None:
        """
        An import leads to the module it names, however it is written.
        """
        house = self.house(
            tap="import netd.values\nfrom netd import values, __version__\n"
            "from netd.values import Size\ndef f():\n from netd import web\n"
            "from twisted.internet import reactor, defer\n"
        )
        self.assertEqual(
            sorted(each.target for each in imports(house)),
            [
                *("netd", "netd.values", "netd.values", "netd.values", "netd.web"),
                *("twisted.internet", "twisted.internet.reactor"),
            ],
        )

    def test_upward(self) -> None:
        """
        An import upward or sideways is found, inside a function and for types alone too.
        """
        for text in (
            "from netd import daemon",
            "import netd.tap",
            "def f():\n from netd.options import Options",
            "if TYPE_CHECKING:\n from netd.daemon import House",
            "from netd.lab.router import Router",
            "from netd.wire import answers",
            "from netd import __version__",
        ):
            house = self.house(
                net__a=text, daemon="", web__router="", wire="", wire__answers=""
            )
            (found,) = astray(house)
            self.assertTrue(found.startswith("netd.net.a:"), found)

    def test_allowed(self) -> None:
        """
        Imports downward, within a room, and those the plan names, are none.
        """
        house = self.house(
            web__a="from netd import values\nfrom netd.web import b\nimport netd.transport.drain",
            web__b="import netd.script\nfrom netd.xmlrpc.registry import R\nimport os",
            net__drain="",
            rpc__registry="",
            script="",
            daemon="from netd.web import a\nfrom netd.net import drain",
        )
        self.assertEqual(astray(house), [])

    def test_neighbour(self) -> None:
        """
        A room that is allowed one module of another is not allowed the others.
        """
        house = self.house(net__listen="", web__a="from netd.net import listen, drain")
        self.assertEqual(len(astray(house)), 2)

    def test_relative(self) -> None:
        """
        A relative import is found.
        """
        self.assertEqual(
            len(astray(self.house(web__a="from . import b\nfrom ..net import c"))), 2
        )

    def test_pure_by_word(self) -> None:
        """
        A module that calls itself pure is held to it.
        """
        text = '"""\nIt.\n\nRules: pure.\n"""\nfrom twisted.internet import defer'
        self.assertEqual(
            impure(self.house(ops__a=text)), ["netd.ops.a:6 imports twisted.internet"]
        )
        self.assertEqual(impure(self.house(ops__a=text.replace("pure", "none"))), [])

    def test_pure_by_way_of_others(self) -> None:
        """
        A pure module does not get at Twisted by way of another.
        """
        house = self.house(values="from netd import player", player="import twisted")
        self.assertEqual(impure(house), ["netd.values:1 imports netd.player"])

    def test_reactor_found(self) -> None:
        """
        The reactor is found however it is imported, and allowed where it is.
        """
        for text in (
            "from twisted.internet import defer, reactor",
            "import twisted.internet.reactor",
            "def f():\n from twisted.internet import reactor as r",
            "from twisted.internet.reactor import callLater",
        ):
            self.assertEqual(len(reactors(self.house(daemon=text))), 1, text)
            self.assertEqual(reactors(self.house(tap=text)), [])

    def test_circle_found(self) -> None:
        """
        A circle is found, unless one of its sides is for types alone.
        """
        house = self.house(
            web__a="from netd.web import b",
            web__b="from netd.web.c import x",
            web__c="def f():\n import netd.web.a",
        )
        self.assertEqual(set(circle(house)), {"web.a", "web.b", "web.c"})
        for_types = ast.parse("if TYPE_CHECKING:\n import netd.web.a")
        self.assertEqual(circle({**house, "web.c": for_types}), [])

    def test_furniture(self) -> None:
        """
        Whatever stands in a package beside its docstring is found.
        """
        self.assertEqual(furnished('"""It."""'), [])
        self.assertEqual(furnished(""), ["no docstring"])
        self.assertEqual(furnished("import os"), ["no docstring"])
        self.assertEqual(furnished('"""It."""\nimport os\nX = 1'), ["import os", "X = 1"])
        self.assertEqual(furnished('"""It."""\nX = 1', ("X",)), [])

    def test_mirror(self) -> None:
        """
        A module without the test that mirrors it is found.
        """
        house = Path(self.mktemp())
        for name in ("a.py", "web/a.py", "web/__init__.py", "__main__.py", "test/test_a.py"):
            path = house / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        self.assertEqual(untested(house), {"web.a", "__main__"})
        self.assertEqual(set(read(house)), {"a", "web.a", "web", "__main__"})
