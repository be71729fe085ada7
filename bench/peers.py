"""The peers: one table of who is measured, how each is started and what it is asked.

Rules: builds command lines and writes configuration into the server's own folder; it starts
nothing (`bench/process.py` does). A variant is one more row of PEERS, for netd a label and the
options it adds:

    Peer("netd-quiet", partial(netd, ("--some-option", "value"))),
"""

import base64
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SERVERS = HERE / "servers"
LENGTH = 58
BACKLOG = 4096
_BODY = "x" * (LENGTH - 1) + "\n"


@dataclass(frozen=True)
class Place:
    """Where one server is to listen, and what it may use."""

    port: int  # the port that is measured, on 127.0.0.1
    spare: int  # a second free port, for a server that must have one
    tls: bool
    folder: Path  # this server's own
    python: Path  # the peers' interpreter
    certificate: Path
    key: Path
    go_httpbin: str = ""
    netd_args: tuple[str, ...] = ()


@dataclass(frozen=True)
class Start:
    """One command line, and what it needs around it."""

    argv: list[object]
    cwd: Path | None = None  # where it must run; None: in its own folder
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Peer:
    """One row of the tables."""

    label: str
    start: Callable[[Place], Start]
    path: str = "/"  # answers 58 bytes at once
    slow_path: str = "/delay/3s"  # answers after 3 s; empty: cannot
    venv: bool = False  # runs on the peers' interpreter
    suites: tuple[str, ...] = ("http", "c10k")  # where it runs unless --only says otherwise


def netd(extra: tuple[object, ...], place: Place) -> Start:
    """netd: its whole command line stands here; `extra` is a variant's own part of it."""
    argv: list[object] = [sys.executable, "-m", "netd", "--udp", 0, "--delay", "0s", *extra]
    if place.tls:
        argv += ["--port", place.spare, "--https", f"tcp:{place.port}:interface=127.0.0.1"]
        argv += ["--certificate", place.certificate, "--private-key", place.key]
    else:
        argv += ["--port", place.port]
    return Start([*argv, *place.netd_args], cwd=ROOT)


def endpoint(place: Place, backlog: int) -> str:
    """Twisted's description of the place; backlog 0 leaves Twisted's default of 50."""
    kind = f"ssl:privateKey={place.key}:certKey={place.certificate}" if place.tls else "tcp"
    text = f"{kind}:port={place.port}:interface=127.0.0.1"
    return f"{text}:backlog={backlog}" if backlog else text


def _stock(backlog: int, place: Place) -> Start:
    """twisted.web without an access log."""
    return Start([place.python, SERVERS / "stock.py", endpoint(place, backlog)])


def _stock_twistd(place: Place) -> Start:
    """twisted.web under twistd, logging every request as it does by itself."""
    argv = [place.python.with_name("twistd"), "--nodaemon", "--pidfile="]
    argv += ["--logfile", place.folder / "twistd.log", "web", "--class=stock.Answer"]
    path = ("PYTHONPATH", str(SERVERS))
    return Start([*argv, "--listen", endpoint(place, 0)], environment=(path,))


def _uvicorn(backlog: int, place: Place) -> Start:
    """uvicorn on httptools and uvloop, a raw ASGI application; backlog 0 leaves its 2048."""
    argv: list[object] = [place.python, "-m", "uvicorn", "asgi:app", "--app-dir", SERVERS]
    argv += ["--host", "127.0.0.1", "--port", place.port, "--http", "httptools"]
    argv += ["--loop", "uvloop", "--lifespan", "off", "--no-access-log"]
    argv += ["--log-level", "warning", *(["--backlog", backlog] if backlog else [])]
    if place.tls:
        argv += ["--ssl-certfile", place.certificate, "--ssl-keyfile", place.key]
    return Start(argv)


def aiohttp(script: str, arguments: tuple[object, ...], place: Place) -> Start:
    """aiohttp on asyncio's own loop; `script` is one of bench/servers, with its arguments."""
    pem = [place.certificate, place.key] if place.tls else []
    return Start([place.python, SERVERS / script, place.port, *arguments, *pem])


_NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 16384; }}
http {{
    access_log {log};
    sendfile on;
    # The default of 1000 requests a connection would measure reconnecting.
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type {kind};
    server {{
        listen 127.0.0.1:{port}{tls} backlog={backlog};
        {pem}
        {serves}
    }}
}}
"""


def nginx() -> str:
    """nginx's path, looked for in the system folders too; empty where it is not installed."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which("nginx", path=path) or ""


