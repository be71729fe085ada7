"""
Everything that can be asked of the daemon, checked and frozen.

Rules: pure.  Options make these, rooms take the group that is theirs; nobody
passes option texts or dicts any further.
"""

from __future__ import annotations

from pathlib import Path
from sys import maxsize
from typing import Final, Literal, TypeAlias

from attrs import field, frozen

from netd.addresses import Network
from netd.distribution import Distribution
from netd.values import Duration, Endpoint

Seconds: TypeAlias = float
Bytes: TypeAlias = int


@frozen
class Limits:
    """
    What a client may ask of the HTTP server; each is an option of the same name.

    Times are in seconds, sizes in bytes.  A limit that is off is infinite (`inf`
    or `sys.maxsize`), so that a comparison need not ask whether the limit is on.
    """

    max_delay: Seconds = 60.0
    """The longest wait that a URL may ask for."""
    max_body: Bytes = 10 * 1024 * 1024
    """The largest request body."""
    max_head: Bytes = 16 * 1024
    """The largest request head, and the largest trailer section."""
    max_target: Bytes = 8 * 1024
    """The longest request target."""
    max_fields: int = 100
    """Header fields in one request."""
    max_requests: int = 1000
    """Requests on one connection; off on loopback."""
    head_time: Seconds = 10.0
    """From the first byte of a request head to its last."""
    body_time: Seconds = 20.0
    """For a request body, before its size is looked at."""
    body_rate: Bytes = 1024
    """A second more for every so many bytes of the body that arrived."""
    body_time_most: Seconds = 300.0
    """For any request body, however large."""
    body_memory: Bytes = 64 * 1024
    """How much of a request body stays in memory; the rest goes into a temporary file."""
    spool: Bytes = 1024**3
    """All request bodies that are held at one time, in memory and in files."""
    stall: Seconds = 30.0
    """How long a response may make no progress."""
    idle: Seconds = 60.0
    """How long a connection may wait for its next request."""
    handshake: Seconds = 10.0
    """How long a TLS handshake may take."""
    connections: int = maxsize
    """Connections in all; off: as many as the file descriptors allow."""
    client_connections: int = 512
    """Connections of one client network, an IPv4 address or an IPv6 /64; off on loopback."""
    waiting: int = 20_000
    """Responses that wait, in all."""
    client_waiting: int = 1000
    """Responses that wait for one client network; off on loopback."""

    def body_seconds(self, received: int) -> float:
        """The time that a request body may have taken when `received` bytes have arrived."""
        return min(self.body_time + received / self.body_rate, self.body_time_most)


@frozen
class TLS:
    """Where HTTPS listens and who it says it is."""

    listen: tuple[Endpoint, ...]
    certificate: Path | None
    """PEM file, leaf first, then the chain."""
    private_key: Path | None
    """PEM file; None when it stands in the certificate's file."""
    directory: Path | None = None
    """More of them, by server name; `default` stands in for `certificate`."""
    client_ca: Path | None = None
    """PEM file of the authorities whose certificates clients must show; None: nobody must."""
    client_ca_optional: bool = False
    """Whether a client may come without one."""


@frozen
class Lab:
    """What the lab may show and whom it believes."""

    seed: int | None = None
    """Of everything that is left to chance; None: never the same twice."""
    unsafe_responses: bool = False
    """Whether a client may have its bytes back as a type that browsers run."""
    redirect_allow: tuple[str, ...] = ()
    """Hosts, beside the one that was asked, to which /redirect-to may lead."""
    trust_forwarded: tuple[Network, ...] = (
        Network.parse("127.0.0.0/8"),
        Network.parse("::1"),
    )
    """Who may say in X-Forwarded-* on whose behalf they ask."""
    exclude_headers: tuple[str, ...] = ()
    """Request headers that no answer shows, with `*` for any characters."""
    hostname: str | None = None
    """What /hostname says; None: nothing."""
    version: str | None = None
    """What /version says; None: nothing."""


@frozen
class HTTP:
    """The web site: delay-echo, lab, files and XML-RPC on one port."""

    listen: tuple[Endpoint, ...]
    delay: Duration | Distribution
    """What `/` waits when nothing else is asked."""
    limits: Limits
    lab: Lab = field(default=Lab())
    access_log: str | None = None
    """A file's path, `-` for standard output, None for no log."""
    fast_dispatch: bool = True
    """Whether the epoll reactor is spared a log context for each event."""


