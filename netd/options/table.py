"""
Every option, on one page.

Rules: pure; a new option is one line here.  Its name is the flag, `NETD_` and
its capitals the environment variable, and the name itself the TOML key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from attrs import fields, frozen

from netd import settings
from netd.addresses import Network
from netd.distribution import delay
from netd.options.parsers import (
    cache,
    count,
    header,
    limit_count,
    limit_size,
    limit_time,
    log_form,
    origin,
    page,
    path,
    pattern,
    revealed,
    symlinks,
    workers,
)
from netd.values import Duration, host, port, share, switch

PREFIX: Final = "NETD_"


@frozen
class Option:
    """One thing the operator may say."""

    name: str
    parse: Callable[[str], Any]
    default: str | None
    help: str
    repeatable: bool = False
    spaces: bool = False
    """Whether a text may hold spaces, which separate those of a repeatable one otherwise."""

    @property
    def doc(self) -> str:
        """The help with the default in it."""
        return self.help if self.default is None else f"{self.help} [default: {self.default}]"

    @property
    def variable(self) -> str:
        """The environment variable of the same meaning."""
        return PREFIX + self.name.upper().replace("-", "_")

    def split(self, variable: str) -> tuple[str, ...]:
        """The texts that the variable's value holds; none when it is empty."""
        if not self.repeatable:
            return (variable,) if variable else ()
        pieces = variable.split("\n") if self.spaces else variable.split()
        return tuple(piece.strip() for piece in pieces if piece.strip())


# For each of settings.Limits, what it limits; 0 turns it off unless said otherwise.
_LIMITS: Final = {
    "max_delay": ("60s", "longest wait that a URL may ask for"),
    "max_body": ("10MiB", "largest request body"),
    "max_head": ("16KiB", "largest request head"),
    "max_target": ("8KiB", "longest request target"),
    "max_fields": ("100", "header fields in one request"),
    "max_requests": ("1000", "requests on one connection, not on loopback"),
    "head_time": ("10s", "time for a request head, from its first byte"),
    "body_time": ("20s", "time for a request body, before its size counts"),
    "body_rate": ("1KiB", "bytes of a body for which it gets a second more"),
    "body_time_most": ("5m", "time for any request body"),
    "body_memory": ("64KiB", "of a request body in memory, the rest is in a file"),
    "spool": ("1GiB", "all request bodies held at one time"),
    "stall": ("30s", "time that an answer may make no progress"),
    "idle": ("1m", "time that a connection waits for its next request"),
    "handshake": ("10s", "time for a TLS handshake"),
    "connections": ("0", "HTTP connections in all, 0 is what the descriptors allow"),
    "client_connections": ("512", "HTTP connections of one client, not on loopback"),
    "waiting": ("20000", "answers waited for in all"),
    "client_waiting": ("1000", "answers waited for by one client, not on loopback"),
}


def _limits() -> Iterator[Option]:
    """An option for each field of settings.Limits, parsed as its type says."""
    parsers = {"Seconds": limit_time, "Bytes": limit_size, "int": limit_count}
    for field in fields(settings.Limits):
        default, what = _LIMITS[field.name]
        yield Option(field.name.replace("_", "-"), parsers[str(field.type)], default, what)


