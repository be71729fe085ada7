"""
From a Request to a Call, and from its Reply back to the Request.

Rules: knows the table's form and none of its endpoints; runs on whatever
offers the part of IRequest that it uses.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any, Final, cast

from attrs import define
from twisted.internet.interfaces import IProducer, IReactorTime, ISSLTransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from netd.counters import Counters
from netd.player import IStage, Player
from netd.script import Script, Step, Wait
from netd.settings import HTTP
from netd.web.exchange import HTML, SANDBOX, BadCall, Call, Reply, Workbench
from netd.web.routes import Route, Table

_log = Logger()

# Statuses whose answers have no body and so no Content-Length (RFC 9110 8.6).
_BODILESS: Final = frozenset({204, 304})


@implementer(IStage)
@define
class _Stage:
    """
    An HTTP answer as a stage: nothing is sent, the head included, before the first bytes.

    With `wire` the script says the head as well, past the engine's framing.
    """

    request: Any
    clock: IReactorTime
    counters: Counters
    wire: bool
    at_once: bool
    due: float
    waited: bool = False
    begun: bool = False

    def watched(self, script: Script) -> Iterator[Step]:
        """The script; what it waits before its first bytes is added to when they are due."""
        steps = iter(script)
        for step in steps:
            if isinstance(step, Wait):
                self.due += step.seconds
                self.waited = True
            yield step
            if self.begun:
                yield from steps

    def write(self, data: bytes) -> None:
        if not self.begun:
            self.begun = True
            if self.waited:
                self.counters.late(self.clock.seconds() - self.due)
            if self.at_once:
                self.request.setHeader(b"Content-Length", b"%d" % len(data))
        if self.wire:
            self.request.transport.write(data)
        else:
            self.request.write(data)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        self.request.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self.request.unregisterProducer()

    def finish(self) -> None:
        if self.wire:
            self.request.loseConnection()
        else:
            self.request.finish()

    def abort(self) -> None:
        self.request.transport.abortConnection()


class Router(Resource):
    """The leaf that answers every path of a table, and 404 for the rest."""

    isLeaf = True

    def __init__(
        self,
        routes: Sequence[Route],
        config: HTTP,
        clock: IReactorTime,
        counters: Counters | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        Resource.__init__(self)
        self._table = Table(routes)
        # Chance that is no secret: delays, weights, faults.
        chance = Random(config.lab.seed)  # noqa: S311
        self._bench = Workbench(self._table.routes, config, chance, now, os.environ)
        self._clock = clock
        self._counters = Counters() if counters is None else counters

    def render(self, request: Any) -> bytes | int:
        """Answer `request` by its route; what the client did wrong is a 4xx in JSON."""
        cors = True
        try:
            route, parameters = self._table.find(request.path)
            cors = route.cors
            reply = self._reply(request, route, parameters)
        except BadCall as bad:
            reply = bad.reply()
        if reply.wire:
            return self._perform(request, reply)
        if cors:
            _share(request)
        return self._answer(request, reply)

    def _reply(self, request: Any, route: Route, parameters: Mapping[str, str]) -> Reply:
        method = request.method.decode("latin-1")
        if not route.takes(method) or (method == "OPTIONS" and _preflight(request, route)):
            if method != "OPTIONS":
                raise BadCall(
                    f"{method} is not for {route.path}", 405, (("Allow", route.allow),)
                )
            allow = (("Allow", route.allow),)
            # 200 and HTML are httpbin's.
            return (
                Reply(b"", 200, HTML, headers=allow)
                if route.cors
                else Reply(b"", 204, headers=allow)
            )
        head = getattr(request, "head", None)
        content = request.content
        length = content.seek(0, 2)
        content.seek(0)
        return route.endpoint(
            Call(
                method,
                request.uri.decode("latin-1"),
                route,
                self._bench,
                parameters,
                _head(request) if head is None else head.raw,
                content,
                length,
                # Who comes through a UNIX socket is on this machine.
                getattr(request.getClientAddress(), "host", "127.0.0.1"),
                request.isSecure(),
                None if head is None or head.authority is None else head.authority.decode(),
                partial(_agreed, request),
            )
        )

    def _answer(self, request: Any, reply: Reply) -> bytes | int:
        request.setResponseCode(reply.status)
        if reply.status not in _BODILESS and reply.type:
            request.setHeader(b"Content-Type", reply.type.encode("latin-1"))
        request.setHeader(b"X-Content-Type-Options", b"nosniff")
        if not reply.ours:
            request.setHeader(b"Content-Security-Policy", SANDBOX.encode())
        _set(request, reply.headers)
        body = reply.body
        if not isinstance(body, bytes):
            if reply.length is not None:
                request.setHeader(b"Content-Length", b"%d" % reply.length)
            return self._perform(request, reply)
        if reply.status in _BODILESS or reply.status < 200:
            request.finish()
            return NOT_DONE_YET
        if request.method == b"HEAD":
            request.setHeader(b"Content-Length", b"%d" % len(body))
            return b""
        return body

    def _perform(self, request: Any, reply: Reply) -> int:
        clock = self._clock
        stage = _Stage(
            request, clock, self._counters, reply.wire, reply.at_once, clock.seconds()
        )
        assert not isinstance(reply.body, bytes)  # noqa: S101 - for the type checker
        player = Player(stage.watched(reply.body), stage, self._clock)

        def left(_: Failure) -> None:
            player.stopProducing()

        def broke(failure: Failure) -> None:
            _log.failure("the script of {uri!r} failed", failure, uri=request.uri)
            if stage.begun:
                request.transport.abortConnection()
            else:
                _apologise(request)

        add_trailer = getattr(request, "addTrailer", None)
        if add_trailer is not None:
            for name, value in reply.trailers:
                add_trailer(name.encode("latin-1"), value.encode("latin-1"))
        request.notifyFinish().addErrback(left)
        player.perform().addErrback(broke)
        return NOT_DONE_YET


def _preflight(request: Any, route: Route) -> bool:
    """Whether a browser asks if it may ask; no endpoint is to take that for a question."""
    return route.cors and request.getHeader(b"access-control-request-method") is not None


def _share(request: Any) -> None:
    """Let scripts of any origin read the answer, as httpbin does."""
    head = getattr(request, "head", None)
    # Looked for as bytes first: splitting all fields costs as much as a small answer.
    named = head is None or b"\norigin:" in head.raw.lower()
    origin = request.getHeader(b"origin") if named else None
    request.setHeader(b"Access-Control-Allow-Origin", b"*" if origin is None else origin)
    request.setHeader(b"Access-Control-Allow-Credentials", b"true")
    if request.method == b"OPTIONS":
        methods = b"GET, POST, PUT, DELETE, PATCH, OPTIONS"
        request.setHeader(b"Access-Control-Allow-Methods", methods)
        request.setHeader(b"Access-Control-Max-Age", b"3600")
        wanted = request.getHeader(b"access-control-request-headers")
        if wanted is not None:
            request.setHeader(b"Access-Control-Allow-Headers", wanted)


def _set(request: Any, headers: Sequence[tuple[str, str]]) -> None:
    """Set fields; a name that comes twice has two lines."""
    seen = set()
    for name, value in headers:
        field = name.encode("latin-1"), value.encode("latin-1")
        if name.lower() in seen:
            request.responseHeaders.addRawHeader(*field)
        else:
            request.setHeader(*field)
            seen.add(name.lower())


def _head(request: Any) -> bytes:
    """About what came over the wire, where the engine did not keep it."""
    lines = [b"%b %b %b" % (request.method, request.uri, request.clientproto)]
    for name, values in request.requestHeaders.getAllRawHeaders():
        lines += [b"%b: %b" % (name, value) for value in values]
    return b"\r\n".join([*lines, b"", b""])


def _agreed(request: Any) -> Mapping[str, Any] | None:
    """What the TLS of the request's connection agreed upon."""
    transport = request.channel.transport
    if not ISSLTransport.providedBy(transport):
        return None
    handle: Any = cast(Any, transport).getHandle()
    cipher, server_name = handle.get_cipher_name(), handle.get_servername()
    certificate = cast(Any, transport).getPeerCertificate()
    return {
        "version": handle.get_protocol_version_name(),
        "cipher": cipher,
        "bits": handle.get_cipher_bits(),
        "sni": None if server_name is None else server_name.decode("latin-1"),
        "alpn": handle.get_alpn_proto_negotiated().decode("latin-1") or None,
        "client": getattr(transport, "identity", None),
        "client_certificate": None if certificate is None else _subject(certificate),
    }


def _subject(certificate: Any) -> Mapping[str, str]:
    """Who a certificate says it is of."""
    name = certificate.get_subject().get_components()
    return {
        "subject": ", ".join(f"{key.decode()}={value.decode()}" for key, value in name),
        "serial": f"{certificate.get_serial_number():x}",
        "sha256": certificate.digest("sha256").decode(),
    }


def _apologise(request: Any) -> None:
    """Answer 500 in JSON."""
    body = BadCall("netd made a mistake; its log says which", 500).reply()
    request.setResponseCode(500)
    request.setHeader(b"Content-Type", body.type.encode())
    request.setHeader(b"Content-Length", b"%d" % len(body.body))  # type: ignore[arg-type]
    request.write(body.body)
    request.finish()
