"""
Everything that can be asked of the daemon, checked and frozen.

Rules: pure.  Options make these, rooms take the group that is theirs; nobody
passes option texts or dicts any further.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from netd.values import Duration, Size, Where


@frozen
class Limits:
    """What a client may ask of the HTTP front; each is a flag of the same name, 0 = off."""

    max_delay: Duration
    """The longest wait that a URL may ask for."""
    max_body: Size
    """The largest request body."""
    max_head: Size = Size(16 * 1024)
    """The largest request head, and the largest trailer section."""
    max_target: Size = Size(8 * 1024)
    """The longest request target."""
    max_fields: int = 100
    """The most header fields in one request."""
    max_requests: int = 1000
    """The most requests on one connection; off on loopback."""
    head_time: Duration = Duration(10_000_000)
    """From the first byte of a request head to its last."""
    body_time: Duration = Duration(20_000_000)
    """What a request body may take before its size is looked at."""
    body_rate: Size = Size(1024)
    """A second more for each so many bytes of the body that came."""
    body_time_most: Duration = Duration(300_000_000)
    """What no request body may take, however large."""
    body_memory: Size = Size(64 * 1024)
    """How much of a request body is held in memory; the rest goes into a temporary file."""
    spool: Size = Size(1024**3)
    """All request bodies that are held at one time, in memory and in files."""
    stall: Duration = Duration(30_000_000)
    """How long an answer may make no progress."""
    idle: Duration = Duration(60_000_000)
    """How long a connection may wait for its next request."""
    handshake: Duration = Duration(10_000_000)
    """How long a TLS handshake may take."""
    connections: int = 0
    """Connections in all."""
    client_connections: int = 512
    """Connections of one client network, an IPv4 address or an IPv6 /64; off on loopback."""
    waiting: int = 20_000
    """Answers waited for in all."""
    client_waiting: int = 1000
    """Answers waited for by one client network; off on loopback."""


@frozen
class TLS:
    """Where HTTPS listens and who it says it is."""

    listen: tuple[Where, ...]
    certificate: Path | None
    """PEM file, leaf first, then the chain."""
    private_key: Path | None
    """PEM file; None when it stands in the certificate's file."""


@frozen
class HTTP:
    """The web site: delay-echo, lab, files and XML-RPC on one port."""

    listen: tuple[Where, ...]
    delay: Duration
    """What `/` waits when nothing else is asked."""
    limits: Limits


@frozen
class Files:
    """The static tree."""

    root: Path | None
    """None serves the sample tree that the package brings."""


@frozen
class UDP:
    """The datagram echo."""

    listen: Where | None
    """None: off."""


@frozen
class Settings:
    """One daemon, whole."""

    http: HTTP
    tls: TLS
    files: Files
    udp: UDP
    grace: Duration
    """How long a stop waits for answers in flight."""
