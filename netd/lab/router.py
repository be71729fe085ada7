"""
From a Request to a Call, and from its Reply to the response.

Rules: knows the form of the table and none of its endpoints.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from io import BytesIO
from random import Random
from typing import IO, Any, Final, cast

from attrs import evolve
from OpenSSL.crypto import X509
from OpenSSL.SSL import Connection
from twisted.internet.interfaces import IReactorTime, ISSLTransport
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from netd.counters import Counters
from netd.http.cors import ANY, Policy
from netd.http.fields import Known
from netd.http.request import Request
from netd.http.response_head import NO_BODY, HeaderBlock
from netd.lab.call import (
    HTML,
    SANDBOX,
    BadCall,
    Call,
    Headers,
    LabState,
    OwnPorts,
    Reply,
    ResumedCall,
)
from netd.lab.compatibility import OWN
from netd.lab.counts import Counting, Counts, Later
from netd.lab.delayed import DelayedResponse, LaterResponse, perform
from netd.lab.routes import Route, Table
from netd.lab.watchers import Watchers
from netd.settings import HTTP
from netd.transport import certificates
from netd.turns import Turns

# Shared by all requests without a body, to save a file for each.
_EMPTY: Final[IO[bytes]] = BytesIO()
_text: Final = Known(lambda value: value.decode("latin-1")).__getitem__
_SMALL: Final = 4096  # bytes of a request that takes no more than a millisecond


@lru_cache(maxsize=256)
def block(content_type: str, sandbox: bool, cors: bool) -> HeaderBlock:
    """The fields that are the same for every client; an empty `content_type` is left out."""
    fields = [(b"Content-Type", content_type.encode("latin-1"))] if content_type else []
    fields.append((b"X-Content-Type-Options", b"nosniff"))
    if sandbox:
        fields.append((b"Content-Security-Policy", SANDBOX.encode()))
    if cors:
        fields.extend(OWN.sharing.allow(ANY))
    return HeaderBlock(fields)


def _share(request: Request, policy: Policy) -> None:
    """Allow what `policy` does beyond `block`, and what a preflight asks for."""
    if policy.varies:
        for name, value in policy.allow(request.getHeader(b"origin") or ANY):
            request.setHeader(name, value)
        request.responseHeaders.addRawHeader(b"Vary", b"Origin")
    if request.method == b"OPTIONS":
        requested = request.getHeader(b"access-control-request-headers")
        for name, value in policy.preflight(requested):
            request.setHeader(name, value)


def _add(request: Request, headers: Headers) -> None:
    """Set fields; a name that comes twice gets two lines."""
    names = set()
    for name, value in headers:
        field = name.encode("latin-1"), value.encode("latin-1")
        if name.lower() in names:
            request.responseHeaders.addRawHeader(*field)
        else:
            request.setHeader(*field)
            names.add(name.lower())


class Router(Resource):
    """The leaf for every path of a table, with a 404 for all other paths."""

    isLeaf = True

    def __init__(
        self,
        routes: Sequence[Route],
        config: HTTP,
        clock: IReactorTime,
        counters: Counters | None = None,
        *,
        counts: Counting | None = None,
        own_ports: OwnPorts = frozenset,
        watchers: Watchers | None = None,
    ) -> None:
        Resource.__init__(self)
        self._table = Table(routes)
        # No secret depends on these random numbers: delays, weights, faults.
        random = Random(config.lab.seed)  # noqa: S311
        counts = Counts() if counts is None else counts
        self._state = LabState(
            config,
            random,
            time.time,
            os.environ,
            own_ports,
            clock.seconds,
            counts=counts,
            watchers=Watchers() if watchers is None else watchers,
        )
        self._compatibility = self._state.compatibility
        self._clock = clock
        self._counters = Counters() if counters is None else counters

    def render(self, request: Request) -> bytes | int:
        """Respond by the route of `request`; a client's mistake is a 4xx in JSON."""
        try:
            route, path_values = self._table.find(request.path)
        except BadCall as error:
            return self._respond(request, error.reply(), True)
        head = request.head
        if route.costly or head.length != 0 or len(head.raw) > _SMALL:
            turns = Turns.of(self._clock)
            if not turns.in_time():
                render = partial(self._render, request, route, path_values)
                turns.wait(LaterResponse(request, render))
                return NOT_DONE_YET
        return self._render(request, route, path_values)

    def _render(
        self,
        request: Request,
        route: Route,
        path_values: Mapping[str, str],
        make: Callable[..., Call] = Call,
    ) -> bytes | int:
        """As `render` does, by `route`."""
        try:
            reply = self._reply(request, route, path_values, make)
        except BadCall as error:
            reply = error.reply()
        except Later as later:
            self._wait(request, route, path_values, later)
            return NOT_DONE_YET
        return self._respond(request, reply, route.cors)

    def _wait(
        self, request: Request, route: Route, path_values: Mapping[str, str], later: Later
    ) -> None:
        """Run the endpoint again, and respond, when the value of `later` is here."""
        over: list[object] = []
        request.notifyFinish().addBoth(over.append)

        def resume(value: object) -> None:
            if over:
                # The client left.
                return
            make = partial(ResumedCall, fetched=value)
            render = partial(self._render, request, route, path_values, make)
            Turns.of(self._clock).begin(LaterResponse(request, render))

        later.fetch(resume)

    def _reply(
        self,
        request: Request,
        route: Route,
        path_values: Mapping[str, str],
        make: Callable[..., Call],
    ) -> Reply:
        method = _text(request.method)
        if not route.takes(method) or (method == "OPTIONS" and _preflight(request, route)):
            allow = (("Allow", route.allow),)
            if method != "OPTIONS":
                raise BadCall(f"{method} is not for {route.path}", 405, allow)
            # 200 and HTML are httpbin's.
            return Reply(b"", 200 if route.cors else 204, HTML, headers=allow)
        head = request.head
        if head.length == 0:
            content, length = _EMPTY, 0
        else:
            content = request.content
            length = content.seek(0, 2)
            content.seek(0)
        call = make(
            method,
            _text(request.uri),
            route.by_name,
            route.composable,
            self._state,
            path_values,
            head,
            content,
            length,
            _Client(request),
        )
        delay = call.delay if route.delayable else 0.0
        reply = route.endpoint(call)
        if call.clamped:
            reply = evolve(reply, headers=(*reply.headers, *call.clamped))
        return reply.later(delay) if delay else reply

    def _respond(self, request: Request, reply: Reply, cors: bool) -> bytes | int:
        status, body = reply.status, reply.body
        if reply.fault:
            request.notes = (("fault", reply.fault),)
        if reply.raw:
            perform(request, reply, self._clock, self._counters)
            return NOT_DONE_YET
        if status != 200:
            request.setResponseCode(status, self._compatibility.phrase(status))
        content_type = "" if status in NO_BODY else reply.type
        request.setHeaders(block(content_type, reply.sandbox, cors))
        if reply.headers:
            _add(request, reply.headers)
        if cors:
            _share(request, self._compatibility.sharing)
        if not (isinstance(body, bytes) or callable(body)):
            if reply.length is not None:
                request.setHeader(b"Content-Length", b"%d" % reply.length)
            perform(request, reply, self._clock, self._counters)
            return NOT_DONE_YET
        if reply.delay > 0:
            DelayedResponse(request, body, reply.delay, self._clock, self._counters)
            return NOT_DONE_YET
        if status in NO_BODY:
            request.finish()
            return NOT_DONE_YET
        if not isinstance(body, bytes):
            body = body()
        if request.method == b"HEAD":
            request.setHeader(b"Content-Length", b"%d" % len(body))
            return b""
        return body


