"""
How many requests there were for each key, in this process or in another one.

Rules: pure; no Twisted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol

from attrs import define, field

MAX_KEYS: Final = 10_000
"""How many keys of /retry and fail_first are remembered; the least recent is forgotten."""


class Later(Exception):
    """
    A value that another process has: the endpoint runs again when that is here.

    `fetch` is called with the function that takes the value.
    """

    def __init__(self, fetch: Callable[[Callable[[object], None]], None]) -> None:
        super().__init__("a value comes later")
        self.fetch = fetch


class Counting(Protocol):
    """What counts the requests for each key; where another process does, it raises `Later`."""

    def count(self, key: str) -> int:
        """Count a request for `key`, and return how many came before it."""

    def forget(self, key: str) -> int:
        """Count requests for `key` from 0 again, and return how many there were."""


@define
class Counts:
    """How many requests there were for each key."""

    _counts: OrderedDict[str, int] = field(init=False, factory=OrderedDict)

    def count(self, key: str) -> int:
        """Count a request for `key`, and return how many came before it."""
        before = self._counts.pop(key, 0)
        self._counts[key] = before + 1
        if len(self._counts) > MAX_KEYS:
            self._counts.popitem(last=False)
        return before

    def forget(self, key: str) -> int:
        """Count requests for `key` from 0 again, and return how many there were."""
        return self._counts.pop(key, 0)
