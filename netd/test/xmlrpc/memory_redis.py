"""
The commands of Redis that distributed calls use, on a dictionary.

Rules: as `redis.Redis` of protocol 2; a pipeline performs its commands at once.
"""

from __future__ import annotations

from typing import Any, Self


class MemoryRedis:
    """One Redis; every command that `fails` counts down raises ConnectionError."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.expiry: dict[str, int] = {}
        self.members: set[bytes] = set()
        """Workers that are alive."""
        self.streams: dict[str, list[tuple[bytes, dict[bytes, bytes]]]] = {}
        self.fails = 0
        self.disconnected = 0
        self._results: list[object] = []

    @property
    def connection_pool(self) -> Self:
        """What is disconnected."""
        return self

    def disconnect(self) -> None:
        """Note it."""
        self.disconnected += 1

    def pipeline(self, transaction: bool = True) -> Self:
        """The same Redis, which keeps results until `execute`."""
        self._results = []
        return self

    def execute(self) -> list[object]:
        """The results."""
        return self._results

    def _try(self) -> None:
        if self.fails:
            self.fails -= 1
            raise ConnectionError("cut")

    def _result(self, value: Any) -> Any:
        self._try()
        self._results.append(value)
        return value

    def set(self, key: str, value: object, nx: bool = False, px: int = 0) -> Any:
        """SET."""
        if nx and key in self.values:
            return self._result(None)
        result = self._result(True)
        self.values[key] = value if isinstance(value, bytes) else str(value).encode()
        self.expiry[key] = px
        return result

    def get(self, key: str) -> Any:
        """GET."""
        return self._result(self.values.get(key))

    def mget(self, keys: list[str]) -> Any:
        """MGET."""
        return self._result([self.values.get(key) for key in keys])

    def xadd(self, key: str, fields: dict[bytes, bytes]) -> Any:
        """XADD."""
        stream = self.streams.setdefault(key, [])
        stream.append((b"7-%d" % len(stream), dict(fields)))
        return self._result(b"")

    def eval(self, script: str, numkeys: int, *arguments: Any) -> Any:
        """EVAL of the claim, of a heartbeat or of who is alive, by the number of arguments."""
        self._try()
        match arguments:
            case [_, str(worker)]:
                self.members.add(worker.encode())
                return self._result(None)
            case [_, int()]:
                return self._result(sorted(self.members))
        call, claim, stream, wanted, owner, milliseconds, key, message, keep = arguments
        if self.values.get(call) != wanted:
            return 0
        if claim in self.values:
            return int(self.values[claim] == owner.encode())
        self.set(claim, owner, px=milliseconds)
        self.xadd(stream, {key: message})
        self.expire(stream, keep)
        return 1

    def expire(self, key: str, seconds: int) -> Any:
        """EXPIRE."""
        self.expiry[key] = 1000 * seconds
        return self._result(True)

    def xread(self, streams: dict[str, bytes], count: int, block: int) -> Any:
        """XREAD from the beginning; it never blocks."""
        return self._result(
            [
                [key.encode(), self.streams[key][:count]]
                for key in streams
                if self.streams.get(key)
            ]
        )

    def xdel(self, key: str, *ids: bytes) -> Any:
        """XDEL."""
        stream = self.streams.get(key, [])
        stream[:] = [each for each in stream if each[0] not in ids]
        return self._result(len(ids))
