"""
A datagram port that cannot be turned into a loop, a weapon or a stall.

Rules: knows no address but those of its peers; what it says is a function
from one datagram to another, which is no longer unless `sources` knows the asker.

Stock `udp.Port` cuts at 8192 bytes, bounds a read turn by bytes and so never
by empty datagrams, and answers a datagram spoofed from its own address for
ever.  Hence an own `doRead`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from attrs import frozen
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.udp import Port
from twisted.python.failure import Failure

from netd.counters import Counters
from netd.services.ancillary import Ancillary, Control, lost, widen
from netd.services.delayed import DelayedSender
from netd.services.drops import Drops
from netd.services.impairment import Impairments
from netd.services.messages import echo
from netd.services.source_policy import SourcePolicy

LARGEST: Final = 65_535
TURN: Final = 64
"""Datagrams of one reactor turn, empty ones counted."""

Answer: TypeAlias = Callable[[bytes, int], bytes | None]
"""From a datagram and the hop limit it came with to its answer; None: silence."""


@frozen
class Service:
    """What one port does."""

    answer: Answer
    hops: bool = False
    """Whether hop limits are asked of the kernel; they are 0 otherwise."""


@frozen
class Policy:
    """What all datagram ports of one daemon share."""

    sources: SourcePolicy
    counters: Counters
    fates: Impairments | None = None
    """What becomes of each answer; None: it is sent."""


class Answers(DatagramProtocol):
    """What `udp.Port` wants to own and names in its log; the port answers by itself."""

    noisy = False


class AnswerPort(Port):
    """Answers each datagram with `service.answer`, to the address it came from."""

    reactor: Any
    _letters: DelayedSender | None = None

    def __init__(
        self, sock: socket.socket, service: Service, policy: Policy, reactor: Any
    ) -> None:
        host = sock.getsockname()[0]
        Port.__init__(self, 0, Answers(), interface=host, reactor=reactor)
        # Our own copy, as reactor.adoptDatagramPort makes one.
        self._preexistingSocket = sock.dup()  # type: ignore[assignment]
        self._service = service
        self._policy = policy

    def startListening(self) -> None:
        """Read from now on."""
        Port.startListening(self)
        policy, sock = self._policy, self.socket
        host, number = sock.getsockname()[:2]
        name = f"udp {host} port {number}"
        self.receive_buffer = widen(sock, name)
        """Bytes that the kernel grants."""
        policy.sources.listen(number)
        self._control = Control(sock, name, self._service.hops)
        self._drops = Drops(name, policy.counters, self.reactor, lambda: lost(sock))
        if policy.fates is not None:
            self._letters = DelayedSender(policy.fates, self._send, self._drop, self.reactor)
        self._receive = sock.recvmsg if self._control.room else sock.recvfrom
        # An echo needs no more than its two system calls, and what to send the answer with,
        # which is known once an address was asked.
        self._echo = self._service.answer is echo and self._letters is None

    def doRead(self) -> None:
        """Answer what has come, at most one turn's worth of it."""
        receive, room, send = self._receive, self._control.room, self.socket.sendto
        sources, plain = self._policy.sources, self._echo and not self._control.room
        asked, send_as = self._control.known if self._echo else {}, self.socket.sendmsg
        known, rate, burst = sources.known.young, sources.rate, sources.burst
        now = self.reactor.seconds()
        drops: dict[str, int] = {}
        got = sent = 0
        try:
            while got < TURN:
                # recvfrom has data and address, recvmsg more in between; `room` is
                # no flags to the one, the size for ancillary data to the other.
                received = receive(LARGEST, room)
                got += 1
                address = received[-1]
                source = known.get(address[0]) or sources.judge(address[0], now)
                if address[1] in source.ports:
                    drops[source.reason] = drops.get(source.reason, 0) + 1
                # Bucket.take, without the price of a call.
                elif (tokens := source.tokens + (now - source.at) * rate) < 1.0:
                    source.tokens, source.at = tokens, now
                    drops["rate"] = drops.get("rate", 0) + 1
                else:
                    source.tokens = (tokens if tokens < burst else burst) - 1.0
                    source.at = now
                    if plain:
                        try:
                            send(received[0], address)
                            sent += 1
                        except OSError:
                            drops["unsendable"] = drops.get("unsendable", 0) + 1
                    # PKTINFO alone was asked for, so that it is the first and only one.
                    elif asked and (told := received[1]) and (way := asked.get(told[0][2])):
                        try:
                            send_as((received[0],), way, 0, address)
                            sent += 1
                        except OSError:
                            drops["unsendable"] = drops.get("unsendable", 0) + 1
                    elif why := self._answer(received[0], received[1], address):
                        drops[why] = drops.get(why, 0) + 1
        except OSError:
            # Nothing is left, or an ICMP error about an answer of ours: both end the turn.
            pass
        counters = self._policy.counters
        counters.datagrams += got
        counters.datagrams_sent += sent
        if drops or got == TURN:
            self._drops.add(drops)

    def _answer(self, data: bytes, told: Any, address: Any) -> str | None:
        """Answer `data`, or say why not."""
        hops = 0
        ancillary: Ancillary | None = ()
        if self._control.room:
            ancillary = self._control.answer(told)
            if self._service.hops:
                hops = self._control.hops(told)
            if ancillary is None:
                return "destination"
        answer = self._service.answer(data, hops)
        if answer is None:
            return None
        if len(answer) > len(data) and not self._policy.sources.knows(address[0]):
            return "short question"
        if self._letters is not None:
            self._letters.post(answer, ancillary, address)
            return None
        return self._send(answer, ancillary, address)

    def _send(self, data: bytes, ancillary: Any, address: Any) -> str | None:
        """Send one datagram, or say why not."""
        try:
            if ancillary:
                self.socket.sendmsg((data,), ancillary, 0, address)
            else:
                self.socket.sendto(data, address)
        except OSError:
            return "unsendable"
        self._policy.counters.datagrams_sent += 1
        return None

    def _drop(self, why: str) -> None:
        self._drops.add({why: 1})

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Closed: what is still to be sent is not."""
        self._drops.stop()
        if self._letters is not None:
            self._letters.stop()
        Port.connectionLost(self, reason)


def serve(service: Service, policy: Policy, reactor: Any) -> Callable[[socket.socket], Port]:
    """For `net.listen.datagram`: makes an AnswerPort of a bound socket and starts it."""

    def start(sock: socket.socket) -> Port:
        port = AnswerPort(sock, service, policy, reactor)
        port.startListening()
        return port

    return start
