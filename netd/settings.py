"""
The one table of settings, as frozen groups: each field is a row of the table.

Rules: pure; a new option is one row here, and its use.  Flags, environment
variables, TOML keys, defaults, help, reference, completions and what a reload
changes all come from the rows.  `options` makes `Settings`, rooms take the group
that is theirs; no option texts or dicts are passed any further.
"""

# ruff: noqa: RUF009 - the calls make fields

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias

from attrs import field, fields, frozen

from netd import setting_types as types
from netd.addresses import Network
from netd.queue_url import QueueURL
from netd.setting_types import Group, Option, limit, option, optional, repeatable, setting
from netd.values import Distribution, Duration, Endpoint

Seconds: TypeAlias = float
Bytes: TypeAlias = int

# A row has its name, type, default and group on one line, and its help on the next.
# fmt: off


@frozen
class Limits:
    """
    What a client may ask of the HTTP server; each is the option of the same name.

    Times are in seconds, sizes in bytes.  A limit that is off is infinite (`inf`
    or `sys.maxsize`), so that a comparison need not ask whether the limit is on.
    """

    max_delay: Seconds = limit(types.SECONDS, "60s", "Longest wait that a URL may ask for")
    max_body: Bytes = limit(types.BYTES, "10MiB", "Largest request body", common=True)
    max_head: Bytes = limit(types.BYTES, "16KiB", "Largest request head or trailer section")
    max_target: Bytes = limit(types.BYTES, "8KiB", "Longest request target")
    max_fields: int = limit(types.COUNT, "100", "Header fields in one request")
    max_requests: int = limit(types.COUNT, "1000",
        "Requests on one connection, except on loopback")
    head_time: Seconds = limit(types.SECONDS, "10s",
        "Time for a request head, from its first byte")
    body_time: Seconds = limit(types.SECONDS, "20s",
        "Time for a request body before its size counts")
    body_rate: Bytes = option("body-rate", types.BYTES, "1KiB", Group.LIMITS,
        "Bytes of a request body that extend its time by a second; 0 is none.")
    body_time_most: Seconds = limit(types.SECONDS, "5m", "Time for any request body")
    body_memory: Bytes = limit(types.BYTES, "64KiB",
        "Part of a request body that is in memory and not in a file")
    spool: Bytes = limit(types.BYTES, "1GiB",
        "All request bodies at one time, in memory and in files")
    unsent: Bytes = limit(types.BYTES, "256MiB",
        "All that clients have not taken of their responses; beyond it the slowest are cut")
    stall: Seconds = limit(types.SECONDS, "30s", "Time that a response may make no progress")
    idle: Seconds = limit(types.SECONDS, "1m",
        "Time that a connection may wait for its next request")
    handshake: Seconds = limit(types.SECONDS, "10s", "Time for a TLS handshake")
    connections: int = option("connections", types.COUNT, "0", Group.LIMITS,
        "HTTP connections in all; 0 is as many as the file descriptors allow.")
    client_connections: int = limit(types.COUNT, "512",
        "HTTP connections of one client (IPv4 address or IPv6 /64), except on loopback")
    waiting: int = limit(types.COUNT, "20000", "Responses that wait at one time, in all")
    client_waiting: int = limit(types.COUNT, "1000",
        "Responses that wait for one client, except on loopback")

    def body_seconds(self, received: int) -> float:
        """The time that a request body may have taken when `received` bytes have arrived."""
        return min(self.body_time + received / self.body_rate, self.body_time_most)


_REVEAL: Final = Option("reveal", types.choice("hostname", "version"), "", Group.SERVE,
    "Let /hostname show the host name, or /version the version of netd.", repeatable=True)


