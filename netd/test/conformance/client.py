"""
A plain HTTP client for the checks: one connection a request, nothing followed, nothing decoded.
"""

from __future__ import annotations

import http.client
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import field, frozen

_SECONDS: Final = 60.0


@frozen
class Response:
    """One response."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str | None:
        """The first value of a field."""
        return next((v for n, v in self.fields if n.lower() == name.lower()), None)

    def every(self, name: str) -> list[str]:
        """All values of a field."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@frozen
class Client:
    """A client of one base URL."""

    url: str

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.url).netloc

    def send(self, line: str, *fields: tuple[str, str], body: bytes | None = None) -> Response:
        """The response to a request such as `GET /path`."""
        method, target = line.split(" ", 1)
        connection = http.client.HTTPConnection(self.host, timeout=_SECONDS)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in fields:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Response(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def get(self, target: str, *fields: tuple[str, str]) -> Response:
        """The response to GET."""
        return self.send(f"GET {target}", *fields)


Check = Callable[[Client], None]


@frozen
class Suite:
    """Checks by their names, in order."""

    checks: dict[str, Check] = field(factory=dict)

    def __call__(self, check: Check) -> Check:
        """Add a check, whose docstring is its claim."""
        self.checks[check.__name__] = check
        return check


def same(result: object, expected: object, about: object = "") -> None:
    """Raise an AssertionError with both values when they differ."""
    if result != expected:
        raise AssertionError(f"{about}: {result!r} is not {expected!r}".removeprefix(": "))


def holds(claim: object, about: object) -> None:
    """Raise an AssertionError about the claim when it is false."""
    if not claim:
        raise AssertionError(str(about))


def basic(user: str, password: str) -> tuple[str, str]:
    """The Authorization field of basic authentication."""
    return "Authorization", "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def form(text: str) -> tuple[tuple[str, str], bytes]:
    """The type and the body of an urlencoded form."""
    return ("Content-Type", "application/x-www-form-urlencoded"), text.encode()


def multipart(*parts: tuple[str, bytes]) -> tuple[tuple[str, str], bytes]:
    """The type and the body of a multipart form; each part is its disposition and its bytes."""
    body = b"".join(
        b"--xyz\r\nContent-Disposition: form-data; "
        + head.encode()
        + b"\r\n\r\n"
        + data
        + b"\r\n"
        for head, data in parts
    )
    return ("Content-Type", "multipart/form-data; boundary=xyz"), body + b"--xyz--\r\n"