OPTIONS: Final = (
    Option("port", port, "8000", "TCP and UDP port of everything; 0 lets the kernel choose"),
    Option("bind", host, "127.0.0.1", "address or host name that --port and bare ports use"),
    Option("delay", delay, "3s", "what / waits before it answers, or uniform:1s-3s and such"),
    Option("files", path, None, "directory served at /files/ [default: a sample tree]"),
    Option("files-http", str, None, "an HTTP endpoint whose / is the files", repeatable=True),
    Option("files-symlinks", symlinks, "inside", "links followed: inside the tree, all, none"),
    Option(
        "files-cache",
        cache,
        None,
        "GLOB=VALUE: Cache-Control of these files [default: no-cache]",
        repeatable=True,
        spaces=True,
    ),
    Option(
        "files-header", header, None, "NAME:VALUE for every file", repeatable=True, spaces=True
    ),
    Option("files-cors", origin, None, "origin whose scripts may read the files, * is any"),
    Option("files-spa", page, None, "page of the tree for whatever is not there"),
    Option("files-404", page, None, "page of the tree that goes with a 404"),
    Option("files-faults", switch, "no", "let ?netd.delay=, rate= and truncate= spoil files"),
    Option("files-sendfile", switch, "yes", "let the kernel send files where it can"),
    Option("udp", str, None, "port or endpoint of the UDP echo, 0 is off [default: --port]"),
    Option("http", str, None, "a further HTTP endpoint, such as tcp:8080", repeatable=True),
    Option("https", str, None, "an HTTPS port or endpoint", repeatable=True),
    Option("certificate", path, None, "PEM file of the HTTPS certificate and its chain"),
    Option("private-key", path, None, "PEM file of its key [default: the certificate's file]"),
    Option("certificate-dir", path, None, "directory of certificates by server name: NAME.pem"),
    Option("client-ca", path, None, "PEM file: clients must show a certificate from these"),
    Option("client-ca-optional", switch, "no", "let clients without a certificate in too"),
    Option("access-log", str, "-", "file of HTTP answers, - is standard output, off is none"),
    Option(
        "fast-dispatch",
        switch,
        "yes",
        "epoll: no context of each event, answers leave together",
    ),
    *_limits(),
    Option(
        "seed", count, None, "of what HTTP answers leave to chance; the same one repeats it"
    ),
    Option(
        "trust-forwarded",
        Network.parse,
        None,
        "a network whose X-Forwarded-* is believed [default: loopback]",
        repeatable=True,
    ),
    Option(
        "redirect-allow",
        pattern,
        None,
        "a host that /redirect-to may lead to",
        repeatable=True,
    ),
    Option(
        "exclude-header",
        pattern,
        None,
        "a request header that no answer shows, such as x-internal-*",
        repeatable=True,
    ),
    Option("reveal", revealed, None, "hostname or version: what may be told", repeatable=True),
    Option("unsafe-responses", switch, "no", "let clients choose types that browsers run"),
    Option("service", str, None, "a small service, such as echo=tcp:7", repeatable=True),
    Option(
        "service-idle", Duration.parse, "5m", "how long a TCP service waits for a byte to move"
    ),
    Option("allow", str, None, "a network that may speak, or @FILE of them", repeatable=True),
    Option("deny", str, None, "a network that may not, or @FILE of them", repeatable=True),
    Option("proxy-from", str, None, "proxies that send PROXY headers", repeatable=True),
    Option("connect-rate", count, "0", "connections a second from one client, 0 is any number"),
    Option("udp-delay", delay, "0s", "how long each UDP answer waits"),
    Option("udp-loss", share, "0", "share of UDP answers that are lost, 0.05 or 5%"),
    Option("udp-duplicate", share, "0", "share that is sent twice"),
    Option("udp-reorder", share, "0", "share that is overtaken by later ones"),
    Option("udp-corrupt", share, "0", "share with one bit wrong"),
    Option("udp-seed", count, None, "of these; the same one gives the same faults again"),
    Option("udp-any-source", switch, "no", "answer privileged and often forged ports too"),
    Option("udp-rate", count, "10000", "datagrams a second from one source, 0 is any number"),
    Option("rpc", str, None, "[PREFIX=]MODULE:OBJECT to publish", repeatable=True),
    Option("rpc-http", str, None, "an HTTP endpoint whose / takes calls", repeatable=True),
    Option("rpc-interop", switch, "yes", "have the methods of the interoperability suites"),
    Option("rpc-workers", workers, "2", "processes that offloaded calls may run in"),
    Option(
        "rpc-cors", origin, None, "an origin whose scripts may call, * is any", repeatable=True
    ),
    Option("log", log_form, "auto", "text, json, journal, or auto: journal where it listens"),
    Option("metrics-http", str, None, "where /metrics, /healthz, /readyz move to"),
    Option("grace", Duration.parse, "10s", "how long a stop waits for answers in flight"),
)
BY_NAME: Final = {option.name: option for option in OPTIONS}