@frozen
class Lab:
    """What the lab may show and whom it believes."""

    seed: int | None = optional("seed", types.NUMBER, Group.FAULTS,
        "Seed of all random choices over HTTP; the same seed repeats them.")
    unsafe_responses: bool = option("unsafe-responses", types.SWITCH, "no", Group.SERVE,
        "Let clients set any content type and any field that browsers act on.")
    httpbin_exact: bool = option("httpbin-exact", types.SWITCH, "no", Group.SERVE,
        "Do as httpbin where netd is safer; for listeners on loopback only.", restart=True)
    redirect_allow: tuple[str, ...] = repeatable("redirect-allow", types.PATTERN, Group.SERVE,
        "Foreign host that /redirect-to may lead to; * stands for any characters.")
    trust_forwarded: tuple[Network, ...] = repeatable("trust-forwarded", types.NETWORK,
        Group.CLIENTS, "Network whose X-Forwarded-* is believed.", default="127.0.0.0/8 ::1")
    exclude_headers: tuple[str, ...] = repeatable("exclude-header", types.PATTERN, Group.SERVE,
        "Request header that no response shows, such as x-internal-*.")
    hostname: str | None = setting(None, _REVEAL)
    """What /hostname shows; None: nothing."""
    version: str | None = setting(None, _REVEAL)
    """What /version shows; None: nothing."""


@frozen
class HTTP:
    """The web site: delay-echo, lab, files and XML-RPC on one port."""

    listen: tuple[Endpoint, ...] = setting((),
        Option("port", types.PORT, "8000", Group.LISTEN,
            "TCP and UDP port; 0 lets the kernel choose.", common=True, restart=True,
            short="p"),
        Option("bind", types.HOST, "127.0.0.1", Group.LISTEN,
            "Host of --port and of endpoints that name no host.", common=True, restart=True),
        Option("http", types.ENDPOINT, "", Group.LISTEN,
            "Further HTTP endpoint, such as 8080 or tcp:8080.", restart=True, repeatable=True))
    delay: Duration | Distribution = option("delay", types.DELAY, "3s", Group.FAULTS,
        "Time before / responds; uniform:1s-3s draws it anew each time.", common=True)
    limits: Limits = field(default=Limits())
    lab: Lab = field(default=Lab())
    access_log: str | None = option("access-log", types.LOG_FILE, "-", Group.OPERATIONS,
        "File with a line per HTTP response; - is stdout, off none.", common=True, restart=True)
    access_log_duration: bool = option("access-log-duration", types.SWITCH, "no",
        Group.OPERATIONS, "End lines of the text access log with the seconds of the response.",
        restart=True)
    console: bool = option("console", types.SWITCH, "yes", Group.SERVE,
        "Serve the console at /console and /help; without it /help is a list.", restart=True)
    console_hosts: tuple[str, ...] = repeatable("console-host", types.HOST, Group.CLIENTS,
        "Name, beside IP addresses and localhost, by which the console may watch; * is any.")
    console_watchers: int = option("console-watchers", types.number(0, 10_000), "64",
        Group.LIMITS, "Pages that watch at one time; 0 is none.")
    console_requests: bool = option("console-requests", types.SWITCH, "no", Group.SERVE,
        "Let whoever has the token in the log watch all requests in the console.", restart=True)
    fast_dispatch: bool = option("fast-dispatch", types.SWITCH, "yes", Group.OPERATIONS,
        "On epoll, skip log contexts of events and write responses together.", restart=True)
    hosts: tuple[str, ...] = repeatable("host", types.HOST, Group.CLIENTS,
        "Name that /files/, /RPC2 and /metrics of a loopback listener also take; * is any.")


TEMPORARY: Final = Path("temporary")
"""The value of --certificate for a certificate that is made at start."""


