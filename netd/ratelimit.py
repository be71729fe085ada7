"""
Token buckets: so many a second from each, and a burst.

Rules: pure; the time is an argument.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from netd.lru import LRU

MOST: Final = 65_536
"""Buckets kept; who is forgotten starts with a full one."""


class TokenBucket:
    """What one of many may still take."""

    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at
        """When that was counted."""

    def take(self, rate: float, burst: float, now: float) -> bool:
        """Take one token, if there is a whole one `now`."""
        tokens = min(burst, self.tokens + (now - self.at) * rate)
        self.at = now
        if tokens < 1.0:
            self.tokens = tokens
            return False
        self.tokens = tokens - 1.0
        return True


class TokenBuckets:
    """A bucket for each key: `rate` tokens a second, at most `burst` saved up."""

    def __init__(self, rate: float, burst: float, most: int = MOST) -> None:
        self._rate = rate
        self._burst = burst
        self._known: LRU[Hashable, TokenBucket] = LRU(most)

    def take(self, key: Hashable, now: float) -> bool:
        """Take one token of `key`, if there is one `now` (seconds, never falling)."""
        bucket = self._known.get(key)
        if bucket is None:
            bucket = TokenBucket(self._burst, now)
            self._known.put(key, bucket)
        return bucket.take(self._rate, self._burst, now)
