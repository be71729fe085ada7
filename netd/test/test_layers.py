"""
The floor plan of ARCHITECTURE.md: which room may import which.

Rules: reads source text and imports nothing of what it judges.  `FLOORS` is the
plan; change it when the house is rebuilt, not to silence a failure.
"""

from __future__ import annotations

import ast
import graphlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

import netd

PACKAGE: Final = Path(netd.__file__).parent

FLOORS: Final = (
    ("__init__",),
    ("values", "script", "steps", "counters", "regular_file", "throttled_log", "look"),
    ("addresses", "ratelimit", "turns", "queue_url"),
    ("setting_types",),
    ("acl", "settings", "player"),
    ("options",),
    ("transport",),
    ("http",),
    ("lab",),
    ("static", "xmlrpc"),
    ("services", "ops"),
    ("site",),
    ("parts",),
    ("workers",),
    ("daemon",),
    ("tap",),
    ("__main__",),
    ("testing",),
)
"""Rooms from the ground up: a room imports itself and rooms on lower floors only."""

PURE: Final = frozenset(
    {
        *("values", "addresses", "acl", "ratelimit", "settings", "script", "counters"),
        *("http.request_head", "http.fields", "http.body", "http.errors", "http.ranges"),
        *("http.conditional", "http.negotiation", "http.dates", "transport.proxy_header"),
        *("lab.call", "lab.compatibility", "lab.parameters", "lab.routes"),
        *("xmlrpc.registry", "xmlrpc.codec", "xmlrpc.signature", "services.messages"),
    }
)
"""These import no Twisted, and neither does a module whose docstring says `Rules: pure`."""

IMPURE: Final = frozenset({"twisted", "zope", "OpenSSL"})
REACTOR_IN: Final = frozenset({"tap"})
"""The modules that may import the process's reactor."""

# pytest is there when its plugins are loaded.
TESTING_IMPORTS: Final = sys.stdlib_module_names | {"__future__", "netd"}
PYTEST_IN: Final = frozenset({"testing.plugin", "testing.httpbin"})
"""The modules that pytest loads, and that may import pytest."""

Sources: TypeAlias = Mapping[str, ast.Module]
"""Parsed modules by their name below netd: `http.request`; `http` is its `__init__`."""


@frozen
class Import:
    """One import statement's target, seen from one module."""

    importer: str
    line: int
    target: str
    """Complete and as deep as a module: `netd.values`, `twisted.internet.reactor`."""

    @property
    def module(self) -> str | None:
        """The target's name below netd; None for the modules of others."""
        top, _, rest = self.target.partition(".")
        return (rest or "__init__") if top == "netd" else None

    def __str__(self) -> str:
        return f"netd.{self.importer}:{self.line} imports {self.target}"


@cache
def read(package: Path) -> Sources:
    """Every module of `package`, parsed, without its tests."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts[0] != "test":
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name or "__init__"] = ast.parse(path.read_text(), str(path))
    return found


def imports(sources: Sources) -> Iterator[Import]:
    """Every import, those inside functions and under `if TYPE_CHECKING` included."""
    for name, module in sources.items():
        for node in ast.walk(module):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                origin = "." * node.level + (node.module or "")
                targets = [
                    _module(f"{origin}.{each.name}", origin, sources) for each in node.names
                ]
            else:
                continue
            for target in targets:
                yield Import(name, node.lineno, target)


def _module(complete: str, origin: str, sources: Sources) -> str:
    """`complete` where that is a module, otherwise the module that it is defined in."""
    is_module = complete.removeprefix("netd.") in sources
    return complete if is_module or complete == "twisted.internet.reactor" else origin


def upward(sources: Sources) -> list[str]:
    """The imports that are relative, or that lead to a room which is not on a lower floor."""
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    found = []
    for each in imports(sources):
        room = each.importer.partition(".")[0]
        target = (each.module or "").partition(".")[0]
        if each.target.startswith("."):
            found.append(f"{each}: not absolute")
        elif target and target != room and floor[target] >= floor[room]:
            found.append(f"{each}: {target} is not below {room}")
    return found


def circle(sources: Sources) -> list[str]:
    """The modules of the first import circle; empty when there is none."""
    graph: dict[str, set[str]] = {name: set() for name in sources}
    for each in imports(sources):
        if each.module in graph and each.module != each.importer:
            graph[each.importer].add(each.module)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def pure(sources: Sources) -> set[str]:
    """The modules that are pure by `PURE` or by their own docstring."""
    declared = {
        name
        for name, module in sources.items()
        if "rules: pure" in " ".join((ast.get_docstring(module) or "").lower().split())
    }
    return declared | (PURE & sources.keys())


def impure(sources: Sources) -> list[str]:
    """The imports by which a pure module would not be pure."""
    clean = pure(sources) | {"__init__"}
    return [
        str(each)
        for each in imports(sources)
        if each.importer in clean
        and (each.target.partition(".")[0] in IMPURE or (each.module or "values") not in clean)
    ]


def reactors(sources: Sources) -> list[str]:
    """The imports of the process's reactor outside of `REACTOR_IN`."""
    return [
        str(each)
        for each in imports(sources)
        if each.target == "twisted.internet.reactor" and each.importer not in REACTOR_IN
    ]


def eager(sources: Sources) -> list[str]:
    """The imports of netd.testing, outside of functions, that cost others anything."""
    found = []
    for name, module in sources.items():
        if name.partition(".")[0] != "testing":
            continue
        now = ast.Module([*_at_import(module.body)], [])
        # Known to be a module, where it is imported from netd.
        for each in imports({"testing": ast.Module([], []), name: now}):
            top = each.target.partition(".")[0]
            allowed = TESTING_IMPORTS | ({"pytest"} if name in PYTEST_IN else set())
            own = f"{each.target}.".startswith("netd.testing.") or name == "testing.child"
            if top not in allowed or (top == "netd" and not own):
                found.append(str(each))
    return found


