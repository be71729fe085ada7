"""
A table of bounded size that forgets the entries not used lately.

Rules: pure.  Every table that peers can make grow is one of these.
"""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LRU(Generic[K, V]):
    """At most `most` entries; a full table forgets the half that was not used lately."""

    # Two generations instead of a list in order of use: a look-up is one `dict` access, and
    # forgetting costs a fraction of a microsecond an entry.
    __slots__ = ("_half", "_old", "young")

    def __init__(self, most: int) -> None:
        self._half = max(1, most // 2)
        self._old: dict[K, V] = {}
        self.young: dict[K, V] = {}
        """The younger half, for callers that cannot afford a call; always the same object."""

    def get(self, key: K) -> V | None:
        """The value of `key`, which counts as used now."""
        value = self.young.get(key)
        if value is None and (value := self._old.pop(key, None)) is not None:
            self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Set the value of `key`, which is not None."""
        if len(self.young) >= self._half:
            self._old = self.young.copy()
            self.young.clear()
        self.young[key] = value

    def clear(self) -> None:
        """Forget all entries."""
        self.young.clear()
        self._old.clear()

    def __len__(self) -> int:
        return len(self.young) + len(self._old)
