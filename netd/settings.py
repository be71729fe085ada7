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
    """What a client may ask of the HTTP front; each is a flag of the same name."""

    max_delay: Duration
    """The longest wait that a URL may ask for."""
    max_body: Size
    """The largest request body."""


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
