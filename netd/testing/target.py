"""
A daemon that runs, as tests ask it: its URLs, its addresses, what it counted.

Rules: the standard library only; knows nothing of how the daemon was started.
"""

from __future__ import annotations

import json
import re
import ssl
from collections import deque
from collections.abc import Mapping
from contextlib import closing
from typing import Final, NamedTuple
from urllib.parse import quote

from netd.testing.base_url import BaseURL

SECONDS: Final = 10.0
"""The time that a question to the daemon may take."""

MAX_LINES: Final = 1000
"""How many lines of the log are kept."""

_SAMPLE: Final = re.compile(r"([a-z_:]+(?:\{.*\})?) (\S+)")
_ENDPOINT: Final = re.compile(r"(?:tcp|udp)6?:(\d+)(?::interface=(.+))?")
_WILDCARDS: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


class Address(NamedTuple):
    """What `socket.connect` takes."""

    host: str
    port: int

    def url(self, scheme: str) -> str:
        """The URL of a listener for HTTP here."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"


class Attempt(NamedTuple):
    """A request that `retry` or `fail_first` counted."""

    at: float
    """Seconds since the first."""
    method: str
    path: str
    status: int


def address_of(endpoint: str) -> Address:
    """The address in an endpoint such as `tcp:40123:interface=127.0.0.1`; or ValueError."""
    match = _ENDPOINT.fullmatch(endpoint)
    if match is None:
        raise ValueError(f"{endpoint}: no address of the Internet")
    host = (match[2] or "").replace("\\:", ":")
    return Address(_WILDCARDS.get(host, host), int(match[1]))


class Target(BaseURL):
    """
    A daemon at `url`; `listen` has the endpoint of each of its listeners by name.

    `context` is for questions over TLS; by default what the system trusts.
    """

    def __init__(
        self,
        url: str,
        listen: Mapping[str, str] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(url)
        self._listen = dict(listen or {})
        self._context = context
        self._log: deque[str] = deque(maxlen=MAX_LINES)

    def address(self, name: str) -> Address:
        """The address of a listener, such as `tcp-echo`; LookupError lists the names."""
        if name not in self._listen:
            raise LookupError(f"{name}: not one of {', '.join(self._listen) or 'none known'}")
        return address_of(self._listen[name])

    @property
    def udp(self) -> Address:
        """The address of the datagram echo."""
        return self.address("udp")

    @property
    def secure(self) -> Target:
        """The same over TLS; LookupError for a daemon without."""
        secure = Target(self.address("https").url("https"), self._listen, self._context)
        secure._log = self._log
        return secure

    @property
    def lines(self) -> list[str]:
        """The latest lines of the daemon's log, at most 1000; none where nobody reads it."""
        return list(self._log)

    def metrics(self) -> dict[str, float]:
        """What the daemon has counted: values by the name, and the labels, of /metrics."""
        lines = self._fetch("/metrics").splitlines()
        samples = (_SAMPLE.fullmatch(line) for line in lines if not line.startswith("#"))
        return {match[1]: float(match[2]) for match in samples if match}

    def attempts(self, key: str) -> list[Attempt]:
        """The latest 50 requests that `retry` or `fail_first` counted for a key."""
        listed = json.loads(self._fetch(f"/attempts/{quote(key, safe='')}"))
        return [Attempt(**each) for each in listed]

    def _fetch(self, path: str) -> str:
        """The content at `path`; OSError for any status but 200."""
        # Imported here, as a plugin that is not used should cost nothing.
        from http.client import HTTPConnection, HTTPSConnection

        if self.protocol == "https":
            connection: HTTPConnection = HTTPSConnection(
                self.host, self.port, timeout=SECONDS, context=self._context
            )
        else:
            connection = HTTPConnection(self.host, self.port, timeout=SECONDS)
        with closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            content = response.read().decode()
        if response.status != 200:
            raise OSError(f"{self.url}{path}: {response.status} {response.reason}")
        return content
