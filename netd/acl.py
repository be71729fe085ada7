"""
Access lists: networks that are allowed or denied.

Rules: pure.  One list serves accepted connections, datagrams and HTTP requests.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from netd.addresses import Network, pack
from netd.ratelimit import LRU

_CACHE_SIZE: Final = 65_536


class AccessList:
    """
    Decides by the longest prefix that matches an address; deny wins a tie.

    An address that matches no prefix is allowed only if there is no allow list.
    """

    __slots__ = ("_cache", "_ipv4", "_ipv6", "allow", "deny")

    def __init__(self, allow: Iterable[Network] = (), deny: Iterable[Network] = ()) -> None:
        self.allow = tuple(allow)
        self.deny = tuple(deny)
        verdicts = dict.fromkeys(self.allow, True) | dict.fromkeys(self.deny, False)
        self._ipv4 = _ranges(verdicts, 4, not self.allow)
        self._ipv6 = _ranges(verdicts, 16, not self.allow)
        self._cache: LRU[str, bool] = LRU(_CACHE_SIZE)

    def allows(self, host: str) -> bool:
        """Whether the IP address `host` is allowed; ValueError when it is no IP address."""
        verdict = self._cache.young.get(host)
        if verdict is None:
            verdict = self._cache.get(host)
            if verdict is None:
                packed = pack(host)
                starts, verdicts = self._ipv4 if len(packed) == 4 else self._ipv6
                verdict = verdicts[bisect_right(starts, packed) - 1]
                self._cache.put(host, verdict)
        return verdict

    def names(self, host: str) -> bool:
        """Whether the allow list matches `host`, and no longer prefix denies it."""
        # With an allow list, every allowed address matches one of its prefixes.
        return bool(self.allow) and self.allows(host)

    def __repr__(self) -> str:
        allow, deny = (list(map(str, networks)) for networks in (self.allow, self.deny))
        return f"<AccessList allow {allow} deny {deny}>"


def _ranges(
    verdicts: dict[Network, bool], width: int, default: bool
) -> tuple[list[bytes], list[bool]]:
    """The first address and the verdict of each range of addresses with one verdict."""
    end = 1 << 8 * width
    starts, values = [0], [default]
    # Networks are nested or disjoint, so those that contain an address form a stack.
    stack = [(end, default)]

    def begin(address: int, verdict: bool) -> None:
        if starts[-1] == address:
            values[-1] = verdict
        elif values[-1] != verdict:
            starts.append(address)
            values.append(verdict)

    def pop_until(address: int) -> None:
        while stack[-1][0] <= address and len(stack) > 1:
            last = stack.pop()[0]
            if last < end:
                begin(last, stack[-1][1])

    # A network sorts before the networks that it contains.
    for network, verdict in sorted(verdicts.items()):
        if len(network.packed) == width:
            start = int.from_bytes(network.packed)
            pop_until(start)
            begin(start, verdict)
            stack.append((start + (1 << 8 * width - network.length), verdict))
    pop_until(end)
    return [start.to_bytes(width) for start in starts], values
