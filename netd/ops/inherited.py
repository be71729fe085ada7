"""
Sockets that were open when the process began (sd_listen_fds(3)).

Rules: reads the environment and changes nothing there; family and type come
from the kernel.  To be asked before `twisted.internet.endpoints` is imported,
which removes the variables.  What a descriptor is for is said by its name, or
else by its type; one that is for nothing stops the start.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen
from twisted.python.usage import UsageError

_FIRST: Final = 3
_UNKNOWN: Final = ("", "unknown", "netd")
"""Names that say nothing: none, systemd's word for none, and ours."""
_BY_TYPE: Final = {socket.SOCK_STREAM: "http", socket.SOCK_DGRAM: "udp"}
_INTERNET: Final = (socket.AF_INET, socket.AF_INET6)


@frozen
class Inherited:
    """One of them, under the name that the service manager gave it."""

    name: str
    descriptor: int
    sock: socket.socket

    @property
    def nameless(self) -> bool:
        """Whether the name says nothing; a socket unit's own is the default of systemd."""
        return self.name in _UNKNOWN or self.name.endswith(".socket")

    def __str__(self) -> str:
        kind = {socket.SOCK_STREAM: "stream", socket.SOCK_DGRAM: "datagram"}.get(
            self.sock.type, self.sock.type.name
        )
        name = f", named {self.name}" if self.name else ""
        return f"descriptor {self.descriptor}{name}, a {kind} socket"

    def fits(self, kind: socket.SocketKind | None) -> bool:
        """Whether a listener of this kind can serve it."""
        if self.sock.type is not kind:
            return False
        if kind is socket.SOCK_DGRAM:
            return self.sock.family in _INTERNET
        listens = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return bool(listens) and self.sock.family in (*_INTERNET, socket.AF_UNIX)


def inherited(environ: Mapping[str, str], pid: int) -> list[Inherited]:
    """What was handed to the process `pid`; UsageError when that is not what was promised."""
    if environ.get("LISTEN_PID") != str(pid):
        return []
    said = environ.get("LISTEN_FDS", "")
    if not said.isdigit():
        raise UsageError(f"LISTEN_FDS {said}: not a number")
    count = int(said)
    # Only systemd before 227 gives no names at all.
    names = environ["LISTEN_FDNAMES"].split(":") if environ.get("LISTEN_FDNAMES") else None
    if names is not None and len(names) != count:
        raise UsageError(f"LISTEN_FDNAMES has {len(names)} names for {count} descriptors")
    found = []
    for number in range(count):
        descriptor = _FIRST + number
        found.append(Inherited(names[number] if names else "", descriptor, _socket(descriptor)))
    return found


def _socket(descriptor: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError as wrong:
        raise UsageError(f"LISTEN_FDS: descriptor {descriptor}: {wrong.strerror}") from None
    sock.setblocking(False)
    sock.set_inheritable(False)
    return sock


def assign(
    found: Iterable[Inherited], listeners: Mapping[str, socket.SocketKind]
) -> dict[str, list[socket.socket]]:
    """
    The sockets for each of `listeners`, which are given by name and kind.

    Several of one name are one listener's, such as one of each address family.
    Of those without a name the first stream socket is for `http`, the first
    datagram socket for `udp`.  UsageError for one that fits nothing; then all
    are closed.
    """
    places: dict[str, list[socket.socket]] = {}
    given = sorted(found, key=lambda each: each.nameless)
    for each in given:
        name = _BY_TYPE.get(each.sock.type, "") if each.nameless else each.name
        if not each.fits(listeners.get(name)) or (each.nameless and name in places):
            for other in given:
                other.sock.close()
            raise UsageError(
                f"LISTEN_FDS: {each}, fits none of the listeners {', '.join(listeners)}"
            )
        places.setdefault(name, []).append(each.sock)
    return places
