"""
A datagram port that cannot be made to loop, to amplify or to stall.

Rules: knows no address but those of its peers.  A response is no longer than its
request, unless the source is trusted.

Stock `udp.Port` cuts datagrams at 8192 bytes, bounds a read turn by bytes and so
never by empty datagrams, and responds for ever to a datagram forged from its own
address.  Hence the own `doRead`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.udp import Port
from twisted.python.failure import Failure

from netd.counters import Counters
from netd.services import ancillary
from netd.services.ancillary import Address, ControlMessages, PacketInfo
from netd.services.drops import Drops
from netd.services.impairment import DelayedSender, Impairments
from netd.services.messages import echo
from netd.services.source_policy import SourcePolicy

MAX_BYTES: Final = 65_535
"""Bytes of a datagram."""
TURN: Final = 64
"""Datagrams of one reactor turn, empty ones included."""

Respond: TypeAlias = Callable[[bytes, int], bytes | None]
"""From a datagram and its hop limit to the response; None: no response."""


@frozen
class DatagramService:
    """What one port responds."""

    respond: Respond
    hops: bool = False
    """Whether hop limits are requested of the kernel; otherwise they are 0."""


@frozen
class DatagramPolicy:
    """What all datagram ports of one daemon share."""

    sources: SourcePolicy
    counters: Counters
    impairments: Impairments | None = None
    """The network that responses go through; None: the real one."""


class UDPPort(Port):
    """Sends the response of `service` to each datagram back to its source."""

    _delayed: DelayedSender | None = None

    def __init__(
        self,
        sock: socket.socket,
        service: DatagramService,
        policy: DatagramPolicy,
        reactor: IReactorTime,
    ) -> None:
        # Unused, but required: this port handles datagrams itself.
        protocol = DatagramProtocol()
        protocol.noisy = False
        Port.__init__(self, 0, protocol, interface=sock.getsockname()[0], reactor=reactor)
        self._clock = reactor
        # A copy of its own, as reactor.adoptDatagramPort makes one.
        self._preexistingSocket = sock.dup()  # type: ignore[assignment]  # its type is None
        self._service = service
        self._policy = policy

    def startListening(self) -> None:
        """Read from now on."""
        Port.startListening(self)
        policy, sock = self._policy, self.socket
        host, number = sock.getsockname()[:2]
        name = f"udp {host} port {number}"
        self.receive_buffer = ancillary.enlarge_receive_buffer(sock, name)
        """Bytes that the kernel granted."""
        policy.sources.add_port(number)
        self._info = PacketInfo(sock, name, self._service.hops)
        lost = partial(ancillary.kernel_drops, sock)
        self._drops = Drops(name, policy.counters, self._clock, lost)
        if policy.impairments is not None:
            self._delayed = DelayedSender(
                policy.impairments, self._send, self._drops.add, self._clock
            )
        self._receive = sock.recvmsg if self._info.buffer_size else sock.recvfrom
        # An echo of the real network costs its two system calls and little else.
        self._fast_echo = self._service.respond is echo and self._delayed is None

    def doRead(self) -> None:
        """Respond to the datagrams that have come, to `TURN` at most."""
        receive, size, send = self._receive, self._info.buffer_size, self.socket.sendto
        policy, plain = self._policy.sources, self._fast_echo and not size
        sources = self._info.sources if self._fast_echo else {}
        known, rate, burst = policy.known.young, policy.rate, policy.burst
        now = self._clock.seconds()
        drops: dict[str, int] = {}
        received = sent = 0
        try:
            while received < TURN:
                # (data, address) of recvfrom, to which `size` 0 means no flags, or
                # (data, control messages, flags, address) of recvmsg.
                datagram = receive(MAX_BYTES, size)
                received += 1
                address = datagram[-1]
                source = known.get(address[0]) or policy.source(address[0], now)
                if address[1] in source.ports:
                    drops[source.reason] = drops.get(source.reason, 0) + 1
                # TokenBucket.take without the cost of a call.
                elif (tokens := source.tokens + (now - source.at) * rate) < 1.0:
                    source.tokens, source.at = tokens, now
                    drops["rate"] = drops.get("rate", 0) + 1
                else:
                    source.tokens = (tokens if tokens < burst else burst) - 1.0
                    source.at = now
                    try:
                        if plain:
                            send(datagram[0], address)
                            sent += 1
                        # Only PKTINFO was requested, so the first message is the only one.
                        elif (
                            sources
                            and (info := datagram[1])
                            and (back := sources.get(info[0][2]))
                        ):
                            self.socket.sendmsg((datagram[0],), back, 0, address)
                            sent += 1
                        elif reason := self._respond(datagram[0], datagram[1], address):
                            drops[reason] = drops.get(reason, 0) + 1
                    except OSError:
                        drops["unsendable"] = drops.get("unsendable", 0) + 1
        except OSError:
            # Nothing is left to read, or an ICMP error came for a response: both end the turn.
            pass
        counters = self._policy.counters
        counters.datagrams += received
        counters.datagrams_sent += sent
        if drops or received == TURN:
            self._drops.add(drops)

    def _respond(self, data: bytes, control: ControlMessages, address: Address) -> str | None:
        """Respond to `data`; the reason when there is no response."""
        hops, source = 0, self._info.source(control) if self._info.buffer_size else ()
        if source is None:
            return "destination"
        if self._info.buffer_size and self._service.hops:
            hops = self._info.hops(control)
        response = self._service.respond(data, hops)
        if response is None:
            return None
        if len(response) > len(data) and not self._policy.sources.trusts(address[0]):
            return "short question"
        if self._delayed is not None:
            self._delayed.send(response, source, address)
            return None
        return self._send(response, source, address)

    def _send(self, data: bytes, control: ControlMessages, address: Address) -> str | None:
        """Send one datagram; the reason when that is not possible."""
        try:
            if control:
                self.socket.sendmsg((data,), control, 0, address)
            else:
                self.socket.sendto(data, address)
        except OSError:
            return "unsendable"
        self._policy.counters.datagrams_sent += 1
        return None

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Forget the responses that wait, as the port is closed."""
        self._drops.stop()
        if self._delayed is not None:
            self._delayed.stop()
        Port.connectionLost(self, reason)


def serve(
    service: DatagramService, policy: DatagramPolicy, reactor: IReactorTime
) -> Callable[[socket.socket], Port]:
    """A function for `listener.datagram` that starts a UDPPort on a bound socket."""

    def start(sock: socket.socket) -> Port:
        port = UDPPort(sock, service, policy, reactor)
        port.startListening()
        return port

    return start
