"""
Bounded tables: the entries used lately, and a token bucket for each client.

Rules: pure; the time is an argument.  Every table that peers can make grow is an LRU.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST: Final = 65_536
"""Buckets kept; a forgotten bucket starts full."""


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


class TokenBucket:
    """The tokens that one client may take, as counted `at` a time in seconds."""

    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at

    def take(self, rate: float, burst: float, now: float) -> bool:
        """Take one token, if a whole token is there `now`."""
        tokens = min(burst, self.tokens + (now - self.at) * rate)
        self.at = now
        taken = tokens >= 1.0
        self.tokens = tokens - 1.0 if taken else tokens
        return taken


class TokenBuckets:
    """A bucket for each key: `rate` tokens a second, at most `burst` saved up."""

    def __init__(self, rate: float, burst: float, most: int = MOST) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: LRU[Hashable, TokenBucket] = LRU(most)

    def take(self, key: Hashable, now: float) -> bool:
        """Take one token of `key`, if there is one `now` (seconds, never falling)."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = TokenBucket(self._burst, now)
            self._buckets.put(key, bucket)
        return bucket.take(self._rate, self._burst, now)
