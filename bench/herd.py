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


class Outcome(NamedTuple):
    """The latencies and errors of the herd."""

    latencies: list[float]  # seconds, from just before connect() to the last byte
    wall: float  # seconds, from the first connect() to the last byte of all
    burst: float  # seconds, from the first connect() to the last one
    errors: Counter[str]  # by reason; each client counts once, here or in `latencies`


class _Client:
    """One connection and its one request."""

    __slots__ = ("data", "sent", "socket", "started")

    def __init__(self, number: int) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.started = 0.0
        self.sent = False
        self.data = b""
        if number >= _PER_ADDRESS:
            self.socket.setsockopt(socket.IPPROTO_IP, _BIND_WITHOUT_PORT, 1)
            self.socket.bind((f"127.0.0.{1 + number // _PER_ADDRESS}", 0))

    def send(self, request: bytes) -> None:
        """Send if the connection is established; otherwise epoll will say when it is."""
        try:
            self.socket.send(request)
            self.sent = True
        except BlockingIOError:
            pass

    def receive(self) -> bool:
        """Read what is there; true once the response is complete and good."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed early")
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
    """Raise the soft limit of open files to the hard one, for us and the servers we start."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    needed = count + _SPARE_FILES
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise HerdError(f"{count} connections need {needed} open files, the limit is {hard}")


def stampede(
    port: int, count: int, request: bytes, deadline: float, tick: Callable[[], None]
) -> Outcome:
    """
    Let `count` clients connect and ask at once, and wait for the responses.

    Ends when all are answered or `deadline` seconds after the first connect(); `tick` is called
    about every 0.1 s while answers are awaited.
    """
    clients = [_Client(number) for number in range(count)]
    gc.collect()
    gc.disable()  # its pauses would count as the server's
    try:
        with select.epoll(count) as poll:
            return _Herd(poll, request).run(port, clients, deadline, tick)
    finally:
        gc.enable()
        for client in clients:
            client.socket.close()


class _Herd:
    """The clients between their first connect() and the last response."""

    def __init__(self, poll: select.epoll, request: bytes) -> None:
        self._poll = poll
        self._request = request
        self._waiting: dict[int, _Client] = {}
        self._latencies: list[float] = []
        self._errors: Counter[str] = Counter()

    def run(
        self, port: int, clients: Sequence[_Client], deadline: float, tick: Callable[[], None]
    ) -> Outcome:
        """Run the whole herd; see `stampede`."""
        begun = time.monotonic()
        for client in clients:
            self._begin(client, port)
        burst = time.monotonic() - begun
        ended = next_tick = begun + burst
        while self._waiting and (now := time.monotonic()) < begun + deadline:
            if now >= next_tick:
                next_tick = now + _TICK_SECONDS
                tick()
            for number, events in self._poll.poll(_TICK_SECONDS, 512):
                self._turn(number, events)
                ended = time.monotonic()
        if self._waiting:
            self._errors[f"no answer in {deadline:.0f} s"] += len(self._waiting)
        return Outcome(self._latencies, ended - begun, burst, self._errors)

    def _begin(self, client: _Client, port: int) -> None:
        """
        Connect, and send at once where the handshake is complete.

        On loopback it mostly is: it runs inside connect(). To hold the request back until all
        have connected would only add the herd's own start to every latency.
        """
        client.started = time.monotonic()
        number = client.socket.fileno()
        try:
            code = client.socket.connect_ex(("127.0.0.1", port))
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, errno.errorcode.get(code, "?"))
            client.send(self._request)
        except OSError as error:
            self._fail(error)
            return
        self._waiting[number] = client
        self._poll.register(number, select.EPOLLIN if client.sent else _WRITE)

    def _turn(self, number: int, events: int) -> None:
        """One event of one client."""
        client = self._waiting[number]
        try:
            if not client.sent and events & select.EPOLLOUT:
                client.send(self._request)
                if client.sent:
                    self._poll.modify(number, select.EPOLLIN)
            if not events & ~select.EPOLLOUT or not client.receive():
                return
            self._latencies.append(time.monotonic() - client.started)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(error)
        # The connection stays open to the end, so that all are open at once.
        del self._waiting[number]
        self._poll.unregister(number)

    def _fail(self, error: OSError) -> None:
        """Count one lost client under its reason."""
        reason = errno.errorcode.get(error.errno, "?") if error.errno else str(error)
        self._errors[reason] += 1
