"""
One HTTP exchange as an endpoint sees it: a Call comes in, a Reply goes out.

Rules: pure; no Twisted, no transport, no clock.  `netd.lab.router` makes the
Call of a request and performs the Reply on it.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from random import Random
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol, TypeAlias
from urllib.parse import parse_qsl

from attrs import Factory, define, frozen

from netd.script import Script
from netd.settings import HTTP
from netd.values import Duration

if TYPE_CHECKING:
    from netd.lab.routes import Route

Headers: TypeAlias = tuple[tuple[str, str], ...]

TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"

SANDBOX: Final = "default-src 'none'; sandbox"
"""The Content-Security-Policy of every answer that may hold what a client sent."""


@frozen
class Reply:
    """What goes back: a status, headers, and a body that is ready or a script of it."""

    body: bytes | Callable[[], bytes] | Script = b""
    """Ready, made in the moment it leaves, or said bit by bit."""
    status: int = 200
    type: str = TEXT
    length: int | None = None
    """The bytes that a script will say when that is known; a ready body knows its own."""
    headers: Headers = ()
    ours: bool = False
    """Whether no byte of it came from a client, so that a browser need not lock it up."""
    trailers: Headers = ()
    """Fields after the body, for a script of unknown length."""
    wire: bool = False
    """The script says the head too, or what stands there instead, and then hangs up."""
    after: float = 0.0
    """The seconds that a body waits that is no script, and its head with it."""


class BadCall(Exception):
    """The client asked for something that cannot be: answered with a 4xx."""

    def __init__(self, detail: str, status: int = 400, headers: Headers = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.headers = headers

    def reply(self) -> Reply:
        """The answer: `{"detail": ..., "error": ..., "status_code": ...}`."""
        said = {
            "status_code": self.status,
            "error": HTTPStatus(self.status).phrase,
            "detail": self.detail,
        }
        body = json.dumps(said, indent=2, sort_keys=True).encode() + b"\n"
        return Reply(body, self.status, JSON, headers=self.headers)


MOST_KEYS: Final = 10_000
"""As many keys of /retry and fail_first are remembered; the oldest are forgotten first."""


@define
class LabState:
    """What all calls of one daemon share."""

    routes: tuple[Route, ...]
    config: HTTP
    random: Random
    now: Callable[[], float]
    """The time of day."""
    environ: Mapping[str, str] = Factory(dict)
    """The environment of the process, of which /env tells some."""
    _seen: OrderedDict[str, int] = Factory(OrderedDict)

    def turn(self, key: str) -> int:
        """How often `key` was asked for before this time."""
        before = self._seen.pop(key, 0)
        self._seen[key] = before + 1
        if len(self._seen) > MOST_KEYS:
            self._seen.popitem(last=False)
        return before


class Caller(Protocol):
    """Who makes a call, and over what; found out when an endpoint wants to know."""

    @property
    def client(self) -> str:
        """The address of whoever asks."""

    @property
    def secure(self) -> bool:
        """Whether it is asked over TLS."""

    @property
    def authority(self) -> str | None:
        """Who is asked according to an absolute target; it overrules Host."""

    def tls(self) -> Mapping[str, Any] | None:
        """What the connection's TLS agreed upon; None without TLS."""


