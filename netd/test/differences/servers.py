"""
httpbin and netd in this process, and what differs between two of their responses.
"""

from __future__ import annotations

import gzip
import http.client
import io
import json
import logging
import random
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final
from unittest import mock
from urllib.parse import unquote_to_bytes

from attrs import evolve, frozen
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from netd import site
from netd.counters import Counters
from netd.test.lab.client import HTTP, Client, Transport, configured

HOST: Final = "lab.example:8000"
_ADDRESS: Final = "127.0.0.1"
_LONGEST: Final = 100
"""Seconds that a response may take, of netd's clock."""

# Fields of the connection and of the server, and the length, which the body shows.
_IGNORED: Final = frozenset(
    {"Connection", "Date", "Keep-Alive", "Server", "Transfer-Encoding", "Content-Length"}
)
_RANDOM: Final = re.compile(
    r"[0-9a-f]{32,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|\w{3}, \d\d \w{3} 20\d\d [\d:]{8} GMT"
)
_DECODERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}


@frozen
class Response:
    """A response without what chance, the clock and the connection put in it."""

    status: int
    fields: Mapping[str, tuple[str, ...]]
    body: str
    seconds: float
    """How long it took."""

    @classmethod
    def of(
        cls, status: int, lines: list[tuple[str, str]], body: bytes, seconds: float
    ) -> Response:
        """The response with these header lines."""
        fields: dict[str, tuple[str, ...]] = {}
        for name, value in lines:
            title = name.title()
            if title not in _IGNORED:
                # httpbin lists methods in another order in each run.
                text = ", ".join(sorted(value.split(", "))) if title == "Allow" else value
                fields[title] = (*fields.get(title, ()), _RANDOM.sub("<random>", text))
        coding = fields.get("Content-Encoding", ("",))[0]
        if coding in _DECODERS and body:
            body = _DECODERS[coding](body)
        text = _RANDOM.sub("<random>", body.decode("utf-8", "backslashreplace"))
        return cls(status, fields, text, seconds)

    def parts(self) -> dict[str, object]:
        """What is compared, by its name: status, each field, and the body or its members."""
        parts: dict[str, object] = {"status": self.status, "seconds": round(self.seconds, 1)}
        parts.update(self.fields)
        members: Any = None
        if self.fields.get("Content-Type") == ("application/json",):
            try:
                members = json.loads(self.body)
            except ValueError:
                members = None
        if isinstance(members, dict):
            parts.update((f"json.{name}", value) for name, value in members.items())
        parts["body"] = self.body
        return parts


_ABSENT: Final = object()


def differing(first: Response, second: Response) -> set[str]:
    """The names of the parts that differ: the status, or else whatever does."""
    if first.status != second.status:
        return {"status"}
    one, other = first.parts(), second.parts()
    names = {
        name
        for name in one.keys() | other.keys()
        if one.get(name, _ABSENT) != other.get(name, _ABSENT)
    }
    if any(name.startswith("json.") for name in names):
        names.discard("body")
    return names


def environ(raw: bytes) -> dict[str, Any]:
    """The WSGI environment of a request, as gunicorn makes it."""
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    method, target, version = line.split(" ")
    path, _, query = target.partition("?")
    result: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": target,
        "REMOTE_ADDR": _ADDRESS,
        "SERVER_NAME": "lab.example",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": version,
        "SERVER_SOFTWARE": "gunicorn/0",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for field in lines:
        name, _, value = field.partition(":")
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        value = value.strip(" \t")
        result[key] = f"{result[key]},{value}" if key in result else value
    # gunicorn believes these from a proxy on this machine.
    secure = (result.get("HTTP_X_FORWARDED_PROTO"), result.get("HTTP_X_FORWARDED_SSL"))
    if "https" in secure or "on" in secure:
        result["wsgi.url_scheme"] = "https"
    return result


def _memory(max_size: int, mode: str) -> io.BytesIO:
    """A file in memory."""
    return io.BytesIO()


def httpbin(raw: bytes) -> Response:
    """The response of httpbin, which sleeps without waiting."""
    # It warns of an optional package when it is imported, and of each 500.
    logging.getLogger("httpbin.core").disabled = True
    from httpbin import app
    from werkzeug.test import run_wsgi_app

    # It seeds the random numbers of the whole process.
    chance = random.getstate()
    naps: list[float] = []
    with (
        mock.patch("httpbin.core.time.sleep", naps.append),
        # It never closes its temporary files.
        mock.patch("werkzeug.formparser.SpooledTemporaryFile", _memory),
    ):
        pieces, status, headers = run_wsgi_app(app, environ(raw), buffered=True)
        body = b"".join(pieces)
    random.setstate(chance)
    return Response.of(int(status.split(" ")[0]), list(headers), body, sum(naps))


class _Stream:
    """What http.client needs of a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        """All bytes, to be read."""
        return io.BytesIO(self._data)


class Netd:
    """One site of netd, with a clock of its own; `exact` is --httpbin-exact."""

    def __init__(self, exact: bool = False) -> None:
        self._clock, counters = Clock(), Counters()
        self._settings = configured(evolve(HTTP, lab=evolve(HTTP.lab, httpbin_exact=exact)))
        self._site = site.factory(self._settings, self._clock, counters)

    def __call__(self, raw: bytes) -> Response:
        """The response of netd, however long it takes by its clock."""
        peer = Transport(peerAddress=IPv4Address("TCP", _ADDRESS, 50000))
        client = Client(self._settings, self._clock, site=self._site, transport=peer)
        began, data = self._clock.seconds(), client.send(raw)
        while self._clock.seconds() < began + _LONGEST:
            response = http.client.HTTPResponse(
                _Stream(data),  # type: ignore[arg-type]  # what it uses of a socket
                method=raw.split(b" ", 1)[0].decode(),
            )
            try:
                response.begin()
                body = response.read()
            except http.client.HTTPException:
                due = min(call.getTime() for call in self._clock.getDelayedCalls())
                data += client.advance(max(0.0, due - self._clock.seconds()))
                continue
            seconds = self._clock.seconds() - began
            client.disconnect()
            return Response.of(response.status, response.getheaders(), body, seconds)
        raise AssertionError(f"no whole response to {raw[:100]!r}: {data[:100]!r}")