Symlinks: TypeAlias = Literal["inside", "all", "none"]
"""Which symbolic links are followed: those that stay below the root, all, or none."""


@frozen
class Files:
    """The static tree."""

    root: Path | None
    """None serves the sample tree that the package brings."""
    listen: tuple[Endpoint, ...] = ()
    """Further HTTP endpoints, whose / is the tree."""
    symlinks: Symlinks = "inside"
    cache: tuple[tuple[str, str], ...] = ()
    """Cache-Control by glob; the first that fits counts, `no-cache` where none does."""
    headers: tuple[tuple[str, str], ...] = ()
    """Header fields of every answer with a file."""
    cors: str | None = None
    """The origin whose scripts may read the tree; `*` is every one."""
    spa: str | None = None
    """The page in the tree that answers where a browser asks for what is not there."""
    missing: str | None = None
    """The page in the tree that goes with a 404."""
    faults: bool = False
    """Whether a query may delay, slow down or cut an answer."""
    sendfile: bool = True
    """Whether the kernel may send files by itself, where it can."""


@frozen
class Impairment:
    """What happens to the datagrams that netd sends; shares are from 0 to 1."""

    delay: Duration | Distribution = field(default=Duration(0))
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    """Later than those that come after them."""
    corrupt: float = 0.0
    """One bit is wrong."""
    seed: int | None = None
    """Of everything that is left to chance; None: never the same twice."""


@frozen
class UDP:
    """The datagram echo, and what all datagram services share."""

    listen: Endpoint | None
    """None: off."""
    impairment: Impairment = field(default=Impairment())
    any_source: bool = False
    """Whether privileged and often misused source ports elsewhere are answered too."""
    rate: int = 10_000
    """Datagrams a second that one source is answered; 0 = any number."""


SERVICES: Final = {
    "echo": ("tcp", "udp"),
    "discard": ("tcp", "udp"),
    "chargen": ("tcp",),
    "qotd": ("tcp", "udp"),
    "daytime": ("tcp", "udp"),
    "time": ("tcp", "udp"),
    "stamp": ("udp",),
    "sockperf": ("udp",),
}
"""The small services by name, and over what; chargen over UDP would be a weapon."""


@frozen
class Service:
    """One of the small services, and where it listens."""

    name: str
    listen: Endpoint


@frozen
class Access:
    """Who may speak with any of it."""

    allow: tuple[Network, ...] = ()
    """None: everybody who is not denied."""
    deny: tuple[Network, ...] = ()
    proxy_from: tuple[Network, ...] = ()
    """Proxies, which begin with a PROXY header; none: that header is nothing special."""
    connect_rate: int = 0
    """Connections a second from one client network, off on loopback; 0 = any number."""


@frozen
class RPC:
    """XML-RPC at /RPC2, beyond the methods that netd always has."""

    listen: tuple[Endpoint, ...] = ()
    """Further HTTP endpoints, where / and /RPC2 take calls and nothing else is."""
    publish: tuple[str, ...] = ()
    """The operator's own functions, each `[prefix=]module:object`."""
    suites: bool = True
    """Whether the methods of validator1 and interopEchoTests are there."""
    workers: int = 2
    """Processes that offloaded calls may run in at one time."""
    cors: tuple[str, ...] = ()
    """Origins whose scripts may call; `*` is every one."""


LogForm: TypeAlias = Literal["auto", "text", "json", "journal"]
"""How lines of the log look; auto: journal where the journal reads stderr, else text."""


@frozen
class Watch:
    """What the operator's tools see."""

    listen: tuple[Endpoint, ...] = ()
    """Where /metrics, /healthz and /readyz are, and then only there; none: on the web site."""
    log: LogForm = "auto"


@frozen
class Settings:
    """One daemon, whole."""

    http: HTTP
    tls: TLS
    files: Files
    udp: UDP
    grace: Duration
    """How long a stop waits for answers in flight."""
    services: tuple[Service, ...] = ()
    service_idle: Duration = field(default=Duration(300_000_000))
    """How long nothing may move on a connection of a small service; 0 = for ever."""
    access: Access = field(default=Access())
    rpc: RPC = field(default=RPC())
    watch: Watch = field(default=Watch())