@frozen
class TLS:
    """Where HTTPS listens, and the certificates it shows and wants."""

    listen: tuple[Endpoint, ...] = repeatable("https", types.ENDPOINT, Group.LISTEN,
        "HTTPS endpoint, such as 8443; it needs --certificate.", common=True, restart=True)
    certificate: Path | None = optional("certificate", types.FILE, Group.TLS,
        "PEM file of the certificate and its chain, leaf first; or temporary.", common=True)
    private_key: Path | None = optional("private-key", types.FILE, Group.TLS,
        "PEM file of the private key; by default the certificate's file.", common=True)
    directory: Path | None = optional("certificate-dir", types.DIRECTORY, Group.TLS,
        "Directory of certificates by server name, each in NAME.pem.")
    client_ca: Path | None = optional("client-ca", types.FILE, Group.TLS,
        "PEM file of authorities; clients must show a certificate of theirs.")
    client_ca_optional: bool = option("client-ca-optional", types.SWITCH, "no", Group.TLS,
        "Also admit clients that show no certificate.")
    tickets: bool = option("tls-tickets", types.SWITCH, "yes", Group.TLS,
        "Let clients resume TLS sessions by tickets, unless --client-ca is given.")


Symlinks: TypeAlias = Literal["inside", "all", "none"]
"""Which symbolic links are followed: those that stay below the root, all, or none."""


@frozen
class Files:
    """The static tree."""

    root: Path | None = optional("files", types.DIRECTORY, Group.SERVE,
        "Directory served at /files/; without it a sample tree is served.", common=True)
    listen: tuple[Endpoint, ...] = repeatable("files-http", types.ENDPOINT, Group.LISTEN,
        "HTTP endpoint whose / is the file tree.", restart=True)
    symlinks: Symlinks = option("files-symlinks", types.choice("inside", "all", "none"),
        "inside", Group.SERVE, "Links to follow: those that stay inside the tree, all or none.")
    cache: tuple[tuple[str, str], ...] = repeatable("files-cache", types.CACHE, Group.SERVE,
        "Cache-Control of files that match GLOB (first counts), else no-cache.", spaces=True)
    headers: tuple[tuple[str, str], ...] = repeatable("files-header", types.HEADER, Group.SERVE,
        "Header field of every response with a file.", spaces=True)
    cors: str | None = optional("files-cors", types.ORIGIN, Group.CLIENTS,
        "Origin whose scripts may read the files; * is every origin.")
    spa: str | None = optional("files-spa", types.PAGE, Group.SERVE,
        "File of the tree to send to browsers for pages that do not exist.")
    missing: str | None = optional("files-404", types.PAGE, Group.SERVE,
        "File of the tree to send with 404 responses.")
    faults: bool = option("files-faults", types.SWITCH, "no", Group.FAULTS,
        "Let ?netd.delay=, ?netd.rate= and ?netd.truncate= spoil responses with files.")
    sendfile: bool = option("files-sendfile", types.SWITCH, "yes", Group.OPERATIONS,
        "Let the kernel send files by itself where it can.")


@frozen
class Impairment:
    """What happens to the datagrams that netd sends; shares are from 0 to 1."""

    delay: Duration | Distribution = option("udp-delay", types.DELAY, "0s", Group.FAULTS,
        "Time before each UDP response; uniform:1s-3s draws it anew each time.", restart=True)
    loss: float = option("udp-loss", types.SHARE, "0", Group.FAULTS,
        "Share of UDP responses that are lost: 0.05 or 5%.", common=True, restart=True)
    duplicate: float = option("udp-duplicate", types.SHARE, "0", Group.FAULTS,
        "Share of UDP responses that are sent twice: 0.05 or 5%.", restart=True)
    reorder: float = option("udp-reorder", types.SHARE, "0", Group.FAULTS,
        "Share of UDP responses that later ones overtake: 0.05 or 5%.", restart=True)
    corrupt: float = option("udp-corrupt", types.SHARE, "0", Group.FAULTS,
        "Share of UDP responses with one wrong bit: 0.05 or 5%.", restart=True)
    seed: int | None = optional("udp-seed", types.NUMBER, Group.FAULTS,
        "Seed of all random choices over UDP; the same seed repeats them.", restart=True)


