"""The models of `python -m bench models`: what each one is, and how it is started.

Rules: builds command lines and starts nothing. The models are the files of examples/models/,
and netd; each one runs by itself as it stands there.
"""

import importlib.util
import select
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata

from bench import process
from bench.peers import ROOT, Peer, Place, Start, netd, program

_EXAMPLES = ROOT / "examples" / "models"
_NETD_READY = "/echo?size=58"
_NETD_HEAD_FIRST = "/?delay=0s&body_delay={delay}s&size=58"


@dataclass(frozen=True)
class Model:
    """One row of the tables; the peer's `slow_path` responds after the delay."""

    peer: Peer
    family: str
    head_first: str = "/"
    """A path whose head is sent at once, and whose body after the delay."""
    needs: str = ""
    """A module, a program or a call of `select` that the model cannot do without."""

    @property
    def label(self) -> str:
        """Its name in tables, pictures and --models."""
        return self.peer.label

    def lacks(self) -> str:
        """Why it cannot run here; empty when it can."""
        if self.needs in _VERSIONS:
            return "" if program(self.needs) else f"{self.needs} is not installed"
        if self.needs in ("epoll", "kqueue"):
            return "" if hasattr(select, self.needs) else f"this system has no {self.needs}"
        missing = self.needs and importlib.util.find_spec(self.needs) is None
        return f"no {self.needs} (extra `models`)" if missing else ""

    def version(self) -> str:
        """What it needs, with the version; empty where others have named that."""
        if self.needs in _VERSIONS:
            words, behind = _VERSIONS[self.needs]
            number = process.version(program(self.needs), words, behind=behind)
            return f"{self.needs} {number}"
        hidden = self.needs in ("", "twisted") or hasattr(select, self.needs)
        return "" if hidden else f"{self.needs} {metadata.version(self.needs)}"


_VERSIONS = {"nginx": ("-v", "nginx/"), "apache2": ("-v", "Apache/"), "node": ("-v", "v")}
"""How each program is asked for its version, and what stands before the number."""


def _python(delay: float, file: str, more: tuple[str, ...], place: Place) -> Start:
    """A model in Python."""
    return Start([sys.executable, _EXAMPLES / file, place.port, delay, *more])


def _node(delay: float, place: Place) -> Start:
    """The model in JavaScript."""
    return Start(["node", _EXAMPLES / "node.js", place.port, delay])


def models(delay: float) -> list[Model]:
    """All models, which respond after so many seconds."""

    def example(label: str, family: str, needs: str = "", file: str = "", *more: str) -> Model:
        start = partial(_python, delay, file or f"{label}.py", more)
        return Model(Peer(label, start, "", "/"), family, needs=needs)

    def daemon(label: str, *more: object) -> Model:
        start: Callable[[Place], Start] = partial(netd, ("--delay", f"{delay}s", *more))
        head_first = _NETD_HEAD_FIRST.format(delay=delay)
        return Model(Peer(label, start, _NETD_READY, "/"), "netd", head_first, "twisted")

    turns, many, servers = "in turn", "processes and threads", "Apache and nginx"
    calls, loops = "select, poll, epoll, kqueue", "event loops"
    return [
        example("sequential", turns),
        example("forks", many),
        example("prefork", many),
        example("threads", many),
        example("threadpool", many),
        example("apache-prefork", servers, "apache2", "apache.py", "prefork"),
        example("apache-event", servers, "apache2", "apache.py", "event"),
        example("nginx", servers, "nginx"),
        example("select", calls, file="select_.py"),
        example("poll", calls, file="poll_.py"),
        example("epoll", calls, "epoll", "epoll_.py"),
        example("kqueue", calls, "kqueue", "kqueue_.py"),
        example("asyncio", loops, file="asyncio_.py"),
        example("gevent", loops, "gevent", "gevent_.py"),
        example("eventlet", loops, "eventlet", "eventlet_.py"),
        example("tornado", loops, "tornado", "tornado_.py"),
        example("twisted", loops, "twisted", "twisted_.py"),
        Model(Peer("node", partial(_node, delay), "", "/"), loops, needs="node"),
        daemon("netd"),
        daemon("netd-workers", "--workers", 2),
    ]
