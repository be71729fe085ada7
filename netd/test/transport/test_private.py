"""
Tests for netd.transport.private.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any, Final

from twisted.internet import abstract, tcp
from twisted.logger import capturedLogs, formatEvent
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

import netd
import twisted
from netd.daemon import build
from netd.test.stages import Reactor
from netd.test.test_daemon import settings_with
from netd.transport import private
from netd.transport.private import FEATURES, UDP, UNIX, Feature
from netd.values import Endpoint

_TWISTED: Final = (
    *("internet.abstract", "internet.base", "internet.posixbase", "internet.tcp"),
    *("internet.unix", "internet.udp", "internet.epollreactor", "protocols.tls"),
    *("protocols.policies", "internet.protocol", "application.service"),
)
"""Modules of Twisted whose private names netd could use."""
_ATTRIBUTES: Final = private._attributes


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def _names(nodes: Iterable[ast.AST]) -> set[str]:
    """The private names that `nodes` define or use as attributes."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return set(filter(_is_private, names))


@cache
def _of_twisted() -> frozenset[str]:
    """Every private name in the source of the modules of `_TWISTED`."""
    names: set[str] = set()
    for module in _TWISTED:
        source = inspect.getsource(importlib.import_module(f"twisted.{module}"))
        names |= _names(ast.walk(ast.parse(source)))
    return frozenset(names)


def _of_class(kind: object) -> set[str]:
    """The private names of Twisted that instances of `kind` inherit."""
    names: set[str] = set()
    for base in inspect.getmro(kind) if isinstance(kind, type) else ():
        if base.__module__.startswith("twisted."):
            names |= _names(ast.walk(ast.parse(dedent(inspect.getsource(base)))))
    return names


def uses(source: str, module: ModuleType) -> set[str]:
    """The private names of Twisted that `module` with this `source` uses."""
    tree = ast.parse(source)
    if "twisted" not in source:
        return set()
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    own = {each.name: _names(ast.walk(each)) for each in classes}
    foreign = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    }
    names = foreign & _of_twisted()
    for name, used in own.items():
        names |= used & _of_class(getattr(module, name))
    return set(filter(_is_private, names))


class TableTests(SynchronousTestCase):
    """
    The table names what netd uses of Twisted's private parts.
    """

    def test_complete(self) -> None:
        """No module of netd uses a private name of Twisted that is not in the table."""
        known = {
            name
            for feature in FEATURES
            for names in feature.names.values()
            for name in names.split()
        }
        package = Path(netd.__file__).parent
        unknown = {}
        for path in package.rglob("*.py"):
            parts = path.relative_to(package.parent).with_suffix("").parts
            if "test" not in parts and parts[-1] not in ("__init__", "__main__"):
                module = importlib.import_module(".".join(parts))
                unknown[".".join(parts)] = uses(path.read_text(), module) - known
        self.assertEqual({name: names for name, names in unknown.items() if names}, {})

    def test_found(self) -> None:
        """A use is found on another object, through `self` and by overriding."""

        class Kind(tcp.Server):
            _shouldShutdown = False

        module: Any = ModuleType("example")
        module.Kind = Kind
        head = "from twisted.internet import tcp\n"
        for line in (
            "port._bindPath = b''",
            "def f(reactor): return reactor._poller.poll",
            "class Kind(tcp.Server):\n _aborting = True",
            "class Kind(tcp.Server):\n def f(self): return self._aborting",
            "class Kind(tcp.Server):\n def _closeSocket(self): pass",
        ):
            self.assertEqual(len(uses(head + line, module)), 1, line)
        for line in ("self._bindPath", "class Kind(tcp.Server):\n def f(self): self._own = 1"):
            self.assertEqual(uses(head + line, module), set(), line)


class CheckTests(SynchronousTestCase):
    """
    The check at start.
    """

    def lack(self, name: str) -> None:
        """Simulate a Twisted in which `name` has another name."""
        self.patch(private, "_attributes", lambda holder: _ATTRIBUTES(holder) - {name})

    def check(self, *kinds: str) -> list[str]:
        """The lines that the check logs."""
        with capturedLogs() as events:
            private.check(kinds)
        return [str(formatEvent(event)) for event in events]

    def test_this(self) -> None:
        """This Twisted has every name; when it lacks one, read the code that uses it again."""
        self.assertEqual([feature.missing() for feature in FEATURES], [None] * len(FEATURES))
        self.assertEqual(self.check("tcp", "unix", "udp"), [])

    def test_instance(self) -> None:
        """An attribute that only instances have is found, and missed."""
        name = "twisted.internet.abstract:FileDescriptor"
        self.assertFalse(hasattr(abstract.FileDescriptor, "_tempDataLen"))
        self.assertIsNone(Feature({name: "_tempDataLen"}).missing())
        self.assertIsNotNone(Feature({name: "_tempDataLength"}).missing())

    def test_class(self) -> None:
        """A class that is missing is noticed, too."""
        missing = Feature({"twisted.internet.tcp:Socket": "fd"}).missing()
        self.assertEqual(missing, "twisted.internet.tcp.Socket")

    def test_everyName(self) -> None:
        """Each name of each feature is noticed when it is missing."""
        for feature in FEATURES:
            for holder, names in feature.names.items():
                for name in names.split():
                    lacking = Feature({holder: name})
                    self.lack(name)
                    expected = f"{holder.replace(':', '.')}.{name}"
                    self.assertEqual(lacking.missing(), expected)

    def test_fallback(self) -> None:
        """A feature with a fallback is off with one log line."""
        self.lack("_aborting")
        (line,) = self.check("tcp")
        lacking = "twisted.internet.tcp.Connection._aborting"
        self.assertEqual(
            line, f"Twisted {twisted.__version__} lacks {lacking}: using its own TCP transport"
        )

    def test_everyFallback(self) -> None:
        """Each feature with a fallback has a line of its own, whatever it lacks."""
        self.patch(private, "_attributes", lambda holder: set())
        lines = self.check("tcp")
        self.assertEqual(len(lines), len(set(lines)))
        self.assertEqual(len(lines), len([each for each in FEATURES if each.fallback]))

    def test_refused(self) -> None:
        """A missing name without a fallback refuses the endpoints that need the name."""
        for feature, name, kinds in (
            (UNIX, "_bindPath", ("unix",)),
            (UDP, "_preexistingSocket", ("udp", "udp6")),
        ):
            self.assertEqual(feature.kinds, set(kinds))
            self.patch(private, "FEATURES", (feature,))
            self.lack(name)
            self.assertEqual(self.check("tcp", "tcp6"), [])
            for kind in kinds:
                caught = self.assertRaises(UsageError, self.check, "tcp", kind)
                self.assertIn(f"Twisted {twisted.__version__} lacks ", str(caught))
                self.assertIn(f".{name}: cannot listen on {kind}", str(caught))

    def test_noModule(self) -> None:
        """A platform without a module lacks nothing of it."""
        self.patch(sys, "modules", {**sys.modules, "twisted.internet.epollreactor": None})
        self.assertIsNone(private.DISPATCH.missing())

    def test_start(self) -> None:
        """The daemon checks its listeners, and refuses to start with a UNIX socket."""
        self.lack("_bindPath")
        build(settings_with(), Reactor(), {})
        path = Endpoint("unix", self.mktemp(), 0)
        with self.assertRaises(UsageError):
            build(settings_with(path), Reactor(), {})
