"""
Who may speak: networks that are allowed or denied, asked by address.

Rules: pure.  The same object serves an accepted connection, a datagram and an
HTTP request.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from netd.addresses import Network, pack
from netd.lru import LRU

_MEMO: Final = 65_536
"""Addresses whose verdict is remembered."""


class AccessList:
    """
    Addresses by their longest matching prefix; a tie between the lists means deny.

    What matches nothing is allowed only when there is no allow list.
    """

    __slots__ = ("_ipv4", "_ipv6", "_memo", "allow", "deny")

    def __init__(self, allow: Iterable[Network] = (), deny: Iterable[Network] = ()) -> None:
        self.allow = tuple(allow)
        self.deny = tuple(deny)
        verdicts = dict.fromkeys(self.allow, True) | dict.fromkeys(self.deny, False)
        self._ipv4 = _ranges(verdicts, 4, not self.allow)
        self._ipv6 = _ranges(verdicts, 16, not self.allow)
        self._memo: LRU[str, bool] = LRU(_MEMO)

    def allows(self, host: str) -> bool:
        """Whether the IP address `host` may speak; ValueError when it is none."""
        known = self._memo.young.get(host)
        if known is None:
            known = self._memo.get(host)
            if known is None:
                packed = pack(host)
                starts, verdicts = self._ipv4 if len(packed) == 4 else self._ipv6
                known = verdicts[bisect_right(starts, packed) - 1]
                self._memo.put(host, known)
        return known

    def names(self, host: str) -> bool:
        """Whether the allow list names `host`, and no longer prefix denies it."""
        # With an allow list nothing is allowed that it does not name.
        return bool(self.allow) and self.allows(host)

    def __repr__(self) -> str:
        allowed, denied = ([str(each) for each in some] for some in (self.allow, self.deny))
        return f"<Networks allow {allowed} deny {denied}>"


def _ranges(
    verdicts: dict[Network, bool], width: int, default: bool
) -> tuple[list[bytes], list[bool]]:
    """
    The address space cut into ranges of one verdict each: first addresses, and verdicts.

    Of two networks one lies within the other or they are apart, so a stack of
    those that are open at an address is all it takes.
    """
    end = 1 << 8 * width
    starts, said = [0], [default]
    opened = [(end, default)]

    def begin(at: int, verdict: bool) -> None:
        if starts[-1] == at:
            said[-1] = verdict
        elif said[-1] != verdict:
            starts.append(at)
            said.append(verdict)

    def close(until: int) -> None:
        while opened[-1][0] <= until and len(opened) > 1:
            at = opened.pop()[0]
            if at < end:
                begin(at, opened[-1][1])

    # A network sorts before those within it.
    for network, verdict in sorted(verdicts.items()):
        if len(network.packed) == width:
            start = int.from_bytes(network.packed, "big")
            close(start)
            begin(start, verdict)
            opened.append((start + (1 << 8 * width - network.length), verdict))
    close(end)
    return [each.to_bytes(width, "big") for each in starts], said
