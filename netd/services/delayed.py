"""
Datagrams that are sent by scripts: delayed, duplicated or lost.

Rules: knows neither sockets nor services.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from attrs import Factory, define
from twisted.internet.interfaces import IProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from netd.player import Player, Sink
from netd.services.ancillary import Address, ControlMessages
from netd.services.impairment import Impairments

_log = Logger()

MAX_DATAGRAMS: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024
"""Limits of the datagrams that wait."""

SendNow: TypeAlias = Callable[[bytes, ControlMessages, Address], str | None]
"""Sends a datagram; returns the reason when it cannot."""


@define(eq=False)
class DelayedSender:
    """Sends the datagrams of one port through an impaired network."""

    _impairments: Impairments
    send_now: SendNow
    drop: Callable[[str], None]
    """Called with the reason for each datagram that is not sent."""
    _clock: IReactorTime
    waiting: set[_DelayedDatagram] = Factory(set)
    waiting_bytes: int = 0

    def send(self, data: bytes, control: ControlMessages, address: Address) -> None:
        """Perform the script for `data`."""
        if len(self.waiting) >= MAX_DATAGRAMS or self.waiting_bytes + len(data) > MAX_BYTES:
            self.drop("backlog")
            return
        datagram = _DelayedDatagram(self, len(data), control, address)
        done = Player(self._impairments.script(data), datagram, self._clock).perform()
        done.addErrback(lambda failure: _log.failure("while sending a datagram", failure))

    def stop(self) -> None:
        """Forget the datagrams that wait."""
        for datagram in tuple(self.waiting):
            datagram.stop()


@implementer(Sink)
@define(eq=False)
class _DelayedDatagram:
    """One datagram as the sink of a script: every write sends it."""

    _sender: DelayedSender
    _size: int
    _control: ControlMessages
    _address: Address
    _producer: IProducer | None = None

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """The script begins."""
        self._producer = producer
        self._sender.waiting.add(self)
        self._sender.waiting_bytes += self._size

    def unregisterProducer(self) -> None:
        """The script has ended."""
        self._sender.waiting.discard(self)
        self._sender.waiting_bytes -= self._size

    def write(self, data: bytes) -> None:
        """Send the datagram."""
        if reason := self._sender.send_now(data, self._control, self._address):
            self._sender.drop(reason)

    def finish(self) -> None:
        """No-op: a datagram leaves nothing open."""

    def abort(self) -> None:
        """Count the datagram as lost."""
        self._sender.drop("impairment")

    def stop(self) -> None:
        """Stop the script, as the port closes."""
        self.unregisterProducer()
        if self._producer is not None:
            self._producer.stopProducing()
