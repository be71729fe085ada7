"""
Clients of netd: curl, ab, and plain TCP and UDP sockets.

Rules: each function that runs a program runs it to its end and returns its result.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from http.client import parse_headers
from io import BytesIO
from pathlib import Path
from typing import Final, Self

from attrs import frozen
from prometheus_client.parser import text_string_to_metric_families

from tests.running import DEADLINE, Daemon, eventually, run

GREETING: Final = b"One reactor, many clients: each waits its own delay only.\n"
"""The 58 bytes at `/`, repeated here because the README promises them."""


@frozen
class Response:
    """One HTTP response as curl got it."""

    status: int
    headers: Message
    """By their name in any case."""
    body: bytes
    seconds: float

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


_TIME: Final = re.compile(rb"\nseconds=([0-9.]+)\Z")


def curl(url: str, *arguments: str) -> Response:
    """The response to `curl ARGUMENTS url`; an AssertionError when curl reports a failure."""
    # -q: no ~/.curlrc; --noproxy: this machine's proxy settings are not the subject.
    done = run(
        *("curl", "-q", "-sS", "-i", "--noproxy", "*", "-m", str(DEADLINE)),
        *("-w", r"\nseconds=%{time_total}", *arguments, url),
    )
    if done.status:
        raise AssertionError(f"curl {arguments} {url}: {done.status} {done.err}")
    data = done.out.encode("utf-8", "surrogateescape")
    timed = _TIME.search(data)
    assert timed is not None
    file = BytesIO(data[: timed.start()])
    status = 100
    while status < 200:
        status = int(file.readline().split()[1])
        headers = parse_headers(file)
    return Response(status, headers, file.read(), float(timed[1]))


@frozen
class ABReport:
    """The figures that `ab` prints; times in seconds."""

    length: int
    complete: int
    failed: int
    kept_alive: int
    seconds: float
    """Of the whole."""
    shortest: float
    """The quickest request, from connecting to the last byte."""
    longest: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """The table in `text`."""

        def number(pattern: str) -> float:
            match = re.search(pattern, text, re.MULTILINE)
            if match is None:
                raise AssertionError(f"no {pattern} in the output of ab:\n{text}")
            return float(match[1])

        return cls(
            int(number(r"^Document Length: +(\d+) bytes$")),
            int(number(r"^Complete requests: +(\d+)$")),
            int(number(r"^Failed requests: +(\d+)$")),
            int(number(r"^Keep-Alive requests: +(\d+)$")) if "Keep-Alive req" in text else 0,
            number(r"^Time taken for tests: +([0-9.]+) seconds$"),
            number(r"^Total: +(\d+) ") / 1000,
            number(r"^Total: +\d+ +\d+ +[0-9.]+ +\d+ +(\d+)$") / 1000,
        )


def ab(url: str, *arguments: str) -> ABReport:
    """The table that `ab ARGUMENTS url` prints."""
    done = run("ab", *arguments, url)
    if done.status:
        raise AssertionError(f"ab {arguments} {url}: {done.status} {done.err}")
    return ABReport.parse(done.out)


def connect(address: tuple[str, int]) -> socket.socket:
    """A TCP connection none of whose operations waits for ever."""
    return socket.create_connection(address, DEADLINE)


def receive(sock: socket.socket) -> bytes:
    """All bytes until the other side closes."""
    received = b""
    while data := sock.recv(65_536):
        received += data
    return received


def reset(sock: socket.socket) -> None:
    """
    Close a connection with a reset.

    After a mere close the client may still want its response.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def exchange(address: tuple[str, int], data: bytes) -> bytes:
    """Connect, send `data`, and return all bytes until the other side closes."""
    with connect(address) as sock:
        sock.sendall(data)
        return receive(sock)


def listening(address: tuple[str, int]) -> bool | None:
    """True when a connection to `address` is accepted, otherwise None (for `eventually`)."""
    with socket.socket() as sock:
        return True if sock.connect_ex(address) == 0 else None


def datagrams(
    host: str = "127.0.0.1", port: int = 0, timeout: float = DEADLINE
) -> socket.socket:
    """A UDP socket bound to `host`, none of whose operations waits longer than `timeout`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((host, port))
    sock.settimeout(timeout)
    for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, buffer, 1024 * 1024)
    return sock


def waiting(daemon: Daemon) -> None:
    """Wait until a response of a daemon of one process waits."""
    url = f"{daemon.url}/metrics"
    name = "netd_http_responses_waiting", "http"
    eventually(lambda: samples(curl(url).text)[name] or None, "a response that waits")


def samples(metrics: str) -> dict[tuple[str, ...], float]:
    """Each sample of /metrics by its name and its label values in the order of the labels."""
    return {
        (sample.name, *[value for _, value in sorted(sample.labels.items())]): sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
    }


def resident(pid: int) -> int:
    """The resident memory of a process, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def threads(number: int) -> ThreadPoolExecutor:
    """For `number` clients at once; leaving the context waits for all of them."""
    return ThreadPoolExecutor(number)
