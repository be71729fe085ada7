"""
The open connections of one server: counted by client, drained and aborted together.

Rules: knows no protocol.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred, succeed


class Connection(Protocol):
    """What the table needs of a connection."""

    @property
    def client(self) -> bytes | None:
        """The network that the connection counts for; None: for no client."""

    def abort(self) -> None:
        """Cut the connection."""


C = TypeVar("C", bound=Connection)


class ConnectionTable(Generic[C]):
    """The connections that were added and not yet removed."""

    __slots__ = ("_by_client", "_drained", "_open")

    def __init__(self) -> None:
        self._open: set[C] = set()
        self._by_client: dict[bytes, set[C]] = {}
        self._drained: Deferred[None] | None = None

    def add(self, connection: C) -> None:
        """Add an open connection."""
        self._open.add(connection)
        if connection.client is not None:
            self._by_client.setdefault(connection.client, set()).add(connection)

    def remove(self, connection: C) -> None:
        """Remove a closed connection, if it is there; the last one ends a drain."""
        self._open.discard(connection)
        if connection.client is not None:
            same = self._by_client.get(connection.client, set())
            same.discard(connection)
            if not same:
                self._by_client.pop(connection.client, None)
        if not self._open and self._drained is not None and not self._drained.called:
            self._drained.callback(None)

    def of(self, client: bytes | None) -> Collection[C]:
        """The open connections of `client`; empty for None."""
        return self._by_client.get(client, ()) if client is not None else ()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[C]:
        """Iterate over a copy, so that connections may be removed meanwhile."""
        return iter(tuple(self._open))

    @property
    def draining(self) -> bool:
        """Whether a drain has begun."""
        return self._drained is not None

    def drain(self) -> Deferred[None]:
        """Begin a drain, or join it; fires when no connection is open."""
        if self._drained is None:
            self._drained = Deferred()
        if not self._open:
            return succeed(None)
        emptied: Deferred[None] = Deferred()
        self._drained.chainDeferred(emptied)
        return emptied

    def abort(self) -> int:
        """Cut every connection; returns their number."""
        connections = tuple(self._open)
        for connection in connections:
            connection.abort()
        return len(connections)