def nginx_serving(serves: str, kind: str, log: bool, place: Place) -> Start:
    """nginx with one worker and a configuration of our own; `serves` stands in its server."""
    pem = f"ssl_certificate {place.certificate}; ssl_certificate_key {place.key};"
    text = _NGINX.format(
        folder=place.folder,
        log=f"{place.folder}/access.log combined" if log else "off",
        port=place.port,
        tls=" ssl" if place.tls else "",
        backlog=BACKLOG,
        pem=pem if place.tls else "",
        # Whoever started the bench, for the tree may be nobody else's.
        user="" if os.geteuid() else "user root;",
        kind=kind,
        serves=serves,
    )
    config = place.folder / "nginx.conf"
    config.write_text(text)
    # -e: the log of the moments before the configuration is read, otherwise the system's.
    argv: list[object] = [nginx(), "-e", place.folder / "error.log", "-c", config]
    return Start([*argv, "-p", place.folder])


_SAYS = f'location / {{ return 200 "{_BODY}"; }}'.replace("\n", "\\n")
_nginx = partial(nginx_serving, _SAYS, "text/plain")


def _go_httpbin(place: Place) -> Start:
    """go-httpbin with one processor, logging every request as it does by itself."""
    argv: list[object] = [place.go_httpbin, "-host", "127.0.0.1", "-port", place.port]
    if place.tls:
        argv += ["-https-cert-file", place.certificate, "-https-key-file", place.key]
    return Start(argv, environment=(("GOMAXPROCS", "1"),))


def _httpbin(place: Place) -> Start:
    """psf/httpbin under gunicorn: one worker with threads, no access log."""
    argv: list[object] = [place.python, "-m", "gunicorn", "-k", "gthread", "--threads", "8"]
    return Start([*argv, "-b", f"127.0.0.1:{place.port}", "httpbin:app"])


# What gives the same bytes, of the same type but for httpbin's HTML.
_BASE64 = f"/base64/{base64.b64encode(_BODY.encode()).decode()}"

PEERS = (
    Peer("netd", partial(netd, ()), suites=("http", "idle", "lab")),
    # The delay-echo itself, which is what it waits at; at /echo it does not.
    Peer("netd-echo", partial(netd, ("--delay", "3s")), "/echo", "/", suites=("c10k",)),
    Peer("netd-delay", partial(netd, ()), suites=("c10k",)),
    Peer("stock", partial(_stock, 0), venv=True, suites=("http", "c10k", "idle")),
    Peer("stock-backlog", partial(_stock, BACKLOG), venv=True, suites=("c10k",)),
    Peer("stock-twistd", _stock_twistd, venv=True, suites=("http",)),
    Peer("uvicorn", partial(_uvicorn, 0), venv=True),
    Peer("uvicorn-backlog", partial(_uvicorn, BACKLOG), venv=True, suites=("c10k",)),
    Peer("aiohttp", partial(aiohttp, "aio.py", ()), venv=True),
    Peer("nginx", partial(_nginx, False), slow_path="", suites=("http",)),
    Peer("nginx-log", partial(_nginx, True), slow_path="", suites=("http",)),
    Peer("httpbin", _httpbin, _BASE64, slow_path="", venv=True, suites=("lab",)),
    Peer("go-httpbin", _go_httpbin, _BASE64, suites=("http", "c10k", "lab")),
)


@dataclass(frozen=True)
class Choice:
    """Who is to run and with what, as the command line says it."""

    only: str  # labels, comma-separated, in the order they run; empty: the suite's own
    go_httpbin: str  # its binary; empty: none
    netd_args: tuple[str, ...]
    venv: Path


def named(option: str, text: str, known: Sequence[str]) -> list[str]:
    """The names in `text`, comma-separated; ValueError for one that is not known."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if strange := [name for name in names if name not in known]:
        raise ValueError(f"{option}: {', '.join(strange)} is not one of {', '.join(known)}")
    return names


def _missing(peer: Peer, suite: str, go_httpbin: str) -> str:
    """Why this peer cannot run; empty when it can."""
    if peer.label.startswith("nginx") and not nginx():
        return "nginx is not installed"
    if peer.label == "go-httpbin" and not go_httpbin:
        return "no --go-httpbin PATH"
    if suite == "c10k" and not peer.slow_path:
        return "it cannot wait 3 s"
    return ""


def choose(choice: Choice, suite: str) -> tuple[list[Peer], list[str]]:
    """The peers to run, and what the reader of the table has to know about the choice.

    Raises ValueError for a label that is unknown or was asked for and cannot run.
    """
    known = {peer.label: peer for peer in PEERS}
    asked = named("--only", choice.only, list(known))
    wanted = [known[label] for label in asked] or [p for p in PEERS if suite in p.suites]
    reasons = {peer.label: _missing(peer, suite, choice.go_httpbin) for peer in wanted}
    absent = {label: why for label, why in reasons.items() if why}
    if asked and absent:
        label, why = next(iter(absent.items()))
        raise ValueError(f"--only: {label} cannot run: {why}")
    notes = [f"{label} left out: {why}" for label, why in absent.items()]
    if choice.netd_args:
        notes.append(f"netd with `{' '.join(choice.netd_args)}`")
    return [peer for peer in wanted if peer.label not in absent], notes