@frozen
class UDP:
    """The datagram echo, and what all datagram services share."""

    listen: Endpoint | None = setting(None,
        Option("udp", types.UDP_ENDPOINT, "", Group.LISTEN,
            "UDP port or endpoint of the echo; 0 is none; by default as --port.", restart=True))
    impairment: Impairment = field(default=Impairment())
    any_source: bool = option("udp-any-source", types.SWITCH, "no", Group.CLIENTS,
        "Also respond to privileged and often forged UDP source ports.", restart=True)
    rate: int = option("udp-rate", types.NUMBER, "10000", Group.LIMITS,
        "Datagrams per second to which one source gets responses; 0 is no limit.", restart=True)


SERVICES: Final = {
    "echo": ("tcp", "udp"), "discard": ("tcp", "udp"), "chargen": ("tcp",),
    "qotd": ("tcp", "udp"), "daytime": ("tcp", "udp"), "time": ("tcp", "udp"),
    "stamp": ("udp",), "sockperf": ("udp",), "tls-stall": ("tcp",), "blackhole": ("tcp",),
}
"""The small services and their transports; chargen over UDP would amplify attacks."""


@frozen
class Service:
    """One of the small services, and where it listens."""

    name: str
    listen: Endpoint

    @classmethod
    def parse(cls, text: str, default_host: str = "127.0.0.1") -> Self:
        """The service that `NAME=ENDPOINT` says; the endpoint names its transport."""
        name, _, endpoint = text.partition("=")
        kind = "udp" if endpoint.startswith("udp") else "tcp"
        if name not in SERVICES:
            raise ValueError(f"not one of {', '.join(SERVICES)} before =ENDPOINT")
        if endpoint.isdigit():
            raise ValueError(f"not {name}=tcp:PORT or {name}=udp:PORT")
        listen = Endpoint.parse(endpoint, kind, default_host)
        if kind not in SERVICES[name]:
            offered = " and ".join(SERVICES[name])
            raise ValueError(f"not offered over {kind}; {name} is offered over {offered}")
        if name == "blackhole" and listen.kind == "unix":
            raise ValueError("not offered over unix; blackhole is offered over tcp")
        return cls(name, listen)


SERVICE: Final = types.ValueType("NAME=ENDPOINT", Service.parse)


@frozen
class Access:
    """Which clients may connect, to every listener."""

    allow: tuple[Network, ...] = repeatable("allow", types.NETWORKS, Group.CLIENTS,
        "Network that may connect, or file of networks; by default every network.", common=True)
    deny: tuple[Network, ...] = repeatable("deny", types.NETWORKS, Group.CLIENTS,
        "Network that may not connect, or file of networks.")
    proxy_from: tuple[Network, ...] = repeatable("proxy-from", types.NETWORKS, Group.CLIENTS,
        "Network of proxies that send PROXY headers, or file of networks.")
    connect_rate: int = option("connect-rate", types.NUMBER, "0", Group.LIMITS,
        "Connections per second from one client, except on loopback; 0 is no limit.")


@frozen
class RPC:
    """XML-RPC at /RPC2, beyond the methods that netd always has."""

    listen: tuple[Endpoint, ...] = repeatable("rpc-http", types.ENDPOINT, Group.LISTEN,
        "HTTP endpoint whose / and /RPC2 take XML-RPC calls and nothing else.", restart=True)
    publish: tuple[str, ...] = repeatable("rpc", types.OBJECT, Group.SERVE,
        "Python function, or object with functions, that XML-RPC clients may call.")
    suites: bool = option("rpc-interop", types.SWITCH, "yes", Group.SERVE,
        "Offer the XML-RPC methods of validator1 and interopEchoTests.")
    workers: int = option("rpc-workers", types.number(1, 64), "2", Group.LIMITS,
        "Processes that offloaded XML-RPC calls run in, 1 to 64.", restart=True)
    backlog: int = option("rpc-backlog", types.number(1, 100_000), "64", Group.LIMITS,
        "Offloaded XML-RPC calls that may wait for a worker.", restart=True)
    queue: QueueURL | None = optional("rpc-queue", types.QUEUE, Group.OPERATIONS,
        "Redis through which Celery workers get the offloaded XML-RPC calls.", restart=True)
    broker: QueueURL | None = optional("rpc-broker", types.BROKER, Group.OPERATIONS,
        "RabbitMQ for the messages of --rpc-queue, which keeps the results.", restart=True)
    cors: tuple[str, ...] = repeatable("rpc-cors", types.ORIGIN, Group.CLIENTS,
        "Origin whose scripts may call XML-RPC methods; * is every origin.")


