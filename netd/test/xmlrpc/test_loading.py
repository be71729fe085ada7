"""
The operator's own functions.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.loading import load

HERE = "netd.test.xmlrpc.published"


def names(text: str) -> list[str]:
    """What is published by it."""
    return [each.name for each in load(text)]


class LoadTests(SynchronousTestCase):
    """
    `[prefix=]module:object`.
    """

    def test_function(self) -> None:
        """A function is published by its name, or by its mark's."""
        self.assertEqual(names(f"{HERE}:double"), ["double"])
        self.assertEqual(names(f"{HERE}:marked"), ["other.name"])
        self.assertEqual(names("math:sqrt"), ["sqrt"])

    def test_prefix(self) -> None:
        """A prefix goes in front of every name."""
        self.assertEqual(names(f"a.b={HERE}:double"), ["a.b.double"])

    def test_module(self) -> None:
        """Of a module what `__all__` names, functions only."""
        self.assertEqual(names(HERE), ["double", "other.name"])
        self.assertEqual(names(f"m={HERE}"), ["m.double", "m.other.name"])

    def test_instance(self) -> None:
        """Of an instance its public methods, or those that are marked."""
        self.assertEqual(names(f"{HERE}:counter"), ["get"])
        self.assertEqual(names(f"{HERE}:chosen"), ["yes"])
        self.assertEqual(load(f"{HERE}:counter")["get"].function(), 3)

    def test_dotted(self) -> None:
        """An object may be inside another."""
        self.assertEqual(names(f"{HERE}:counter.get"), ["get"])

    def test_registry(self) -> None:
        """A Registry, or one Procedure, is taken as it is."""
        self.assertEqual(names(f"{HERE}:registry"), ["twice"])
        self.assertEqual(
            names("netd.xmlrpc.methods.arithmetic:PROCEDURES.__class__.__doc__.upper"),
            ["upper"],
        )

    def test_stock(self) -> None:
        """An object with `xmlrpc_*` methods is taken, sub-handlers and help too."""
        found = load(f"{HERE}:stock")
        self.assertEqual(
            [each.name for each in found], ["add", "sub0.add", "sub0.told", "told"]
        )
        self.assertEqual(found["told"].help, "This text.")
        self.assertEqual(found["told"].signature.variants, (("int", "int"),))
        self.assertEqual(found["sub0.add"].function(2, 3), 5)

    def test_source(self) -> None:
        """What is offloaded says where a worker finds it."""
        found = load(f"x={HERE}:heavy")["x.square"]
        self.assertEqual(found.source, (f"{HERE}:heavy", "square"))
        self.assertEqual(load(f"{HERE}:double")["double"].source, ("", ""))

    def test_refused(self) -> None:
        """What cannot be published is a ValueError in one line that says why."""
        for text, why in (
            ("", "not a module:object"),
            (":x", "not a module:object"),
            ("m:", "not a module:object"),
            (f"={HERE}", "there is no prefix"),
            (f"a b={HERE}", "is no name for a method"),
            ("no_such_module_1", "ModuleNotFoundError: No module named"),
            ("..x", "TypeError"),
            (f"{HERE}:nope", f"there is no nope in {HERE}"),
            ("netd.xmlrpc.steps", "has no __all__"),
            (f"{HERE}:Counter", "is a class"),
            (f"{HERE}:nothing", "publishes nothing"),
            (f"{HERE}:NUMBER.__doc__.nope", "there is no nope"),
            (f"{HERE}:asking", "wants the request"),
        ):
            wrong = self.assertRaises(ValueError, load, text)
            self.assertIn(why, str(wrong), text)
            self.assertNotIn("\n", str(wrong))

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
