"""
The table of all small services, by name.

Rules: the messages are in `messages`, the protocols in `tcp` and `udp`; what has no
protocol serves a socket.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import Final

from twisted.internet.interfaces import IReactorTime

from netd.counters import Counters
from netd.script import Send
from netd.services import blackhole, messages, tcp
from netd.services.udp import DatagramService
from netd.transport.listener import Serve

Now = Callable[[], float]


def _stamp(now: Now) -> DatagramService:
    def reflect(data: bytes, hops: int) -> bytes | None:
        return messages.stamp(data, hops, time.time_ns(), time.time_ns())

    return DatagramService(reflect, hops=True)


DATAGRAM: Final[dict[str, Callable[[Now], DatagramService]]] = {
    "echo": lambda now: DatagramService(messages.echo),
    "discard": lambda now: DatagramService(lambda data, hops: None),
    "qotd": lambda now: DatagramService(lambda data, hops: messages.qotd(now())),
    "daytime": lambda now: DatagramService(lambda data, hops: messages.daytime(now())),
    "time": lambda now: DatagramService(lambda data, hops: messages.time(now())),
    "stamp": _stamp,
    "sockperf": lambda now: DatagramService(lambda data, hops: messages.sockperf(data)),
}
"""chargen is not offered over UDP, where it would amplify forged requests."""


def _message(message: Callable[[float], bytes], now: Now) -> tcp.MakeProtocol:
    return lambda factory: tcp.ScriptProtocol(factory, [Send(message(now()))])


STREAM: Final[dict[str, Callable[[Now], tcp.MakeProtocol]]] = {
    "echo": lambda now: tcp.Echo,
    "discard": lambda now: tcp.Discard,
    "chargen": lambda now: lambda factory: tcp.ScriptProtocol(factory, messages.chargen()),
    "qotd": lambda now: _message(messages.qotd, now),
    "daytime": lambda now: _message(messages.daytime, now),
    "time": lambda now: _message(messages.time, now),
    # The ClientHello is read, and nothing is sent.
    "tls-stall": lambda now: tcp.Discard,
}

SOCKET: Final[dict[str, Serve]] = {"blackhole": blackhole.serve}
"""Services over TCP that accept no connection."""


def datagram(name: str, now: Now = time.time) -> DatagramService:
    """The service `name` over datagrams."""
    return DATAGRAM[name](now)


def stream(
    name: str,
    clock: IReactorTime,
    counters: Counters,
    idle: float = 0.0,
    now: Now = time.time,
) -> tcp.ServiceFactory:
    """The service `name` over streams; connections are cut after `idle` seconds, 0: never."""
    return tcp.ServiceFactory(name, STREAM[name](now), clock, counters, idle or inf)