LogForm: TypeAlias = Literal["auto", "text", "json", "journal"]
"""How lines of the log look; auto: journal where the journal reads stderr, else text."""


@frozen
class Monitoring:
    """What the operator's tools see."""

    listen: tuple[Endpoint, ...] = setting((),
        Option("metrics-http", types.ENDPOINT, "", Group.LISTEN,
            "HTTP endpoint that alone has /metrics, /healthz and /readyz.", restart=True))
    log: LogForm = option("log", types.choice("auto", "text", "json", "journal"),
        "auto", Group.OPERATIONS,
        "Form of log lines; auto is journal where the journal reads, else text.", restart=True)


@frozen
class Workers:
    """The processes that serve the same sockets."""

    count: int = option("workers", types.WORKERS, "1", Group.OPERATIONS,
        "Processes that serve all listeners together; auto is one for each CPU.",
        common=True, restart=True)
    """0: as many as there are CPUs."""
    timeout: Duration = option("worker-timeout", types.DURATION, "30s", Group.OPERATIONS,
        "Time after which a worker that stands still is replaced; 0 is never.", restart=True)


@frozen
class Starter:
    """What the process that started the daemon learns of it, and how long both live."""

    announce: Path | None = optional("announce", types.FILE, Group.OPERATIONS,
        "File for a line with all addresses once they are bound; - is stdout.", restart=True)
    until_eof: bool = option("until-eof", types.SWITCH, "no", Group.OPERATIONS,
        "Stop when standard input ends, as when the process that holds it dies.", restart=True)


@frozen
class Settings:
    """One daemon, whole."""

    http: HTTP = field(default=HTTP())
    tls: TLS = field(default=TLS())
    files: Files = field(default=Files())
    udp: UDP = field(default=UDP())
    services: tuple[Service, ...] = repeatable("service", SERVICE, Group.SERVE,
        f"Service such as echo=tcp:7: {', '.join(SERVICES)}.",
        common=True, restart=True)
    service_idle: Duration = option("service-idle", types.DURATION, "5m", Group.LIMITS,
        "Time that a connection to a small service may be silent; 0 is no limit.", restart=True)
    access: Access = field(default=Access())
    rpc: RPC = field(default=RPC())
    monitoring: Monitoring = field(default=Monitoring())
    workers: Workers = field(default=Workers())
    starter: Starter = field(default=Starter())
    grace: Duration = option("grace", types.DURATION, "10s", Group.OPERATIONS,
        "Time that a stop waits for responses in flight.")
    drain: Duration = option("drain", types.DURATION, "0s", Group.OPERATIONS,
        "Time that a stop keeps listening, with a 503 at /readyz, before the grace.")

# fmt: on


def _rows(group: Any, prefix: str = "") -> Iterator[tuple[str, tuple[Option, ...]]]:
    for attribute in fields(type(group)):
        path = prefix + attribute.name
        if options := types.options_of(attribute):
            yield path, options
        else:
            yield from _rows(getattr(group, attribute.name), f"{path}.")


TABLE: Final = dict(_rows(Settings()))
"""The options that give each field its value, by the field's path: `http.limits.max_body`."""
OPTIONS: Final = tuple(dict.fromkeys(row for options in TABLE.values() for row in options))
"""Every option that is a setting, once."""
BY_NAME: Final = {option.name: option for option in OPTIONS}
