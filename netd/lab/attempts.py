"""
What became of each request that /retry and fail_first counted, for tests of a backoff.

Rules: pure.  Every part of it is bounded, as clients choose keys and paths.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

from attrs import Factory, define, frozen

MAX_ATTEMPTS: Final = 50
"""How many attempts of a key are remembered, the latest."""
MAX_KEYS: Final = 10_000
"""How many keys are remembered; the least recent is forgotten."""
MAX_IN_ALL: Final = 100_000
"""How many attempts are remembered in all; the least recent key is forgotten."""
MAX_PATH: Final = 200
"""Characters of a path that are remembered."""


@frozen
class Attempt:
    """One request, and the response to it."""

    at: float
    """Seconds since the first attempt for the key, to the microsecond."""
    method: str
    path: str
    """As received, without the query."""
    status: int


@define
class _Key:
    first: float
    attempts: deque[Attempt] = Factory(lambda: deque(maxlen=MAX_ATTEMPTS))


class Attempts:
    """The attempts of each key."""

    def __init__(self) -> None:
        self._keys: OrderedDict[str, _Key] = OrderedDict()
        self._in_all = 0

    def add(self, key: str, now: float, method: str, target: str, status: int) -> None:
        """Remember a request at `now`, in the seconds of a clock that nobody sets."""
        of_key = self._keys.pop(key, None) or _Key(now)
        self._keys[key] = of_key
        path = target.partition("?")[0][:MAX_PATH]
        self._in_all += len(of_key.attempts) < MAX_ATTEMPTS
        at = round(now - of_key.first, 6)
        of_key.attempts.append(Attempt(at, method, path, status))
        while len(self._keys) > MAX_KEYS or self._in_all > MAX_IN_ALL:
            _, forgotten = self._keys.popitem(last=False)
            self._in_all -= len(forgotten.attempts)

    def forget(self, key: str) -> None:
        """Forget the attempts of a key."""
        forgotten = self._keys.pop(key, None)
        self._in_all -= len(forgotten.attempts) if forgotten else 0

    def of(self, key: str) -> tuple[Attempt, ...]:
        """The attempts of a key from the earliest to the latest; none for an unknown key."""
        of_key = self._keys.get(key)
        return () if of_key is None else tuple(of_key.attempts)
