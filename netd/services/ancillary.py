"""
What the kernel tells beside a datagram: the address that was asked, the hops it came over.

Rules: the only module that knows socket options by number.  What a platform
lacks is off, with one line that says so.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Sequence
from struct import Struct
from typing import Final, TypeAlias

from twisted.logger import Logger

_log = Logger()

Ancillary: TypeAlias = Sequence[tuple[int, int, bytes]]

RECEIVE_BUFFER: Final = 1024 * 1024
"""Bytes asked for; the default holds 256 small datagrams."""

_LINUX: Final = sys.platform == "linux"
# linux/in.h and asm-generic/socket.h; older Pythons have no names for them.
_IP_PKTINFO: Final = 8
_IP_RECVTTL: Final = 12
_SO_MEMINFO: Final = 55
_MEMINFO: Final = Struct("9I")
_ROOM: Final = 128
_MOST_ASKED: Final = 1024


def widen(sock: socket.socket, name: str) -> int:
    """Ask for a large receive buffer; the bytes that it really has, as the kernel counts."""
    # Linux grants what it may; BSD refuses what is more than it may.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    granted = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    # Linux says twice what it took, as half of it is for itself (socket(7)).
    if granted < RECEIVE_BUFFER * (2 if _LINUX else 1):
        _log.info(
            "{name}: the receive buffer has {granted} bytes and not {asked}; "
            "net.core.rmem_max would have to be larger",
            name=name,
            granted=granted // (2 if _LINUX else 1),
            asked=RECEIVE_BUFFER,
        )
    return granted


def lost(sock: socket.socket) -> int:
    """Datagrams that the kernel dropped at this socket; 0 where it does not tell."""
    if not _LINUX:
        return 0
    try:
        data = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
    except OSError:
        return 0
    return int(_MEMINFO.unpack(data)[8])


class Control:
    """Asks the kernel for what is needed with each datagram of `sock`, and reads it."""

    def __init__(self, sock: socket.socket, name: str, hops: bool) -> None:
        self._ipv6 = sock.family == socket.AF_INET6
        self.known: dict[bytes, Ancillary | None] = {}
        """For each PKTINFO that came, what `answer` makes of it."""
        wildcard = sock.getsockname()[0] in ("0.0.0.0", "::")
        wanted = [(*self._asked(), "the address that was asked")] if wildcard else []
        if hops:
            wanted.append((*self._hop_limit(), "hop limits"))
        told = [_switch(sock, name, *each) for each in wanted]
        self.room = _ROOM if any(told) else 0
        """Bytes for it in each recvmsg; 0: recvfrom will do."""

    def _asked(self) -> tuple[int, int | None]:
        if self._ipv6:
            return socket.IPPROTO_IPV6, getattr(socket, "IPV6_RECVPKTINFO", None)
        return socket.IPPROTO_IP, _IP_PKTINFO if _LINUX else None

    def _hop_limit(self) -> tuple[int, int | None]:
        if self._ipv6:
            return socket.IPPROTO_IPV6, getattr(socket, "IPV6_RECVHOPLIMIT", None)
        return socket.IPPROTO_IP, _IP_RECVTTL if _LINUX else None

    def hops(self, ancillary: Ancillary) -> int:
        """The TTL or hop limit with which a datagram came; 0 when the kernel did not say."""
        kinds = (socket.IPV6_HOPLIMIT,) if self._ipv6 else (socket.IP_TTL, _IP_RECVTTL)
        for _, kind, data in ancillary:
            if kind in kinds:
                return int.from_bytes(data, sys.byteorder) & 0xFF
        return 0

    def answer(self, ancillary: Ancillary) -> Ancillary | None:
        """
        What to send an answer with so that it leaves from the address that was asked.

        None when that was everybody's: a multicast or broadcast address.
        """
        # Nearly always there is one, and it is known.
        if len(ancillary) == 1 and (known := self.known.get(ancillary[0][2])):
            return known
        for _, kind, asked in ancillary:
            if kind == (socket.IPV6_PKTINFO if self._ipv6 else _IP_PKTINFO):
                if asked not in self.known:
                    if len(self.known) >= _MOST_ASKED:
                        self.known.clear()
                    self.known[asked] = _from6(asked) if self._ipv6 else _from4(asked)
                return self.known[asked]
        return ()


def _switch(sock: socket.socket, name: str, level: int, option: int | None, what: str) -> bool:
    try:
        if option is None:
            raise OSError
        sock.setsockopt(level, option, 1)
    except OSError:
        _log.warn("{name}: this system does not tell {what}", name=name, what=what)
        return False
    return True


def _from4(asked: bytes) -> Ancillary | None:
    # struct in_pktinfo: interface, local address, destination; they differ
    # for what was sent to more than one.
    local, destination = asked[4:8], asked[8:12]
    if local != destination:
        return None
    return [(socket.IPPROTO_IP, _IP_PKTINFO, bytes(4) + local + bytes(4))]


def _from6(asked: bytes) -> Ancillary | None:
    # struct in6_pktinfo: destination, interface, which matters to link-local
    # addresses only, and would pin the way of all others.
    address, interface = asked[:16], asked[16:20]
    if address[0] == 0xFF:
        return None
    local = address[0] == 0xFE and address[1] & 0xC0 == 0x80
    return [
        (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, address + (interface if local else bytes(4)))
    ]
