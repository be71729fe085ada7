"""
A table that forgets: what was looked for lately, and never more than so much of it.

Rules: pure.  Whatever a peer can make grow is kept in one of these.
"""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LRU(Generic[K, V]):
    """
    At most `most` entries, of which the half that was not looked for is forgotten at once.

    Two generations instead of a list in order of use: a look-up is one `dict`
    access, and forgetting costs a fraction of a microsecond an entry.
    """

    __slots__ = ("_half", "_old", "young")

    def __init__(self, most: int) -> None:
        self._half = max(1, most // 2)
        self._old: dict[K, V] = {}
        self.young: dict[K, V] = {}
        """The younger half, for who cannot afford a call; it stays the same object."""

    def get(self, key: K) -> V | None:
        """What is known of `key`, which thereby stays known."""
        found = self.young.get(key)
        if found is None and (found := self._old.pop(key, None)) is not None:
            self.put(key, found)
        return found

    def put(self, key: K, value: V) -> None:
        """Know `value`, which is not None, of `key`."""
        if len(self.young) >= self._half:
            self._old = self.young.copy()
            self.young.clear()
        self.young[key] = value

    def clear(self) -> None:
        """Know nothing."""
        self.young.clear()
        self._old.clear()

    def __len__(self) -> int:
        return len(self.young) + len(self._old)
