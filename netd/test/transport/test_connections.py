"""
Tests of netd.transport.connections.
"""

from __future__ import annotations

from attrs import define
from twisted.trial.unittest import SynchronousTestCase

from netd.transport.connections import ConnectionTable


@define(eq=False)
class Fake:
    """A connection that records whether it was cut."""

    client: bytes | None = None
    aborted: bool = False

    def abort(self) -> None:
        """Record the call."""
        self.aborted = True


class ConnectionTableTests(SynchronousTestCase):
    """Connections by client, drained and aborted."""

    def setUp(self) -> None:
        self.table: ConnectionTable[Fake] = ConnectionTable()

    def added(self, client: bytes | None = None) -> Fake:
        """A connection in the table."""
        connection = Fake(client)
        self.table.add(connection)
        return connection

    def test_byClient(self) -> None:
        """Connections are counted in all and for their client, until they are removed."""
        first, second = self.added(b"a"), self.added(b"a")
        self.added(b"b")
        self.added()
        self.assertEqual((len(self.table), len(self.table.of(b"a"))), (4, 2))
        self.table.remove(first)
        self.assertEqual(set(self.table.of(b"a")), {second})
        self.table.remove(second)
        self.table.remove(second)
        self.assertEqual((len(self.table), len(self.table.of(b"a"))), (2, 0))
        self.assertEqual(len(self.table.of(None)), 0)

    def test_iterated(self) -> None:
        """Connections may be removed while the table is iterated."""
        self.added()
        self.added()
        for connection in self.table:
            self.table.remove(connection)
        self.assertEqual(list(self.table), [])

    def test_drain(self) -> None:
        """Each drain fires with the last connection, and at once when there is none."""
        connection = self.added()
        self.assertFalse(self.table.draining)
        first, second = self.table.drain(), self.table.drain()
        self.assertTrue(self.table.draining)
        self.assertNoResult(first)
        self.table.remove(connection)
        for drained in (first, second, self.table.drain()):
            self.assertIsNone(self.successResultOf(drained))

    def test_abort(self) -> None:
        """Aborting cuts every connection and counts them."""
        connections = [self.added(), self.added(b"a")]
        self.assertEqual(self.table.abort(), 2)
        self.assertTrue(all(each.aborted for each in connections))
