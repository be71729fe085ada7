"""
From a Request to a Call, and from its Reply back to the Request.

Rules: knows the table's form and none of its endpoints; runs on whatever
offers the part of IRequest that it uses.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from random import Random
from typing import Any, Final, cast

from cryptography.hazmat.primitives.hashes import SHA256
from twisted.internet.interfaces import IReactorTime, ISSLTransport
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from netd.counters import Counters
from netd.lab import response_fields
from netd.lab.call import HTML, BadCall, Call, LabState, Reply
from netd.lab.delayed import DelayedResponse, perform, ready
from netd.lab.routes import Route, Table
from netd.settings import HTTP

# The body of requests that have none: a file of its own for each would be a waste.
_NOTHING: Final = BytesIO()
# Statuses whose answers have no body and so no Content-Length (RFC 9110 8.6).
_BODILESS: Final = frozenset({204, 304})


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
        self._bench = LabState(self._table.routes, config, chance, now, os.environ)
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
            perform(request, reply, self._clock, self._counters)
            return NOT_DONE_YET
        return self._answer(request, reply, cors)

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
        if head is not None and head.length == 0:
            content, length = _NOTHING, 0
        else:
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
                _Caller(request),
            )
        )

    def _answer(self, request: Any, reply: Reply, cors: bool) -> bytes | int:
        status, body = reply.status, reply.body
        if status != 200:
            request.setResponseCode(status)
        kind = "" if status in _BODILESS else reply.type
        response_fields.standing(kind, reply.ours, cors).put(request)
        if cors:
            response_fields.share(request)
        if reply.headers:
            response_fields.add(request, reply.headers)
        if not (isinstance(body, bytes) or callable(body)):
            if reply.length is not None:
                request.setHeader(b"Content-Length", b"%d" % reply.length)
            perform(request, reply, self._clock, self._counters)
            return NOT_DONE_YET
        if reply.after > 0:
            DelayedResponse(request, reply, self._clock, self._counters)
            return NOT_DONE_YET
        if status in _BODILESS or status < 200:
            request.finish()
            return NOT_DONE_YET
        body = ready(body)
        if request.method == b"HEAD":
            request.setHeader(b"Content-Length", b"%d" % len(body))
            return b""
        return body


class _Caller:
    """Whoever makes a request."""

    __slots__ = ("_request",)

    def __init__(self, request: Any) -> None:
        self._request = request

    @property
    def client(self) -> str:
        # Who comes through a UNIX socket is on this machine.
        return getattr(self._request.getClientAddress(), "host", "127.0.0.1")

    @property
    def secure(self) -> bool:
        return bool(self._request.isSecure())

    @property
    def authority(self) -> str | None:
        head = getattr(self._request, "head", None)
        return None if head is None or head.authority is None else head.authority.decode()

    def tls(self) -> Mapping[str, Any] | None:
        return _agreed(self._request)


def _preflight(request: Any, route: Route) -> bool:
    """Whether a browser asks if it may ask; no endpoint is to take that for a question."""
    return route.cors and request.getHeader(b"access-control-request-method") is not None


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
    said = certificate.to_cryptography()
    return {
        "subject": ", ".join(
            f"{each.rfc4514_attribute_name}={each.value}" for each in said.subject
        ),
        "serial": f"{said.serial_number:x}",
        "sha256": said.fingerprint(SHA256()).hex(":").upper(),
    }
