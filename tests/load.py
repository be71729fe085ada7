"""
Clients that come at a steady rate, whatever the daemon does.

Rules: one connection a request, as those who only just come have; a request
that gets no whole response is a failure, whatever the reason.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from typing import Final, Self

from tests.clients import exchange
from tests.running import eventually

_THREADS: Final = 8


class Load:
    """About `rate` requests a second for `path` at `address`, while the context lasts."""

    def __init__(
        self, address: tuple[str, int], path: str = "/get", rate: float = 200.0
    ) -> None:
        self._address = address
        self._request = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
        self._seconds = _THREADS / rate
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._come) for _ in range(_THREADS)]
        self.answered: list[int] = []
        """The status of each response."""
        self.failures: list[str] = []
        """What each request that got none saw."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no new requests, and return when the last one has ended."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def more(self, number: int) -> None:
        """Wait until `number` further requests have a response."""
        before = len(self.answered)
        eventually(
            lambda: True if len(self.answered) >= before + number or self.failures else None,
            f"{number} responses more",
        )

    def _come(self) -> None:
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            # Late requests are sent at once, and do not pile up.
            due = max(due + self._seconds, time.monotonic())
            self._ask()

    def _ask(self) -> None:
        try:
            response = exchange(self._address, self._request)
            head, _, body = response.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            fields = dict(line.lower().split(": ", 1) for line in lines[1:])
            if int(fields["content-length"]) != len(body):
                raise ValueError(f"{len(body)} bytes of {fields['content-length']}")
            self.answered.append(int(lines[0].split()[1]))
        except (OSError, ValueError, KeyError, IndexError) as error:
            self.failures.append(repr(error))


def main(host: str, port: str) -> None:
    """Send requests until standard input ends, then print the counts as JSON."""
    with Load((host, int(port))) as load:
        sys.stdin.read()
    responses = Counter(load.answered)
    json.dump({"responses": responses, "failures": load.failures}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
