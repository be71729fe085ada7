"""
Every regular expression of netd, how it is used, and the texts that could keep it busy.

Rules: finds them by itself, in the modules and in their sources; nothing is listed here.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any, Final, TypeAlias, cast

from attrs import frozen

import netd
from netd.test.bounded import bounded

Pattern: TypeAlias = "re.Pattern[str] | re.Pattern[bytes]"

_SHORT: Final = 16 * 1024
_LONG: Final = 1024 * 1024
_SUSPECT_SECONDS: Final = 0.001
"""Less for a short text is harmless; what is quadratic takes 4096 times that for a long one."""
END_SECONDS = 1.0

_REPEATED: Final = frozenset({"findall", "finditer", "sub", "subn", "split"})
_METHODS: Final = frozenset({"match", "fullmatch", "search"}) | _REPEATED
_REPEATS: Final = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
_CHARACTERS: Final = frozenset(map(chr, range(256)))
_UNMATCHED: Final = "\x7f"


@frozen
class Found:
    """A pattern of a module, and the methods of it that netd calls."""

    name: str
    """`netd.http.body._SIZE`"""
    pattern: Pattern
    methods: frozenset[str]


def modules() -> Iterator[ModuleType]:
    """Every module of netd without the tests."""
    for each in pkgutil.walk_packages(netd.__path__, "netd."):
        if not each.name.startswith("netd.test") and not each.name.endswith("__main__"):
            yield importlib.import_module(each.name)


@cache
def _source(module: ModuleType) -> ast.Module:
    return ast.parse(Path(cast(str, module.__file__)).read_text())


@cache
def patterns() -> list[Found]:
    """Every pattern that a module of netd holds, in a tuple or a dict too."""
    uses = _uses()
    found: dict[int, Found] = {}
    for module in modules():
        inside = f"{module.__name__}."
        # How a pattern is used that has another name in a loop.
        any_use = frozenset().union(*(uses[each] for each in uses if each.startswith(inside)))
        for name, value in vars(module).items():
            for each in _patterns_in(value):
                used = uses.get(inside + name)
                if used is not None or id(each) not in found:
                    found[id(each)] = Found(inside + name, each, used or any_use or _METHODS)
    return list(found.values())


def _patterns_in(value: object) -> Iterator[Pattern]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, Mapping):
        yield from _patterns_in(tuple(value.values()))
    elif isinstance(value, (tuple, list, set, frozenset)):
        for each in value:
            yield from _patterns_in(each)


@cache
def _uses() -> dict[str, frozenset[str]]:
    """The methods that are looked up on each name of a module."""
    uses: dict[str, frozenset[str]] = {}
    for module in modules():
        nodes = list(ast.walk(_source(module)))
        origins = {
            alias.asname or alias.name: f"{node.module}.{alias.name}"
            for node in nodes
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        for node in nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                full = origins.get(node.value.id, f"{module.__name__}.{node.value.id}")
                if node.attr in _METHODS:
                    uses[full] = uses.get(full, frozenset()) | {node.attr}
    return uses


def hidden() -> set[str]:
    """The functions that call `re`, whose pattern no module holds."""
    return {
        f"{module.__name__}.{function.name}"
        for module in modules()
        for function in ast.walk(_source(module))
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "re"
        and node.attr in _METHODS | {"compile"}
    }


def try_out(found: Found) -> None:
    """
    AssertionError when the time that `found` takes is not linear in its text.

    The texts are a start that leads to one of the repeats, and then one or two units again
    and again, with and without an end that matches nothing.
    """
    tree = _parsed(found.pattern)
    alphabet = units(found.pattern)
    starts = sorted({"", *_starts(tree)})
    methods = {"sub" if each in _REPEATED else each for each in found.methods}
    for method in sorted(methods):
        # Where the search goes on after a match, an end changes nothing.
        ends = ("",) if method in ("sub", "search") else ("", _UNMATCHED)
        for start in starts:
            for first in alphabet:
                for second in ("", *alphabet):
                    for end in ends:
                        if first != second:
                            _try_text(found, method, start, first + second, end)


def _try_text(found: Found, method: str, start: str, unit: str, end: str) -> None:
    with bounded(f"{found.name}.{method}: {start!r} {unit!r} {end!r}", END_SECONDS):
        size, before, seconds = _SHORT, 0.0, _SUSPECT_SECONDS
        # The measured times only spare longer texts to what is fast enough; what is quadratic
        # does not end.
        while size <= _LONG and seconds >= max(_SUSPECT_SECONDS, 8 * before):
            text = start + unit * (size // len(unit)) + end
            before, begun = seconds if size > _SHORT else 0.0, time.process_time()
            _call(found.pattern, method, text)
            seconds, size = time.process_time() - begun, 4 * size


def _call(pattern: re.Pattern[Any], method: str, text: str) -> None:
    subject = text.encode("latin-1") if isinstance(pattern.pattern, bytes) else text
    if method == "sub":
        pattern.sub(subject[:0], subject)
    else:
        getattr(pattern, method)(subject)


# What a pattern consists of, as the module `re` parses it: pairs of an operation and its
# arguments.

_Tree: TypeAlias = Iterable[tuple[Any, Any]]


def _parsed(pattern: Pattern) -> _Tree:
    flags = pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    tree: _Tree = _parser.parse(pattern.pattern, flags)
    return tree


def _branches(operation: Any, arguments: Any) -> list[_Tree]:
    """What an operation consists of, each of which begins where the operation does."""
    if operation is op.BRANCH:
        return list(arguments[1])
    if operation is op.SUBPATTERN:
        return [arguments[3]]
    if operation in _REPEATS:
        return [arguments[2]]
    if operation in (op.ASSERT, op.ASSERT_NOT):
        return [arguments[1]]
    return [arguments] if operation is op.ATOMIC_GROUP else []


@cache
def units(pattern: Pattern) -> list[str]:
    """The words of a pattern, and one character of each kind that it tells apart."""
    atoms = set(_atoms(_parsed(pattern)))
    words = {each for each in atoms if isinstance(each, str)}
    sets = atoms - words
    kinds: dict[tuple[object, ...], str] = {}
    for character in ("a", "0", " ", *sorted(_CHARACTERS)):
        kind = (character * (character in words), *(character in each for each in sets))
        kinds.setdefault(kind, character)
    return list(dict.fromkeys((*kinds.values(), *sorted(words))))


def _atoms(tree: _Tree) -> Iterator[str | frozenset[str]]:
    """The words, which are literals in a row, and the sets of characters."""
    word = ""
    for operation, arguments in tree:
        if operation is op.LITERAL:
            word += chr(arguments)
            continue
        if word:
            yield word
            word = ""
        if operation in (op.NOT_LITERAL, op.ANY, op.IN):
            yield _characters(operation, arguments)
        for branch in _branches(operation, arguments):
            yield from _atoms(branch)
    if word:
        yield word


_CATEGORIES: Final = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_NOT_WORD: r"\W",
}


def _characters(operation: Any, arguments: Any) -> frozenset[str]:
    """The characters below 256 that one item of a pattern matches."""
    if operation is op.ANY:
        return _CHARACTERS
    if operation is op.NOT_LITERAL:
        return _CHARACTERS - {chr(arguments)}
    matched: frozenset[str] = frozenset()
    for kind, value in arguments:
        if kind is op.LITERAL:
            matched |= {chr(value)}
        elif kind is op.RANGE:
            matched |= {each for each in _CHARACTERS if value[0] <= ord(each) <= value[1]}
        elif kind is op.CATEGORY:
            category = re.compile(_CATEGORIES[value], re.ASCII)
            matched |= {each for each in _CHARACTERS if category.match(each)}
    return _CHARACTERS - matched if arguments[0][0] is op.NEGATE else matched


def _starts(tree: _Tree, before: str = "") -> Iterator[str]:
    """The shortest texts that lead to each repeat without a limit, or with a high one."""
    for operation, arguments in tree:
        if operation in _REPEATS and (arguments[1] is op.MAXREPEAT or arguments[1] > 255):
            yield before
        for branch in _branches(operation, arguments):
            yield from _starts(branch, before)
        before += _shortest(operation, arguments)


def _shortest(operation: Any, arguments: Any) -> str:
    """A shortest text that an operation matches."""
    if operation is op.LITERAL:
        return chr(arguments)
    if operation in (op.NOT_LITERAL, op.ANY, op.IN):
        matched = _characters(operation, arguments)
        return next((each for each in "a0" if each in matched), min(matched))
    if operation in (op.ASSERT, op.ASSERT_NOT):
        return ""
    inner = "".join(
        _shortest(*each) for tree in _branches(operation, arguments)[:1] for each in tree
    )
    return inner * arguments[0] if operation in _REPEATS else inner
