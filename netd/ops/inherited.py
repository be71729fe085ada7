"""
Sockets that were open when the process began (sd_listen_fds(3)).

Rules: call `inherited` before `twisted.internet.endpoints` is imported, which
removes the variables from the environment.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen
from twisted.python.usage import UsageError

_FIRST: Final = 3
_UNKNOWN: Final = ("", "unknown", "netd")
"""Names that name no listener: none, systemd's word for none, and the daemon's own."""
_BY_TYPE: Final = {socket.SOCK_STREAM: "http", socket.SOCK_DGRAM: "udp"}
_INTERNET: Final = (socket.AF_INET, socket.AF_INET6)


@frozen
class Inherited:
    """An inherited socket with the name that the service manager gave it."""

    name: str
    descriptor: int
    sock: socket.socket

    @property
    def nameless(self) -> bool:
        """Whether the name names no listener; systemd's default is that of the socket unit."""
        return self.name in _UNKNOWN or self.name.endswith(".socket")

    def __str__(self) -> str:
        kind = {socket.SOCK_STREAM: "stream", socket.SOCK_DGRAM: "datagram"}.get(
            self.sock.type, self.sock.type.name
        )
        name = f", named {self.name}" if self.name else ""
        return f"descriptor {self.descriptor}{name}, a {kind} socket"

    def fits(self, kind: socket.SocketKind | None) -> bool:
        """Whether a listener of this kind can serve the socket."""
        if self.sock.type is not kind:
            return False
        if kind is socket.SOCK_DGRAM:
            return self.sock.family in _INTERNET
        listens = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return bool(listens) and self.sock.family in (*_INTERNET, socket.AF_UNIX)


def inherited(environ: Mapping[str, str], pid: int) -> list[Inherited]:
    """The sockets that `environ` announces to the process `pid`; UsageError for a bad one."""
    if environ.get("LISTEN_PID") != str(pid):
        return []
    number = environ.get("LISTEN_FDS", "")
    if not number.isdigit():
        raise UsageError(f"LISTEN_FDS {number}: not a number")
    count = int(number)
    # systemd before version 227 gives no names.
    names = environ["LISTEN_FDNAMES"].split(":") if environ.get("LISTEN_FDNAMES") else None
    if names is not None and len(names) != count:
        raise UsageError(
            f"LISTEN_FDNAMES: not {count} names, as LISTEN_FDS says, but {len(names)}"
        )
    return [
        Inherited(names[index] if names else "", _FIRST + index, _socket(_FIRST + index))
        for index in range(count)
    ]


def _socket(descriptor: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError as error:
        raise UsageError(f"LISTEN_FDS: descriptor {descriptor}: {error.strerror}") from None
    sock.setblocking(False)
    sock.set_inheritable(False)
    return sock


def assign(
    sockets: Iterable[Inherited], listeners: Mapping[str, socket.SocketKind]
) -> dict[str, list[socket.socket]]:
    """
    The sockets of each of `listeners`, which are given by name and kind.

    A listener may have several, such as one of each address family.  Without a
    name the first stream socket belongs to `http`, the first datagram socket to
    `udp`.  When a socket fits no listener all are closed: UsageError.
    """
    assigned: dict[str, list[socket.socket]] = {}
    ordered = sorted(sockets, key=lambda inherited: inherited.nameless)
    for item in ordered:
        name = _BY_TYPE.get(item.sock.type, "") if item.nameless else item.name
        if not item.fits(listeners.get(name)) or (item.nameless and name in assigned):
            for other in ordered:
                other.sock.close()
            raise UsageError(
                f"LISTEN_FDS: {item}, fits none of the listeners {', '.join(listeners)}"
            )
        assigned.setdefault(name, []).append(item.sock)
    return assigned
