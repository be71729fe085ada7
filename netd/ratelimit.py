"""
Token buckets: a rate for each client, and a burst.

Rules: pure; the time is an argument.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from netd.lru import LRU

MOST: Final = 65_536
"""Buckets kept; a forgotten bucket starts full."""


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
