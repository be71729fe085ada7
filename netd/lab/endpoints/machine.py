"""
The request as it came, the connection it came over, and the machine it came to.

Rules: pure functions from a Call to a Reply; nothing is told of the machine but
what the command line says may be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from netd.lab.call import BadCall, Call, Reply
from netd.lab.endpoints.httpbin_json import answer, shown_head
from netd.script import Send, Step

_PIECE: Final = 64 * 1024
_ENVIRONMENT: Final = "NETD_ENV_"


def raw(call: Call) -> Reply:
    """Say back the request as it came: bytes, order, case, repeats; chunks are joined."""
    head = shown_head(call)
    return Reply(_said(head, call.content), length=len(head) + call.length)


def _said(head: bytes, content: BinaryIO) -> Iterator[Step]:
    yield Send(head)
    while piece := content.read(_PIECE):
        yield Send(piece)


def tls(call: Call) -> Reply:
    """Say what the connection's TLS agreed upon; null without TLS."""
    return answer({"tls": call.caller.tls()})


def hostname(call: Call) -> Reply:
    """Say the name of the machine, where --reveal hostname lets it."""
    return answer({"hostname": _revealed("hostname", call.config.lab.hostname)})


def version(call: Call) -> Reply:
    """Say the version of netd, where --reveal version lets it."""
    return answer({"version": _revealed("version", call.config.lab.version)})


def _revealed(name: str, value: str | None) -> str:
    if value is None:
        raise BadCall(f"start netd with --reveal {name} to be told", 403)
    return value


def env(call: Call) -> Reply:
    """Say the environment variables whose names begin with NETD_ENV_."""
    told = {
        name: value
        for name, value in call.bench.environ.items()
        if name.startswith(_ENVIRONMENT)
    }
    return answer({"env": told})


def head(call: Call) -> Reply:
    """Answer HEAD, and nothing but HEAD."""
    return Reply(b"")
