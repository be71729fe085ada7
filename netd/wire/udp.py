"""
A datagram port that cannot be turned into a loop or a stall.

Rules: knows no address but those of its peers; what it says is a function
from one datagram to another of at most the same length.

Stock `udp.Port` cuts at 8192 bytes, bounds a read turn by bytes and so never
by empty datagrams, and answers a datagram spoofed from its own address for
ever.  Hence an own `doRead`.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Collection
from typing import Any, Final

from twisted.internet.protocol import DatagramProtocol
from twisted.internet.udp import Port

from netd.counters import Counters

_LARGEST: Final = 65_535
_TURN: Final = 64
"""Datagrams of one reactor turn, empty ones counted."""

# Ports that answer whatever they are told (RFC 862 to 868), and 0, which
# cannot be answered: a spoofed source there would start a conversation.
_TALKATIVE: Final = frozenset({0, 7, 13, 17, 19, 37})

_RECEIVE_BUFFER: Final = 1024 * 1024

Answer = Callable[[bytes], bytes]


class Answers(DatagramProtocol):
    """What `udp.Port` wants to own and names in its log; the port answers by itself."""

    noisy = False


class AnswerPort(Port):
    """Answers each datagram with `answer(data)`, to the address it came from."""

    def __init__(
        self, sock: socket.socket, answer: Answer, counters: Counters, reactor: Any
    ) -> None:
        host = sock.getsockname()[0]
        Port.__init__(self, 0, Answers(), interface=host, reactor=reactor)
        # Our own copy, as reactor.adoptDatagramPort makes one.
        self._preexistingSocket = sock.dup()  # type: ignore[assignment]
        self._answer = answer
        self._counters = counters
        self._refused: Collection[int] = _TALKATIVE

    def startListening(self) -> None:
        """Read from now on."""
        Port.startListening(self)
        # Linux grants what it may; BSD refuses what is more than it may.
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        # Any of this host's addresses may be spoofed, hence the port decides.
        self._refused = _TALKATIVE | {self.socket.getsockname()[1]}

    def doRead(self) -> None:
        """Answer what has come, at most one turn's worth of it."""
        receive, send, counters = self.socket.recvfrom, self.socket.sendto, self._counters
        for _ in range(_TURN):
            try:
                data, source = receive(_LARGEST)
            except OSError:
                # Nothing left, or an ICMP error about an answer of ours: both end the turn.
                return
            counters.datagrams += 1
            if source[1] in self._refused:
                counters.drops["source port"] += 1
                continue
            try:
                send(self._answer(data), source)
            except OSError:
                counters.drops["unsendable"] += 1
            else:
                counters.echoes += 1


def serve(answer: Answer, counters: Counters, reactor: Any) -> Callable[[socket.socket], Port]:
    """For `net.listen.datagram`: makes an AnswerPort of a bound socket and starts it."""

    def start(sock: socket.socket) -> Port:
        port = AnswerPort(sock, answer, counters, reactor)
        port.startListening()
        return port

    return start
