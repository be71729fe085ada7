"""
An impaired network: datagrams delayed, lost, duplicated, reordered, corrupted.

Rules: knows neither sockets nor services.  The n-th datagram of one seed always
gets the same script, so that a run can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Final, TypeAlias

from attrs import Factory, define
from twisted.internet.interfaces import IProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from netd.player import Player, Sink
from netd.script import Abort, Script, Send, Step, Wait
from netd.services.ancillary import Address, ControlMessages
from netd.settings import Impairment
from netd.values import Duration

_log = Logger()

REORDER_SECONDS: Final = 0.01
"""Additional delay of a reordered datagram."""
MAX_DATAGRAMS: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024
"""Limits of the datagrams that wait."""

SendNow: TypeAlias = Callable[[bytes, ControlMessages, Address], str | None]
"""Sends a datagram; returns the reason when it cannot."""


class Impairments:
    """Draws a script for each datagram."""

    def __init__(self, impairment: Impairment) -> None:
        self._impairment = impairment
        # Not for secrets: for the same scripts from the same seed.
        self._random = Random(impairment.seed)  # noqa: S311

    def script(self, data: bytes) -> Script:
        """The script that sends `data` through the impaired network."""
        impairment, random = self._impairment, self._random.random
        # Always five draws, so that one probability does not affect the others.
        loss, duplicate, reorder, corrupt, position = (random() for _ in range(5))
        if corrupt < impairment.corrupt:
            data = flip_bit(data, position)
        delay = impairment.delay
        wait = delay.seconds if isinstance(delay, Duration) else delay.draw(self._random)
        if reorder < impairment.reorder:
            wait += REORDER_SECONDS
        copies = 2 if duplicate < impairment.duplicate else 1
        return _steps(data, wait, 0 if loss < impairment.loss else copies)


def flip_bit(data: bytes, position: float) -> bytes:
    """`data` with one bit inverted, at `position` from 0 to 1; b"" stays as it is."""
    if not data:
        return data
    bit = int(position * len(data) * 8)
    return b"%b%c%b" % (data[: bit // 8], data[bit // 8] ^ 1 << bit % 8, data[bit // 8 + 1 :])


def _steps(data: bytes, wait: float, copies: int) -> Iterator[Step]:
    if not copies:
        yield Abort()
        return
    if wait:
        yield Wait(wait)
    for _ in range(copies):
        yield Send(data)


@define(eq=False)
class DelayedSender:
    """Sends the datagrams of one port through an impaired network."""

    _impairments: Impairments
    send_now: SendNow
    drop: Callable[[dict[str, int]], None]
    """Called with the reason and the number of the datagrams that are not sent."""
    _clock: IReactorTime
    waiting: set[_DelayedDatagram] = Factory(set)
    waiting_bytes: int = 0

    def send(self, data: bytes, control: ControlMessages, address: Address) -> None:
        """Perform the script for `data`."""
        if len(self.waiting) >= MAX_DATAGRAMS or self.waiting_bytes + len(data) > MAX_BYTES:
            self.drop({"backlog": 1})
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
            self._sender.drop({reason: 1})

    def finish(self) -> None:
        """No-op: a datagram leaves nothing open."""

    def abort(self) -> None:
        """Count the datagram as lost."""
        self._sender.drop({"impairment": 1})

    def stop(self) -> None:
        """Stop the script, as the port closes."""
        self.unregisterProducer()
        if self._producer is not None:
            self._producer.stopProducing()
