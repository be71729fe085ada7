"""
Calls of the lab's endpoints without a server: a request line in, a Reply out.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from random import Random
from typing import Any

from attrs import define, evolve

from netd import settings
from netd.http.request_head import parse
from netd.lab.call import Call, LabState, Reply
from netd.lab.routes import Table
from netd.lab.table import ROUTES
from netd.script import Send, Step, Wait
from netd.test.lab.client import HTTP, request

TABLE = Table(ROUTES)

NOON = 1_700_000_000.0
"""The time of day in every `lab_state`."""


@define
class Sender:
    """A Client with these facts."""

    address: str = "127.0.0.1"
    secure: bool = False
    authority: str | None = None
    tls: Callable[[], Mapping[str, object] | None] = lambda: None


def lab_state(
    seed: int = 1,
    environ: Mapping[str, str] | None = None,
    own_ports: Collection[tuple[str, int]] = (),
    **lab: Any,
) -> LabState:
    """A LabState with a fixed seed, and with `lab` as fields of `settings.Lab`."""
    config = evolve(HTTP, lab=settings.Lab(**lab))
    return LabState(config, Random(seed), lambda: NOON, environ or {}, lambda: own_ports)


def make_call(
    line: str, *headers: str, body: bytes = b"", state: LabState | None = None, **facts: Any
) -> Call:
    """The call of the request `line`; `facts` are fields of its `Sender`."""
    method, target = line.split(" ", 1)
    raw = request(line, *headers, body=body)
    head = raw[: len(raw) - len(body)]
    route, path_values = TABLE.find(target.partition("?")[0].encode())
    return Call(
        method,
        target,
        route.by_name,
        route.composable,
        state or lab_state(),
        path_values,
        parse(head, len(head), len(headers) + 9),
        io.BytesIO(body),
        len(body),
        Sender(**facts),
    )


def run(call: Call) -> Reply:
    """The reply of the call's endpoint."""
    route, _ = TABLE.find(call.target.partition("?")[0].encode())
    return route.endpoint(call)


def reply_to(line: str, *headers: str, body: bytes = b"", **facts: Any) -> Reply:
    """The reply to the request `line`; see `make_call`."""
    return run(make_call(line, *headers, body=body, **facts))


def steps(reply: Reply) -> list[Step]:
    """The steps of a reply's script, or those that a body amounts to."""
    if isinstance(reply.body, bytes):
        return [Wait(reply.delay), Send(reply.body)]
    if callable(reply.body):
        return [Wait(reply.delay), Send(reply.body())]
    return list(reply.body)


def script(reply: Reply) -> Iterator[Step]:
    """The script of a reply that has one, from its start."""
    assert not isinstance(reply.body, bytes) and not callable(reply.body)  # noqa: PT018
    return iter(reply.body)


def content(reply: Reply) -> bytes:
    """All bytes that a reply sends."""
    return b"".join(step.data for step in steps(reply) if isinstance(step, Send))


def json_of(reply: Reply) -> Any:
    """The value of the JSON that a reply sends."""
    return json.loads(content(reply))


def waits(reply: Reply) -> list[float]:
    """The seconds of each wait of a reply."""
    return [step.seconds for step in steps(reply) if isinstance(step, Wait)]


def fields(reply: Reply) -> dict[str, str]:
    """The headers of a reply by their lower-case name, the last of each."""
    return {name.lower(): value for name, value in reply.headers}
