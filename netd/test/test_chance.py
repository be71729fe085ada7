"""Tests for how hypothesis tests netd."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import netd


def _without(source: str) -> Iterator[str]:
    """The tests by hypothesis in `source` that have no settings made from `by_chance`."""
    if "@given(" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            decorators = [ast.unparse(each) for each in node.decorator_list]
            given = any(each.startswith("given(") for each in decorators)
            if given and not any(
                each == "by_chance" or "(by_chance, max_examples=" in each
                for each in decorators
            ):
                yield node.name


class ChanceTests(SynchronousTestCase):
    """Every test by hypothesis."""

    def test_everyTest(self) -> None:
        """No test by hypothesis measures time, or has other examples on the next run."""
        root = Path(netd.__file__).parent.parent
        found = [
            f"{path.relative_to(root)}: {name}"
            for package in ("netd/test", "tests")
            for path in sorted((root / package).rglob("*.py"))
            for name in _without(path.read_text())
        ]
        self.assertEqual(found, [])

    def test_found(self) -> None:
        """A test without these settings is found."""
        for settings, found in (
            ("@by_chance", []),
            ("@settings(by_chance, max_examples=9)", []),
            ("@settings(max_examples=9)", ["test_a"]),
            ("", ["test_a"]),
        ):
            source = f"{settings}\n@given(st.text())\ndef test_a(text): pass"
            self.assertEqual(list(_without(source)), found, settings)