@define
class Call:
    """
    A request that found its route.

    Headers and arguments are split when an endpoint first looks at them.
    """

    method: str
    target: str
    """Path and query as they came, in origin-form."""
    route: Route
    bench: LabState
    parameters: Mapping[str, str]
    """What the `<name>` segments of the path held, percent-decoded."""
    raw: bytes
    """The head as it came over the wire, through its empty line."""
    content: BinaryIO
    """The request body, read from its start; it lives as long as the exchange."""
    length: int
    """The bytes of `content`."""
    caller: Caller
    _headers: Headers | None = None
    _args: list[tuple[str, str]] | None = None
    _chance: Random | None = None

    @property
    def config(self) -> HTTP:
        """How the site is set up."""
        return self.bench.config

    @property
    def headers(self) -> Headers:
        """Every field line as it came, in order."""
        if self._headers is None:
            lines = self.raw.decode("latin-1").lstrip("\r\n").split("\r\n")[1:-2]
            pairs = [line.partition(":") for line in lines]
            self._headers = tuple([(name, value.strip(" \t")) for name, _, value in pairs])
        return self._headers

    def header(self, name: str) -> str | None:
        """The values of a field, joined by commas as httpbin does; None without any."""
        name = name.lower()
        found = [value for each, value in self.headers if each.lower() == name]
        return ",".join(found) if found else None

    @property
    def args(self) -> list[tuple[str, str]]:
        """The query, percent-decoded, in order."""
        if self._args is None:
            _, _, query = self.target.partition("?")
            self._args = pairs(query) if query else []
        return self._args

    @property
    def trusted(self) -> bool:
        """Whether X-Forwarded-* of this client is believed."""
        try:
            address = ip_address(self.caller.client.partition("%")[0])
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        trusted = self.config.lab.trust_forwarded
        return any(address in ip_network(str(network)) for network in trusted)

    @property
    def origin(self) -> str:
        """Whoever asks, or on whose behalf a trusted proxy does."""
        said = self.header("x-forwarded-for") if b"orwarded-" in self.raw.lower() else None
        return said if said is not None and self.trusted else self.caller.client

    @property
    def root(self) -> str:
        """Scheme and authority under which this daemon was asked."""
        scheme = "https" if self.caller.secure else "http"
        if b"orwarded-" in self.raw.lower() and self.trusted:
            said = self.header("x-forwarded-proto") or self.header("x-forwarded-protocol")
            if said in ("http", "https"):
                scheme = said
            elif said is None and self.header("x-forwarded-ssl") == "on":
                scheme = "https"
        host = self.caller.authority or self.header("host") or "localhost"
        return f"{scheme}://{host}"

    def said(self, name: str) -> str | None:
        """What the client said of a parameter: in the path, the query, or an X-Netd- header."""
        if name in self.parameters:
            return self.parameters[name]
        for key, value in self.args:
            if key.lower() == name:
                return value
        if self.route.composable:
            return self.header(f"x-netd-{name.replace('_', '-')}")
        return None

    def all_said(self, name: str) -> list[str]:
        """The same of a parameter that repeats."""
        found = [value for key, value in self.args if key.lower() == name]
        if self.route.composable:
            header = f"x-netd-{name.replace('_', '-')}"
            found += [value for key, value in self.headers if key.lower() == header]
        return found

    def value(self, name: str) -> Any:
        """
        A parameter of the route as its value, its default when nothing was said.

        None where there is no default either.  BadCall when it is none of its
        kind, beyond its limits, required and missing, or longer than --max-delay.
        """
        parameter = self.route.parameter(name)
        text = self.said(name)
        if text is None:
            text = parameter.default
        if text is None:
            if parameter.required:
                raise BadCall(f"{name} is missing")
            return None
        try:
            value = parameter.parse(text)
        except ValueError as wrong:
            raise BadCall(f"{name}: {wrong}") from None
        longest = self.config.limits.max_delay
        if parameter.kind == "duration" and value > longest:
            if not parameter.clamps:
                raise BadCall(f"{name}: longer than {Duration.of(longest)}")
            return longest
        return value

    def chance(self) -> Random:
        """Where chance comes from: the `seed` that was asked for, or the daemon's own."""
        if self._chance is None:
            seed = self.value("seed")
            # Chance that is no secret: delays, weights, faults, noise.
            self._chance = self.bench.random if seed is None else Random(seed)  # noqa: S311
        return self._chance


_LONE: Final = re.compile("[\udc80-\udcff]+")


def _percent(error: UnicodeError) -> tuple[str, int]:
    """What is no UTF-8, percent-encoded again: all that is left at once, to stay linear."""
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - for the type checker
    rest = error.object[error.start :].decode("utf-8", "surrogateescape")
    return _LONE.sub(_hex, rest), len(error.object)


def _hex(found: re.Match[str]) -> str:
    return "%" + found[0].encode("utf-8", "surrogateescape").hex("%").upper()


codecs.register_error("netd.percent", _percent)


def pairs(query: str, most: int | None = None) -> list[tuple[str, str]]:
    """
    Names and values of a query or form, percent-decoded, empty values kept.

    What is no UTF-8 stays percent-encoded, as with httpbin.  ValueError when
    there are more than `most`.
    """
    return parse_qsl(query, True, errors="netd.percent", max_num_fields=most)
