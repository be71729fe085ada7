"""A thundering herd: so many clients at once, each with one request, in one process.

Rules: raw sockets and epoll, no event loop, so that the client's own microseconds stay small;
no client waits for another; it knows no peer and prints nothing.
"""

import errno
import gc
import re
import resource
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

_PER_ADDRESS = 10_000  # well below the usual 28 000 ephemeral ports
_BIND_WITHOUT_PORT = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)
_TICK_SECONDS = 0.1
_SPARE_FILES = 64
_HEAD = re.compile(rb"HTTP/1\.[01] (\d{3}) .*?\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_WRITE = select.EPOLLIN | select.EPOLLOUT


class HerdError(Exception):
    """The clients cannot be started; the text says why."""


class Exchange(NamedTuple):
    """When a client was served, in seconds since the first connect() of the herd."""

    started: float  # just before connect()
    first: float  # the first byte of the response
    ended: float  # its last byte


class Outcome(NamedTuple):
    """The exchanges and errors of the herd."""

    exchanges: list[Exchange]  # in the order of their ends
    wall: float  # seconds, from the first connect() to the last byte of all
    burst: float  # seconds, from the first connect() to the last one
    errors: Counter[str]  # by reason; each client counts once, here or in `exchanges`

    @property
    def latencies(self) -> list[float]:
        """Seconds from just before connect() to the last byte."""
        return [each.ended - each.started for each in self.exchanges]


class Target(NamedTuple):
    """What the clients ask, and where, on 127.0.0.1."""

    port: int
    request: bytes


class _Client:
    """One connection and its one request."""

    __slots__ = ("data", "first", "group", "sent", "socket", "started")

    def __init__(self, group: "_Group", number: int) -> None:
        self.group = group
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.started = self.first = 0.0
        self.sent = False
        self.data = b""
        if number >= _PER_ADDRESS:
            self.socket.setsockopt(socket.IPPROTO_IP, _BIND_WITHOUT_PORT, 1)
            self.socket.bind((f"127.0.0.{1 + number // _PER_ADDRESS}", 0))

    def send(self) -> None:
        """Send if the connection is established; otherwise epoll will say when it is."""
        try:
            self.socket.send(self.group.target.request)
            self.sent = True
        except BlockingIOError:
            pass

    def receive(self) -> bool:
        """Read what is there; true once the response is complete and good."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed early")
        self.first = self.first or time.monotonic()
        self.data += data
        return _complete(self.data)


def _complete(data: bytes) -> bool:
    """
    True when `data` holds a whole 200 response. Raises ConnectionError for another status.
    """
    if not (head := _HEAD.match(data)):
        return False
    if head[1] != b"200":
        raise ConnectionError(f"status {head[1].decode()}")
    if length := _LENGTH.search(head[0]):
        return len(data) >= head.end() + int(length[1])
    return data.endswith(b"\r\n0\r\n\r\n")


def allow_files(count: int) -> None:
    """Raise the limit of open files, for us and the servers we start."""
    needed = count + _SPARE_FILES
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        # root may.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, needed))
            hard = needed
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise HerdError(f"{count} connections need {needed} open files, the limit is {hard}")


class _Group:
    """The clients of one server, and what became of them."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.exchanges: list[Exchange] = []
        self.errors: Counter[str] = Counter()
        self.ended = 0.0


def stampede(
    port: int, count: int, request: bytes, deadline: float, tick: Callable[[], None]
) -> Outcome:
    """
    Let `count` clients connect and ask at once, and wait for the responses.

    Ends when all have theirs, or `deadline` seconds after the first connect(); `tick` is
    called about every 0.1 s until then.
    """
    return stampedes([Target(port, request)], count, deadline, tick)[0]


def stampedes(
    targets: Sequence[Target], count: int, deadline: float, tick: Callable[[], None]
) -> list[Outcome]:
    """The same with `count` clients for each of some servers, all at once."""
    groups = [_Group(target) for target in targets]
    clients = [
        _Client(group, number)
        for place, group in enumerate(groups)
        for number in range(place * count, (place + 1) * count)
    ]
    gc.collect()
    gc.disable()  # its pauses would count as the server's
    try:
        with select.epoll(len(clients)) as poll:
            begun, burst = _Herd(poll).run(clients, deadline, tick)
    finally:
        gc.enable()
        for client in clients:
            client.socket.close()
    return [_outcome(group, begun, burst) for group in groups]


def _outcome(group: _Group, begun: float, burst: float) -> Outcome:
    """What became of the clients of one server, counted from the first connect() of all."""
    times = [Exchange(*(each - begun for each in times)) for times in group.exchanges]
    return Outcome(times, max(burst, group.ended - begun), burst, group.errors)


class _Herd:
    """The clients between their first connect() and the last response."""

    def __init__(self, poll: select.epoll) -> None:
        self._poll = poll
        self._waiting: dict[int, _Client] = {}

    def run(
        self, clients: Sequence[_Client], deadline: float, tick: Callable[[], None]
    ) -> tuple[float, float]:
        """Run the whole herd; when it began, and the seconds until all were on their way."""
        begun = time.monotonic()
        for client in clients:
            self._begin(client)
        burst = time.monotonic() - begun
        next_tick = begun + burst
        while self._waiting and (now := time.monotonic()) < begun + deadline:
            if now >= next_tick:
                next_tick = now + _TICK_SECONDS
                tick()
            for number, events in self._poll.poll(_TICK_SECONDS, 512):
                self._turn(number, events)
        for client in self._waiting.values():
            client.group.errors[f"no response in {deadline:.0f} s"] += 1
        return begun, burst

    def _begin(self, client: _Client) -> None:
        """
        Connect, and send at once where the handshake is complete.

        On loopback it mostly is: it runs inside connect(). To hold the request back until all
        have connected would only add the herd's own start to every latency.
        """
        client.started = time.monotonic()
        number = client.socket.fileno()
        try:
            code = client.socket.connect_ex(("127.0.0.1", client.group.target.port))
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, errno.errorcode.get(code, "?"))
            client.send()
        except OSError as error:
            _fail(client, error)
            return
        self._waiting[number] = client
        self._poll.register(number, select.EPOLLIN if client.sent else _WRITE)

    def _turn(self, number: int, events: int) -> None:
        """One event of one client."""
        client = self._waiting[number]
        try:
            if not client.sent and events & select.EPOLLOUT:
                client.send()
                if client.sent:
                    self._poll.modify(number, select.EPOLLIN)
            if not events & ~select.EPOLLOUT or not client.receive():
                return
            times = Exchange(client.started, client.first, time.monotonic())
            client.group.exchanges.append(times)
            client.group.ended = times.ended
        except BlockingIOError:
            return
        except OSError as error:
            _fail(client, error)
        # The connection stays open to the end, so that all are open at once.
        del self._waiting[number]
        self._poll.unregister(number)


def _fail(client: _Client, error: OSError) -> None:
    """Count one lost client under its reason."""
    reason = errno.errorcode.get(error.errno, "?") if error.errno else str(error)
    client.group.errors[reason] += 1
    client.group.ended = time.monotonic()