class _Client:
    """The sender of a request; its facts are looked up when an endpoint wants them."""

    __slots__ = ("_request",)

    def __init__(self, request: Request) -> None:
        self._request = request

    @property
    def address(self) -> str:
        # A client on a UNIX socket is on this machine.
        return getattr(self._request.getClientAddress(), "host", "127.0.0.1")

    @property
    def secure(self) -> bool:
        return self._request.isSecure()

    @property
    def authority(self) -> str | None:
        authority = self._request.head.authority
        return None if authority is None else authority.decode()

    def tls(self) -> Mapping[str, object] | None:
        transport = self._request.transport
        if not ISSLTransport.providedBy(transport):
            return None
        # ISSLTransport declares no getHandle, and getPeerCertificate without a type.
        handle: Connection = cast(Any, transport).getHandle()
        certificate: X509 | None = cast(Any, transport).getPeerCertificate()
        server_name = handle.get_servername()
        return {
            "version": handle.get_protocol_version_name(),
            "cipher": handle.get_cipher_name(),
            "bits": handle.get_cipher_bits(),
            "sni": None if server_name is None else server_name.decode("latin-1"),
            "alpn": handle.get_alpn_proto_negotiated().decode("latin-1") or None,
            "client": getattr(transport, "identity", None),
            "client_certificate": certificate and certificates.facts(certificate),
        }


def _preflight(request: Request, route: Route) -> bool:
    """Whether this OPTIONS is a browser's preflight, which no endpoint gets."""
    return route.cors and request.getHeader(b"access-control-request-method") is not None
