"""
The programs that people point at netd, and a bare socket.

Rules: each function runs one client to its end and returns what it saw.
"""

from __future__ import annotations

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from http.client import parse_headers
from io import BytesIO
from typing import Final, Self

from attrs import frozen

from tests.running import DEADLINE, run

GREETING: Final = b"One reactor, many clients: each waits its own delay only.\n"
"""The 58 bytes at `/`; said here again because they are promised."""


@frozen
class Answer:
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


def curl(url: str, *arguments: str) -> Answer:
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
    return Answer(status, headers, file.read(), float(timed[1]))


@frozen
class Bench:
    """What `ab` printed, times in seconds."""

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
                raise AssertionError(f"no {pattern} in what ab said:\n{text}")
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


def ab(url: str, *arguments: str) -> Bench:
    """The table that `ab ARGUMENTS url` prints."""
    done = run("ab", *arguments, url)
    if done.status:
        raise AssertionError(f"ab {arguments} {url}: {done.status} {done.err}")
    return Bench.parse(done.out)


def receive(sock: socket.socket) -> bytes:
    """Everything until the other side closes."""
    found = b""
    while data := sock.recv(65_536):
        found += data
    return found


def connect(address: tuple[str, int]) -> socket.socket:
    """A TCP connection none of whose operations waits for ever."""
    return socket.create_connection(address, DEADLINE)


def threads(number: int) -> ThreadPoolExecutor:
    """For `number` clients at once; leaving the context waits for all of them."""
    return ThreadPoolExecutor(number)
