"""
Every small service on one page, by name.

Rules: a table; what a service says stands in `answers`, how in `tcp` and `udp`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IReactorTime

from netd.counters import Counters
from netd.script import Send
from netd.services import messages, tcp, udp

Now = Callable[[], float]


def _said(say: Callable[[float], bytes], now: Now) -> udp.Service:
    return udp.Service(lambda data, hops: say(now()))


def _stamp(now: Now) -> udp.Service:
    def reflect(data: bytes, hops: int) -> bytes | None:
        received = time.time_ns()
        return messages.stamp(data, hops, received, time.time_ns())

    return udp.Service(reflect, hops=True)


DATAGRAM: Final[dict[str, Callable[[Now], udp.Service]]] = {
    "echo": lambda now: udp.Service(messages.echo),
    "discard": lambda now: udp.Service(lambda data, hops: None),
    "qotd": lambda now: _said(messages.qotd, now),
    "daytime": lambda now: _said(messages.daytime, now),
    "time": lambda now: _said(messages.time, now),
    "stamp": _stamp,
    "sockperf": lambda now: udp.Service(lambda data, hops: messages.sockperf(data)),
}


def _speaks(say: Callable[[float], bytes]) -> Callable[[Now], tcp.Begin]:
    def begins(now: Now) -> tcp.Begin:
        return lambda factory: tcp.Speaker(factory, [Send(say(now()))])

    return begins


STREAM: Final[dict[str, Callable[[Now], tcp.Begin]]] = {
    "echo": lambda now: tcp.Echo,
    "discard": lambda now: tcp.Discard,
    "chargen": lambda now: lambda factory: tcp.Speaker(factory, messages.chargen()),
    "qotd": _speaks(messages.qotd),
    "daytime": _speaks(messages.daytime),
    "time": _speaks(messages.time),
}


def datagram(name: str, now: Now = time.time) -> udp.Service:
    """The service `name` over datagrams; chargen is none, as it would be a weapon."""
    return DATAGRAM[name](now)


def stream(
    name: str,
    clock: IReactorTime,
    counters: Counters,
    idle: float = 0.0,
    now: Now = time.time,
) -> tcp.ServiceFactory:
    """The service `name` over streams, cut after `idle` seconds of nothing; 0: never."""
    return tcp.ServiceFactory(name, STREAM[name](now), clock, counters, idle)
