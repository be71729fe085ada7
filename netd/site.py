"""
The web site as a factory: one tree of resources on netd's own HTTP engine.

Rules: knows no address.  The tree is an ordinary one of Twisted Resources and
would run on `twisted.web.server.Site` as well.
"""

from __future__ import annotations

import os
from functools import lru_cache, partial
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.python.usage import UsageError
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource, getChildForRequest

from netd import settings
from netd.addresses import foreign_name, host_names, limited
from netd.counters import Counters
from netd.http.context import AccessLog
from netd.http.request import Request
from netd.http.server import HTTPServer, LocalServer
from netd.lab.call import OwnPorts
from netd.lab.counts import Counting
from netd.lab.endpoints.probes import Probes
from netd.lab.router import Router, block
from netd.lab.table import routes
from netd.lab.watchers import Watchers
from netd.xmlrpc import service
from netd.xmlrpc.content_coding import LARGEST
from netd.xmlrpc.resource import RPCRoot

_BODIES: Final = {b"/RPC2": LARGEST}
"""Where a body may be smaller than --max-body says, so that a 413 need not wait for it."""
_CALLS_ALONE: Final = {b"/": LARGEST, b"/RPC2": LARGEST}
_PROBES: Final = Probes()
_NO_HOST: Final = (b"",)
_HAS_FILES: Final = os.open in os.supports_dir_fd


class HostGuard(Resource):
    """`resource`, which a listener on loopback refuses to foreign names (DNS rebinding)."""

    isLeaf = True

    def __init__(self, resource: IResource, config: settings.HTTP) -> None:
        Resource.__init__(self)
        self.resource = resource
        names = host_names(config.hosts)
        # Clients say few names, and those again and again.
        self._foreign_name = lru_cache(maxsize=64)(partial(foreign_name, names=names))

    def render(self, request: Request) -> bytes | int:
        """The response of `resource`, or a 421 (RFC 9110 15.5.20)."""
        (authority,) = request.head.fields.get(b"host", _NO_HOST)
        name = self._foreign_name(authority)
        if name and _on_loopback(request.transport):
            request.setResponseCode(421)
            request.setHeaders(block("text/plain; charset=utf-8", False, False))
            hint = f"{name} is not a name of this daemon; start netd with --host {name}\n"
            return hint.encode()
        response: bytes | int = getChildForRequest(self.resource, request).render(request)
        return response


def _on_loopback(transport: Any) -> bool:
    """Whether the listener is bound to loopback; once it is closed, the connection decides."""
    port: Any = getattr(transport, "server", None)
    address = (port if getattr(port, "connected", False) else transport).getHost()
    return hasattr(address, "host") and limited(address) is None


class _Root(Resource):
    """Children by their first segment, the router for every other path."""

    def __init__(self, router: Router, config: settings.HTTP) -> None:
        Resource.__init__(self)
        self._router = router
        self.putChild(b"metrics", HostGuard(router, config))

    def getChildWithDefault(self, path: bytes, request: IRequest) -> IResource:
        child: IResource = self.children.get(path, self._router)
        return child


def tree(
    config: settings.Settings,
    clock: IReactorTime,
    rpc: IResource | None = None,
    counters: Counters | None = None,
    probes: Probes | None = _PROBES,
    *,
    counts: Counting | None = None,
    own_ports: OwnPorts = frozenset,
    watchers: Watchers | None = None,
) -> IResource:
    """
    The resources of one daemon; UsageError when the files directory cannot be served.

    Without `probes` nothing is where they would be; `counts` counts requests for a key, by
    default those of these resources alone.
    """
    table = routes(probes, config.http.console)
    lab = Router(
        table,
        config.http,
        clock,
        counters,
        counts=counts,
        own_ports=own_ports,
        watchers=watchers,
    )
    root = _Root(lab, config.http)
    if _HAS_FILES or config.files.root:
        root.putChild(b"files", files_only(config, clock))
    root.putChild(b"RPC2", HostGuard(rpc or service.build(clock).resource, config.http))
    return root


def probes_only(config: settings.Settings, clock: IReactorTime, probes: Probes) -> IResource:
    """The probes alone, for a listener of their own."""
    return _Root(Router(probes.routes(), config.http, clock), config.http)


def local(
    config: settings.Settings,
    clock: IReactorTime,
    counters: Counters,
    probes: Probes,
    log: AccessLog | None = None,
) -> LocalServer:
    """The probes for peers on loopback that the access lists leave out."""
    root = probes_only(config, clock, probes)
    return LocalServer(root, clock, config.http.limits, counters, log=log)


def files_only(config: settings.Settings, clock: IReactorTime) -> IResource:
    """The file tree alone, for a listener of its own; UsageError where there can be none."""
    if not _HAS_FILES:
        raise UsageError("--files: this system cannot open a file relative to a directory")
    # Not importable on Windows.
    from netd.static.resource import resource as files

    return HostGuard(files(config.files, config.http.limits, clock), config.http)


def factory(
    config: settings.Settings,
    clock: IReactorTime,
    counters: Counters,
    root: IResource | None = None,
    log: AccessLog | None = None,
) -> HTTPServer:
    """The web site described by `config`, or one of `root` alone, listening nowhere yet."""
    calls = isinstance(root, HostGuard) and isinstance(root.resource, RPCRoot)
    return HTTPServer(
        root or tree(config, clock, counters=counters),
        clock,
        config.http.limits,
        counters,
        log=log,
        bodies=_CALLS_ALONE if calls else _BODIES,
    )
