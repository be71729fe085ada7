"""
Ancillary data of datagrams: the local address they were sent to, and their hop limit.

Rules: the only module that knows socket options by number.  An option that the
platform lacks is off, with one log line.
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

ControlMessages: TypeAlias = Sequence[tuple[int, int, bytes]]
"""Level, type and data, as `recvmsg` and `sendmsg` have them."""
Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
"""The address of an IPv4 or an IPv6 socket."""

RECEIVE_BUFFER: Final = 1024 * 1024
"""Bytes requested of the kernel; the default holds 256 small datagrams."""

_LINUX: Final = sys.platform == "linux"
# linux/in.h and asm-generic/socket.h; older Pythons have no names for them.
_IP_PKTINFO: Final = 8
_IP_RECVTTL: Final = 12
_SO_MEMINFO: Final = 55
_MEMINFO: Final = Struct("9I")
_IPV4: Final = (socket.IPPROTO_IP, _IP_PKTINFO, _IP_RECVTTL)
# The level, and the options for local addresses and hop limits; None: not on this platform.
_OPTIONS: Final[dict[int, tuple[int, int | None, int | None]]] = {
    socket.AF_INET: _IPV4 if _LINUX else (socket.IPPROTO_IP, None, None),
    socket.AF_INET6: (
        socket.IPPROTO_IPV6,
        getattr(socket, "IPV6_RECVPKTINFO", None),
        getattr(socket, "IPV6_RECVHOPLIMIT", None),
    ),
}
# The message has IP_TTL on Linux and the option's own number on BSD.
_HOPS: Final = frozenset(
    {(socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IP, _IP_RECVTTL)}
    | {(socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)}
)
_CONTROL_BYTES: Final = 128
_MAX_ADDRESSES: Final = 1024


def enlarge_receive_buffer(sock: socket.socket, name: str) -> int:
    """Request `RECEIVE_BUFFER` bytes; the bytes that the kernel granted, in its own count."""
    # Linux grants as much as allowed; BSD raises when that is less.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    granted = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    # Linux doubles the value, as half of it is for its own use (socket(7)).
    factor = 2 if _LINUX else 1
    if granted < RECEIVE_BUFFER * factor:
        _log.info(
            "{name}: the receive buffer has {granted} bytes instead of {requested}; "
            "raise net.core.rmem_max for more",
            name=name,
            granted=granted // factor,
            requested=RECEIVE_BUFFER,
        )
    return granted


def kernel_drops(sock: socket.socket) -> int:
    """Datagrams that the kernel dropped at `sock`; 0 where it does not count them."""
    with contextlib.suppress(OSError):
        if _LINUX:
            data = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
            return int(_MEMINFO.unpack(data)[8])
    return 0


class PacketInfo:
    """Turns on the control messages that `sock` needs, and reads them."""

    def __init__(self, sock: socket.socket, name: str, hops: bool) -> None:
        self._ipv6 = sock.family == socket.AF_INET6
        self.sources: dict[bytes, ControlMessages | None] = {}
        """Results of `source` by the data of PKTINFO."""
        level, address, hop_limit = _OPTIONS[sock.family]
        wildcard = sock.getsockname()[0] in ("0.0.0.0", "::")
        enabled = wildcard and _enable(sock, name, level, address, "the local address")
        if hops:
            enabled |= _enable(sock, name, level, hop_limit, "the hop limit")
            if self._ipv6 and not sock.getsockopt(level, socket.IPV6_V6ONLY):
                # Datagrams of IPv4 have a TTL on a socket for both families, too.
                _enable(sock, name, _IPV4[0], _IPV4[2], "the TTL")
        self.buffer_size = _CONTROL_BYTES if enabled else 0
        """Bytes of ancillary data for recvmsg; 0: recvfrom is enough."""

    def hops(self, control: ControlMessages) -> int:
        """The received TTL or hop limit; 0 when it is unknown."""
        for level, kind, data in control:
            if (level, kind) in _HOPS:
                return int.from_bytes(data, sys.byteorder) & 0xFF
        return 0

    def source(self, control: ControlMessages) -> ControlMessages | None:
        """
        The control messages by which a response leaves from the address of the request.

        None for a multicast or broadcast address, which gets no response.
        """
        # Usually PKTINFO is the only message, and its data is known.
        if len(control) == 1 and (known := self.sources.get(control[0][2])):
            return known
        for _, kind, data in control:
            if kind == (socket.IPV6_PKTINFO if self._ipv6 else _IP_PKTINFO):
                if data not in self.sources:
                    if len(self.sources) >= _MAX_ADDRESSES:
                        self.sources.clear()
                    self.sources[data] = _source6(data) if self._ipv6 else _source4(data)
                return self.sources[data]
        return ()


def _enable(sock: socket.socket, name: str, level: int, option: int | None, what: str) -> bool:
    with contextlib.suppress(OSError):
        if option is not None:
            sock.setsockopt(level, option, 1)
            return True
    _log.warn("{name}: this system does not tell {what}", name=name, what=what)
    return False


def _source4(data: bytes) -> ControlMessages | None:
    # struct in_pktinfo: interface, local address, destination; the addresses differ
    # for a broadcast or multicast.
    local, destination = data[4:8], data[8:12]
    if local != destination:
        return None
    return [(socket.IPPROTO_IP, _IP_PKTINFO, bytes(4) + local + bytes(4))]


def _source6(data: bytes) -> ControlMessages | None:
    # struct in6_pktinfo: destination, interface.  Only link-local addresses need the
    # interface; it would fix the route of all others.
    address, interface = data[:16], data[16:20]
    if address[0] == 0xFF:
        return None
    link_local = address[0] == 0xFE and address[1] & 0xC0 == 0x80
    source = address + (interface if link_local else bytes(4))
    return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, source)]
