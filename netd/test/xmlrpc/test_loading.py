"""
Publishing the operator's own functions.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.loading import load

MODULE = "netd.test.xmlrpc.published"


def names(text: str) -> list[str]:
    """The names that `text` publishes."""
    return [each.name for each in load(text)]


class LoadTests(SynchronousTestCase):
    """
    `[prefix=]module:object`.
    """

    def test_function(self) -> None:
        """A function is published by its own name or by that in `@rpc`."""
        self.assertEqual(names(f"{MODULE}:double"), ["double"])
        self.assertEqual(names(f"{MODULE}:marked"), ["other.name"])
        self.assertEqual(names("math:sqrt"), ["sqrt"])

    def test_prefix(self) -> None:
        """A prefix is put in front of every name."""
        self.assertEqual(names(f"a.b={MODULE}:double"), ["a.b.double"])

    def test_module(self) -> None:
        """A module publishes the functions in its `__all__`."""
        self.assertEqual(names(MODULE), ["double", "other.name"])
        self.assertEqual(names(f"m={MODULE}"), ["m.double", "m.other.name"])

    def test_instance(self) -> None:
        """An instance publishes its public methods, or only those marked by `@rpc`."""
        self.assertEqual(names(f"{MODULE}:counter"), ["get"])
        self.assertEqual(names(f"{MODULE}:chosen"), ["yes"])
        self.assertEqual(load(f"{MODULE}:counter")["get"].function(), 3)

    def test_dotted(self) -> None:
        """The path of an object may have dots."""
        self.assertEqual(names(f"{MODULE}:counter.get"), ["get"])

    def test_registry(self) -> None:
        """A Registry is published as it is; any attribute path is followed."""
        self.assertEqual(names(f"{MODULE}:registry"), ["twice"])
        self.assertEqual(
            names("netd.xmlrpc.methods.arithmetic:PROCEDURES.__class__.__doc__.upper"),
            ["upper"],
        )

    def test_stock(self) -> None:
        """`xmlrpc_*` methods are published with their help and those of sub-handlers."""
        found = load(f"{MODULE}:stock")
        self.assertEqual(
            [each.name for each in found], ["add", "sub0.add", "sub0.told", "told"]
        )
        self.assertEqual(found["told"].help, "This text.")
        self.assertEqual(found["told"].signature.variants, (("int", "int"),))
        self.assertEqual(found["sub0.add"].function(2, 3), 5)

    def test_source(self) -> None:
        """An offloaded method names the object that a worker has to load."""
        found = load(f"x={MODULE}:heavy")["x.square"]
        self.assertEqual(found.source, (f"{MODULE}:heavy", "square"))
        self.assertEqual(load(f"{MODULE}:double")["double"].source, ("", ""))

    def test_refused(self) -> None:
        """An object that cannot be published is a ValueError of one line with the reason."""
        for text, why in (
            ("", "not MODULE:OBJECT"),
            (":x", "not MODULE:OBJECT"),
            ("m:", "not MODULE:OBJECT"),
            (f"={MODULE}", "the prefix is missing"),
            (f"a b={MODULE}", "is no name for a method"),
            ("no_such_module_1", "ModuleNotFoundError: No module named"),
            ("..x", "TypeError"),
            (f"{MODULE}:nope", f"there is no nope in {MODULE}"),
            ("netd.steps", "has no __all__"),
            (f"{MODULE}:Counter", "is a class"),
            (f"{MODULE}:nothing", "publishes nothing"),
            (f"{MODULE}:NUMBER.__doc__.nope", "there is no nope"),
            (f"{MODULE}:asking", "wants the request"),
        ):
            error = self.assertRaises(ValueError, load, text)
            self.assertIn(why, str(error), text)
            self.assertNotIn("\n", str(error))

    def test_raising(self) -> None:
        """What a module or a property raises is the reason, and so is a missing name."""
        folder = Path(self.mktemp())
        folder.mkdir()
        self.patch(sys, "path", [str(folder), *sys.path])
        for name, text, reason in (
            ("netd_exits", "import sys; sys.exit(4)", "SystemExit: 4"),
            ("netd_lacks", "__all__ = ['nope']", "AttributeError: .* no attribute 'nope'"),
            ("netd_fails", "class A:\n x = property(lambda s: {}[1])\na = A()", "KeyError: 1"),
        ):
            (folder / f"{name}.py").write_text(text)
            self.addCleanup(sys.modules.pop, name, None)
            source = f"{name}:a" if name == "netd_fails" else name
            with self.assertRaisesRegex(ValueError, reason):
                load(source)

    def test_currentDirectory(self) -> None:
        """A module in the current directory is found."""
        room = Path(self.mktemp())
        room.mkdir()
        (room / "netd_test_here.py").write_text("def f(): return 1\n")
        self.addCleanup(os.chdir, os.getcwd())
        self.patch(sys, "path", [each for each in sys.path if each])
        os.chdir(room)
        self.addCleanup(sys.modules.pop, "netd_test_here", None)
        self.assertEqual(names("netd_test_here:f"), ["f"])
        self.assertEqual(names("netd_test_here:f"), ["f"])
