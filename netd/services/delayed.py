"""
Datagrams that are on their way: answers performed as scripts.

Rules: knows neither sockets nor services; what sends is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from twisted.internet.interfaces import IProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from netd.player import Player, Sink
from netd.services.impairment import Impairments

_log = Logger()

MOST: Final = 10_000
"""Datagrams on their way."""
MOST_BYTES: Final = 16 * 1024 * 1024
"""Bytes in them."""

Send: TypeAlias = Callable[[bytes, Any, Any], str | None]
"""Sends data with ancillary data to an address, or says why not."""


class DelayedSender:
    """The answers of one port, each with a fate of its own."""

    def __init__(
        self, fates: Impairments, send: Send, drop: Callable[[str], None], clock: IReactorTime
    ) -> None:
        self.send = send
        self.drop = drop
        """Told why each answer that is not sent is not."""
        self.held = 0
        """Bytes of `waiting`."""
        self.waiting: set[_Letter] = set()
        self._fates = fates
        self._clock = clock

    def post(self, data: bytes, ancillary: Any, address: Any) -> None:
        """Send `data` as its fate has it."""
        if len(self.waiting) >= MOST or self.held + len(data) > MOST_BYTES:
            self.drop("backlog")
            return
        letter = _Letter(self, len(data), ancillary, address)
        done = Player(self._fates.script(data), letter, self._clock).perform()
        done.addErrback(lambda failure: _log.failure("while answering", failure))

    def stop(self) -> None:
        """Forget what is on its way."""
        for letter in tuple(self.waiting):
            letter.stop()


@implementer(Sink)
class _Letter:
    """One answer as a stage: what is written is sent, as often as it is written."""

    def __init__(self, letters: DelayedSender, size: int, ancillary: Any, address: Any) -> None:
        self._letters = letters
        self._size = size
        self._ancillary = ancillary
        self._address = address
        self._producer: Any = None

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """On its way."""
        self._producer = producer
        self._letters.waiting.add(self)
        self._letters.held += self._size

    def unregisterProducer(self) -> None:
        """Arrived, or lost."""
        self._letters.waiting.discard(self)
        self._letters.held -= self._size

    def write(self, data: bytes) -> None:
        """Send."""
        if why := self._letters.send(data, self._ancillary, self._address):
            self._letters.drop(why)

    def finish(self) -> None:
        """Nothing is left open by a datagram."""

    def abort(self) -> None:
        """Lost, as was asked for."""
        self._letters.drop("impairment")

    def stop(self) -> None:
        """The port closes."""
        self.unregisterProducer()
        self._producer.stopProducing()
