"""
Which known name a wrong one was probably meant to be.

Rules: pure; takes microseconds, since clients choose the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

# Among shorter names a wrong letter makes another word: page is not pace, need not seed.
_LONG: Final = 6
_SHORTEST: Final = 4


def near_miss(name: str, known: tuple[str, ...]) -> str | None:
    """
    The one of `known` that `name` is, but for case, hyphens and one slip; None: it is none.

    A slip is a letter too many, too few, or two swapped, and in names of six letters
    or more a wrong one.  Names with fewer than four letters are not guessed at.
    """
    text = name.lower().replace("-", "_")
    if text in known:
        return None if text == name else text
    shortened = _shortened(known)
    if text in shortened:
        return shortened[text]
    if len(text) > max(map(len, known)) + 1:
        return None
    for shorter in _without_one(text):
        if shorter in known and len(shorter) >= _SHORTEST:
            return shorter
        meant = shortened.get(shorter)
        if meant is None or len(meant) != len(text):
            continue
        if len(meant) >= _LONG or sorted(meant) == sorted(text):
            return meant
    return None


def _without_one(text: str) -> set[str]:
    return {text[:index] + text[index + 1 :] for index in range(len(text))}


@lru_cache(maxsize=8)
def _shortened(known: tuple[str, ...]) -> Mapping[str, str]:
    """The names of `known` without one of their letters, and what they are in whole."""
    return {
        shorter: name
        for name in known
        if len(name) >= _SHORTEST
        for shorter in _without_one(name)
    }
