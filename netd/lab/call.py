"""
One HTTP request as an endpoint sees it: a Call comes in, a Reply goes out.

Rules: pure; no Twisted, no transport, no clock.  `netd.lab.router` makes the
Call of a request and sends the Reply.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from itertools import chain
from random import Random
from typing import IO, Any, Final, Protocol, TypeAlias

from attrs import Factory, define, evolve, field, frozen

from netd.acl import AccessList
from netd.http.fields import begins
from netd.http.request_head import Head
from netd.lab.attempts import Attempts
from netd.lab.compatibility import HTTPBIN, OWN, Compatibility
from netd.lab.counts import Counting, Counts
from netd.lab.parameters import Parameter
from netd.lab.watchers import Watchers
from netd.lab.workers import Workers
from netd.script import Script, Wait
from netd.settings import HTTP
from netd.values import Distribution, Duration

Headers: TypeAlias = tuple[tuple[str, str], ...]

TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"

SANDBOX: Final = "default-src 'none'; sandbox"
"""The Content-Security-Policy of every response that may hold what a client sent."""
NO_CONTENT: Final = frozenset({204, 205, 304})
"""Statuses whose responses have no content (RFC 9110 15.3.5, 15.3.6, 15.4.5)."""


@frozen
class Reply:
    """What an endpoint returns: a status, headers, and a body or a script of the body."""

    body: bytes | Callable[[], bytes] | Script = b""
    """Bytes, a function that makes them when they are sent, or a script that sends them."""
    status: int = 200
    type: str = TEXT
    length: int | None = None
    """The number of bytes that a script sends, when it is known."""
    headers: Headers = ()
    sandbox: bool = True
    """Whether the body may hold what a client sent, and so needs the policy `SANDBOX`."""
    trailers: Headers = ()
    """Fields after the body of a script of unknown length."""
    raw: bool = False
    """The script writes the head too, without any framing; the connection ends with it."""
    delay: float = 0.0
    """Seconds to wait before the head; for bodies that are no scripts."""
    fault: str = ""
    """The kind of fault that the response has, for the log; empty: none."""
    patience: float | None = None
    """Seconds that the client of a script may read nothing of what is sent; None: --stall."""

    def later(self, seconds: float) -> Reply:
        """This reply after so many more seconds."""
        if isinstance(self.body, bytes) or callable(self.body):
            return evolve(self, delay=self.delay + seconds)
        return evolve(self, body=chain((Wait(seconds),), self.body))


class BadCall(Exception):
    """A client's mistake, which becomes a 4xx."""

    def __init__(self, detail: str, status: int = 400, headers: Headers = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.headers = headers

    def reply(self) -> Reply:
        """`{"detail": ..., "error": ..., "status_code": ...}` as JSON."""
        phrase = HTTPStatus(self.status).phrase
        error = {"status_code": self.status, "error": phrase, "detail": self.detail}
        body = json.dumps(error, indent=2, sort_keys=True).encode() + b"\n"
        return Reply(body, self.status, JSON, headers=self.headers)


OwnPorts: TypeAlias = Callable[[], Collection[tuple[str, int]]]
"""The scheme and port of each HTTP listener of the daemon, at the moment of the call."""

_MAX_DRAW: Final = 31_536_000.0
_DURATIONS: Final = ("delay", "duration")
PREFIX: Final = b"x-netd-"
"""What the names of the fields begin with that are parameters."""
_DELAY: Final = Parameter("X-Netd-Delay", "delay", "the wait before the response header")


@define
class LabState:
    """What all calls of one daemon share."""

    config: HTTP
    random: Random
    now: Callable[[], float]
    """The time of day."""
    environ: Mapping[str, str] = Factory(dict)
    """The environment of the process, of which /env shows a part."""
    own_ports: OwnPorts = frozenset
    seconds: Callable[[], float] = time.monotonic
    """The time that waits are counted by; nobody sets it."""
    attempts: Attempts = Factory(Attempts)
    """The requests that /retry and fail_first counted."""
    workers: Workers = Factory(Workers)
    trusted: AccessList = field(
        init=False,
        default=Factory(lambda self: AccessList(self.config.lab.trust_forwarded), True),
    )
    """The proxies whose X-Forwarded-* fields are believed."""
    counts: Counting = Factory(Counts)
    """How many requests there were for each key."""
    watchers: Watchers = Factory(Watchers)
    """Who watches in the console."""
    compatibility: Compatibility = field(
        init=False,
        default=Factory(lambda self: HTTPBIN if self.config.lab.httpbin_exact else OWN, True),
    )
    """Where these calls differ from httpbin."""


class Client(Protocol):
    """The sender of a request, and its connection."""

    @property
    def address(self) -> str:
        """The client's IP address."""

    @property
    def secure(self) -> bool:
        """Whether the connection uses TLS."""

    @property
    def authority(self) -> str | None:
        """The authority of an absolute-form target, which overrules Host."""

    def tls(self) -> Mapping[str, object] | None:
        """What the TLS handshake agreed on; None without TLS."""


@define
class Call:
    """
    A request that matched a route.

    Headers and arguments are parsed on their first use.
    """

    method: str
    target: str
    """Path and query as received, in origin-form."""
    parameters: Mapping[str, Parameter]
    """The parameters of the route by their names."""
    composable: bool
    """Whether parameters may come in X-Netd- headers too."""
    state: LabState
    path_values: Mapping[str, str]
    """The values of the `<name>` segments of the path, percent-decoded."""
    head: Head
    """The head, as received in `head.raw`."""
    content: IO[bytes]
    """The request body, at its start; it is closed after the response."""
    length: int
    """The number of bytes in `content`."""
    client: Client
    _headers: Headers | None = None
    _args: list[tuple[str, str]] | None = None
    _random: Random | None = None
    clamped: Headers = ()
    """The field that names each parameter whose limit was taken in place of its value."""
    queued: float = 0.0
    """The seconds that the response waits for a worker."""
    drawn: float = 0.0
    """The seconds of the delay of /echo."""
    paced: float = 0.0
    """The seconds that its body takes after that."""
    _given: frozenset[str] | None = None

    def count(self, key: str) -> int:
        """Count a request for `key`, and return how many came before it."""
        return self.state.counts.count(key)

    def forget(self, key: str) -> int:
        """Count requests for `key` from 0 again, and return how many there were."""
        return self.state.counts.forget(key)

    @property
    def config(self) -> HTTP:
        """The settings of the site."""
        return self.state.config

    @property
    def compatibility(self) -> Compatibility:
        """Where the response differs from httpbin's."""
        return self.state.compatibility

    @property
    def any_field(self) -> bool:
        """Whether the client may set response fields that browsers and proxies act on."""
        return self.config.lab.unsafe_responses or self.compatibility.any_field

    @property
    def headers(self) -> Headers:
        """Every field line as received, in order."""
        if self._headers is None:
            lines = self.head.raw.decode("latin-1").lstrip("\r\n").split("\r\n")[1:-2]
            pairs = [line.partition(":") for line in lines]
            self._headers = tuple([(name, value.strip(" \t")) for name, _, value in pairs])
        return self._headers

    def header(self, name: str) -> str | None:
        """The values of a field, joined by commas as httpbin does; None without the field."""
        values = self.head.fields.get(name.lower().encode())
        return None if values is None else b",".join(values).decode("latin-1")

    @property
    def args(self) -> list[tuple[str, str]]:
        """The arguments of the query, percent-decoded, in order."""
        if self._args is None:
            _, _, query = self.target.partition("?")
            self._args = parse_query(query.encode("latin-1")) if query else []
        return self._args

    @property
    def _forwarded(self) -> bool:
        """Whether there are X-Forwarded-* fields, from a trusted proxy."""
        if not begins(self.head.fields, b"x-forwarded-"):
            return False
        try:
            return self.state.trusted.names(self.client.address)
        except ValueError:
            return False

    @property
    def origin(self) -> str:
        """The client's address, or the one that a trusted proxy forwards for."""
        address = self.header("x-forwarded-for") if self._forwarded else None
        return self.client.address if address is None else address

    @property
    def root(self) -> str:
        """The scheme and authority of the request."""
        scheme = "https" if self.client.secure else "http"
        if self._forwarded:
            proto = self.header("x-forwarded-proto") or self.header("x-forwarded-protocol")
            if proto is not None and proto.lower() in ("http", "https"):
                scheme = proto.lower()
            elif proto is None and (self.header("x-forwarded-ssl") or "").lower() == "on":
                scheme = "https"
        host = self.client.authority or self.header("host") or "localhost"
        return f"{scheme}://{host}"

    @property
    def has_netd_field(self) -> bool:
        """Whether there is an X-Netd- header."""
        return begins(self.head.fields, PREFIX)

    @property
    def given(self) -> frozenset[str]:
        """The parameters that the query or an X-Netd- header may have, looked for once."""
        if self._given is None:
            names = {key.lower() for key, _ in self.args}
            if self.composable and self.has_netd_field:
                names |= {key.lower()[7:].replace("-", "_") for key, _ in self.headers}
            self._given = frozenset(names)
        return self._given

    def text(self, name: str) -> str | None:
        """A parameter as received: in the path, in the query, or in an X-Netd- header."""
        if name in self.path_values:
            return self.path_values[name]
        if name not in self.given:
            return None
        for key, value in self.args:
            if key.lower() == name:
                return value
        if self.composable:
            return self.header(f"x-netd-{name.replace('_', '-')}")
        return None

    def texts(self, name: str) -> list[str]:
        """Every occurrence of a parameter that repeats, in the query and in headers."""
        if name not in self.given:
            return []
        values = [value for key, value in self.args if key.lower() == name]
        if self.composable:
            header = f"x-netd-{name.replace('_', '-')}"
            values += [value for key, value in self.headers if key.lower() == header]
        return values

    def value(self, name: str) -> Any:
        """
        The value of a parameter, or its default; None without either.

        BadCall when the text is malformed or beyond the limits of the parameter,
        when a required parameter is missing, and for a duration above
        --max-delay.  KeyError, a bug, when the route has no such parameter.
        """
        parameter, text = self.parameters[name], self.text(name)
        if text is not None and parameter.choices and name not in self.path_values:
            text = text.lower()  # as content codings are (RFC 9110 8.4.1); paths are not
        if text is None:
            text = parameter.default
        if text is None:
            if parameter.required:
                raise BadCall(f"{name} is missing")
            return None
        return self._checked(parameter, text)

    def _checked(self, parameter: Parameter, text: str) -> Any:
        """The value of `text`; what is clamped is noted."""
        name, longest = parameter.name, self.config.limits.max_delay
        try:
            received = parameter.parse(text)
            value = parameter.limited(received)
        except ValueError as error:
            raise BadCall(f"{name}: {error}") from None
        timed = parameter.kind in _DURATIONS
        if timed and isinstance(value, float) and value > longest:
            if not parameter.clamps:
                raise BadCall(f"{name}: longer than {Duration.of(longest)}")
            value = longest
        if value != received:
            self._note(f"{name}={value:.15g}s" if timed else f"{name}={value}")
        return value

    def _note(self, clamped: str) -> None:
        noted = self.clamped[0][1].split(", ") if self.clamped else []
        # A parameter may be read twice.
        self.clamped = (("X-Netd-Clamped", ", ".join(dict.fromkeys((*noted, clamped)))),)

    @property
    def delay(self) -> float:
        """The seconds in X-Netd-Delay, for a route that has no time of its own."""
        if b"x-netd-delay" not in self.head.fields:
            return 0.0
        delay = self._checked(_DELAY, self.header("x-netd-delay") or "")
        return self.draw(delay) if isinstance(delay, Distribution) else delay

    def wait(self, name: str) -> float:
        """The seconds of a parameter of kind `delay`, drawn where it is a distribution."""
        delay: float | Distribution | None = self.value(name)
        return self.draw(delay) if isinstance(delay, Distribution) else delay or 0.0

    def draw(self, delay: Duration | Distribution) -> float:
        """The seconds of `delay`; those drawn from a distribution are at most --max-delay."""
        if not isinstance(delay, Distribution):
            return delay.seconds
        # Without --max-delay an exponential may exceed what a timer can take.
        return min(delay.draw(self.random()), self.config.limits.max_delay, _MAX_DRAW)

    def random(self) -> Random:
        """The random numbers of this call: from its `seed`, or the daemon's."""
        if self._random is None:
            seed = self.value("seed") if "seed" in self.parameters else None
            # No secret depends on these: delays, weights, faults, noise.
            self._random = self.state.random if seed is None else Random(seed)  # noqa: S311
        return self._random


@define
class ResumedCall(Call):
    """A call whose endpoint has raised `Later`, with the value that came."""

    fetched: Any = field(kw_only=True)

    def count(self, key: str) -> int:
        """The count that came."""
        return int(self.fetched)

    def forget(self, key: str) -> int:
        """The count that came."""
        return self.count(key)


_HEX: Final = b"0123456789abcdefABCDEF"
_OCTETS: Final = {
    b"%%%c%c" % (high, low): bytes.fromhex(f"{high:c}{low:c}") for high in _HEX for low in _HEX
}
"""The byte of every escape."""
_ESCAPE: Final = re.compile(rb"%[0-9A-Fa-f]{2}")
# Bytes that are not UTF-8, as surrogateescape decodes them.
_ENCODED: Final = {0xDC00 + byte: f"%{byte:02X}" for byte in range(0x80, 0x100)}


def parse_query(query: bytes, max_fields: int | None = None) -> list[tuple[str, str]]:
    """
    Names and values of a query or form, percent-decoded, empty values kept.

    Bytes that are not UTF-8 stay percent-encoded, as in httpbin.  ValueError
    when there are more than `max_fields`.
    """
    # urllib.parse.parse_qsl takes up to 140 ms for 256 KiB, this takes 25.
    if max_fields is not None and query.count(b"&") >= max_fields:
        raise ValueError("too many fields")
    fields = [field.partition(b"=") for field in query.replace(b"+", b" ").split(b"&") if field]
    return [(_decoded(name), _decoded(value)) for name, _, value in fields]


def _decoded(text: bytes) -> str:
    octets = _ESCAPE.sub(lambda m: _OCTETS[m[0]], text) if b"%" in text else text
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("utf-8", "surrogateescape").translate(_ENCODED)