def _at_import(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The import statements that are run when a module is."""
    for each in statements:
        if isinstance(each, ast.Import | ast.ImportFrom):
            yield each
        elif isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING":
            yield from _at_import(each.orelse)
        elif not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            for block in ("body", "orelse", "finalbody", "handlers"):
                yield from _at_import(getattr(each, block, ()))


def untested(package: Path) -> list[str]:
    """The modules without a test file of their own that mirrors them."""
    modules = [path.relative_to(package) for path in package.rglob("*.py")]
    return [
        str(path)
        for path in modules
        if path.name != "__init__.py"
        and path.parts[0] != "test"
        and not (package / "test" / path.parent / f"test_{path.name}").exists()
    ]


class PlanTests(SynchronousTestCase):
    """
    netd keeps to its own plan.
    """

    def setUp(self) -> None:
        self.sources = read(PACKAGE)

    def test_rooms(self) -> None:
        """Every room of netd is on the plan, and every room of the plan exists."""
        planned = [room for rooms in FLOORS for room in rooms]
        self.assertEqual(
            sorted({name.partition(".")[0] for name in self.sources}), sorted(planned)
        )

    def test_downward(self) -> None:
        """Imports are absolute and run downward."""
        self.assertEqual(upward(self.sources), [])

    def test_circles(self) -> None:
        """No module imports itself by way of others, not even for annotations."""
        self.assertEqual(circle(self.sources), [])

    def test_pure(self) -> None:
        """A pure module imports no Twisted, and of netd only pure modules."""
        self.assertEqual(impure(self.sources), [])
        self.assertEqual(PURE - self.sources.keys(), set())

    def test_reactor(self) -> None:
        """Only tap.py imports the process's reactor."""
        self.assertEqual(reactors(self.sources), [])

    def test_eager(self) -> None:
        """netd.testing imports the standard library only, until somebody uses it."""
        self.assertEqual(eager(self.sources), [])

    def test_packages(self) -> None:
        """
        An `__init__.py` holds a docstring; netd's own holds its version, too.

        That of netd.testing holds the public names of that package.
        """
        for path in {*PACKAGE.rglob("__init__.py")} - {PACKAGE / "testing" / "__init__.py"}:
            body = ast.parse(path.read_text()).body
            self.assertIsNotNone(ast.get_docstring(ast.Module(body, [])), str(path))
            self.assertEqual(len(body), 2 if path.parent == PACKAGE else 1, str(path))

    def test_mirrored(self) -> None:
        """Every netd/x.py has its netd/test/test_x.py."""
        self.assertEqual(untested(PACKAGE), [])


class RulesTests(SynchronousTestCase):
    """
    Each rule finds what breaks it.
    """

    def sources(self, **modules: str) -> Sources:
        """Modules with these texts; `__` in a name stands for the dot."""
        texts = {"values": "", "http": "", "lab": "", "lab.call": "", **modules}
        return {name.replace("__", "."): ast.parse(text) for name, text in texts.items()}

    def test_upward(self) -> None:
        """An upward or relative import is found, inside a function and for types, too."""
        for text in (
            "from netd import lab",
            "import netd.lab",
            "def f():\n from netd.lab.call import Call",
            "if TYPE_CHECKING:\n from netd.lab import call",
            "from . import x",
        ):
            self.assertEqual(len(upward(self.sources(http__a=text))), 1, text)

    def test_downwardIsAllowed(self) -> None:
        """Imports within a room and from lower floors break no rule."""
        sources = self.sources(
            lab__a="from netd import http, values\nimport netd.lab.call\nimport os"
        )
        self.assertEqual(upward(sources), [])

    def test_circle(self) -> None:
        """A circle is found although one of its imports is for annotations only."""
        sources = self.sources(
            http__a="from netd.http import b",
            http__b="from netd.http.c import x",
            http__c="if TYPE_CHECKING:\n import netd.http.a",
        )
        self.assertEqual(set(circle(sources)), {"http.a", "http.b", "http.c"})

    def test_impure(self) -> None:
        """A pure module may import Twisted neither itself nor by way of another module."""
        for text in ("from twisted.internet import defer", "from netd import http"):
            sources = self.sources(ops__a=f'"""\nIt.\n\nRules: pure.\n"""\n{text}')
            self.assertEqual(len(impure(sources)), 1, text)

    def test_eager(self) -> None:
        """In netd.testing an import of others is found, unless it is inside a function."""
        for text in (
            "import trustme",
            "from netd.values import Duration",
            "try:\n import pytest\nexcept ImportError:\n pass",
            "class C:\n from twisted.internet import defer",
            "if x:\n pass\nelse:\n import attrs",
        ):
            self.assertEqual(len(eager(self.sources(testing__a=text))), 1, text)
        for text in (
            "import json\nfrom netd.testing.ca import CA",
            "def f():\n import trustme",
            "if TYPE_CHECKING:\n import pytest",
        ):
            self.assertEqual(eager(self.sources(testing__a=text)), [], text)
        self.assertEqual(eager(self.sources(testing__plugin="import pytest")), [])

    def test_reactor(self) -> None:
        """The reactor's import is found in each of its forms."""
        for text in (
            "from twisted.internet import defer, reactor",
            "import twisted.internet.reactor",
            "def f():\n from twisted.internet import reactor as r",
        ):
            self.assertEqual(len(reactors(self.sources(daemon=text))), 1, text)
            self.assertEqual(reactors(self.sources(tap=text)), [])
