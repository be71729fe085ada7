"""
Workers of which only the end of the link is real.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from netd.workers import messages
from netd.workers.link import Link
from netd.workers.messages import Envelope, Response
from netd.workers.slot import Slot


class FakeWorker:
    """The other end of a link: records what it is told, and says what the test wants."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.transport: Any = StringTransport()
        self.answers: dict[type[object], Callable[[Any], object]] = {}
        """What it returns to a message of some type; other questions stay open."""
        self.told: list[object] = []
        self._data = b""
        link.makeConnection(self.transport)

    @classmethod
    def of(cls, slot: Slot) -> FakeWorker:
        """A worker that serves, in a slot."""
        slot.link = Link(lambda _: None, lambda: setattr(slot, "linked", False))
        slot.linked = slot.ready = True
        return cls(slot.link)

    def returns(self, kind: type[object], value: object) -> None:
        """Return `value` to each message of a type."""
        self.answers[kind] = lambda _: value

    def hear(self) -> list[object]:
        """Take what has come since the last call, and answer it."""
        self._data += self.transport.value()
        self.transport.clear()
        heard = []
        while len(self._data) >= 4:
            end = 4 + int.from_bytes(self._data[:4], "big")
            envelope = messages.unpack(self._data[4:end])
            self._data = self._data[end:]
            if isinstance(envelope, Envelope):
                heard.append(envelope.message)
                answer = self.answers.get(type(envelope.message))
                if envelope.number and answer is not None:
                    value = answer(envelope.message)
                    self._send(Response(value, envelope.number))
            else:
                heard.append(envelope.value)
        self.told += heard
        return heard

    def say(self, message: object, number: int = 0) -> None:
        """Send a message, with a number as a question."""
        self._send(Envelope(message, number))

    def _send(self, envelope: Envelope | Response) -> None:
        data = messages.pack(envelope)
        self.link.dataReceived(len(data).to_bytes(4, "big") + data)

    def leave(self) -> None:
        """Close this end."""
        self.link.connectionLost(Failure(ConnectionDone()))
