"""
Calls of the lab's endpoints without a server: a request in, a Reply out.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from attrs import define, evolve

from netd import settings
from netd.lab.call import Call, LabState, Reply
from netd.lab.routes import Table
from netd.lab.table import ROUTES
from netd.script import Send, Step, Wait
from netd.test.lab.conversation import HTTP, request

TABLE = Table(ROUTES)

NOON = 1_700_000_000.0
"""The time of day on every bench."""


@define
class Caller:
    """Whoever a test says it is."""

    client: str = "127.0.0.1"
    secure: bool = False
    authority: str | None = None
    tls: Callable[[], Mapping[str, Any] | None] = lambda: None


def bench(seed: int = 1, environ: Mapping[str, str] | None = None, **lab: Any) -> LabState:
    """A workbench whose chance is no chance, with other settings of the lab."""
    config = evolve(HTTP, lab=settings.Lab(**lab))
    return LabState(ROUTES, config, Random(seed), lambda: NOON, environ or {})


def call(
    line: str, *headers: str, body: bytes = b"", on: LabState | None = None, **facts: Any
) -> Call:
    """The call that the request `line` makes."""
    method, target = line.split(" ", 1)
    raw = request(line, *headers, body=body)
    head = raw[: len(raw) - len(body)]
    route, parameters = TABLE.find(target.partition("?")[0].encode())
    return Call(
        method,
        target,
        route,
        on or bench(),
        parameters,
        head,
        io.BytesIO(body),
        len(body),
        Caller(**facts),
    )


def ask(line: str, *headers: str, body: bytes = b"", **facts: Any) -> Reply:
    """What its endpoint replies."""
    asked = call(line, *headers, body=body, **facts)
    return asked.route.endpoint(asked)


def steps(reply: Reply) -> list[Step]:
    """A reply as the script that it is, performed without a clock, or comes to."""
    if isinstance(reply.body, bytes):
        return [Wait(reply.after), Send(reply.body)]
    if callable(reply.body):
        return [Wait(reply.after), Send(reply.body())]
    return list(reply.body)


def script(reply: Reply) -> Iterator[Step]:
    """The script of a reply that is one, from its start."""
    assert not isinstance(reply.body, bytes) and not callable(reply.body)  # noqa: PT018
    return iter(reply.body)


def said(reply: Reply) -> bytes:
    """Everything that a reply says."""
    return b"".join(step.data for step in steps(reply) if isinstance(step, Send))


def shown(reply: Reply) -> Any:
    """The JSON that a reply says."""
    return json.loads(said(reply))


def waits(reply: Reply) -> list[float]:
    """What a reply waits, one by one."""
    return [step.seconds for step in steps(reply) if isinstance(step, Wait)]


def fields(reply: Reply) -> dict[str, str]:
    """The headers of a reply by their lower-case name, the last of each."""
    return {name.lower(): value for name, value in reply.headers}
