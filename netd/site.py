"""
The web site as a factory: one tree of resources on netd's own HTTP engine.

Rules: knows no address.  The tree is an ordinary one of Twisted Resources and
would run on `twisted.web.server.Site` as well.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource

from netd import settings
from netd.counters import Counters
from netd.http.context import AccessLog
from netd.http.server import HTTPServer
from netd.lab.endpoints.probes import Probes
from netd.lab.router import Router
from netd.lab.table import routes
from netd.static.resource import resource as files
from netd.xmlrpc import service
from netd.xmlrpc.content_coding import LARGEST
from netd.xmlrpc.resource import RPCRoot

_BODIES: Final = {b"/RPC2": LARGEST}
"""Where a body may be smaller than --max-body says, so that a 413 need not wait for it."""
_CALLS_ALONE: Final = {b"/": LARGEST, b"/RPC2": LARGEST}
_PROBES: Final = Probes()


class _Root(Resource):
    """Children by their first segment, the router for every other path."""

    def __init__(self, router: Router) -> None:
        Resource.__init__(self)
        self._router = router

    def getChildWithDefault(self, path: bytes, request: IRequest) -> IResource:
        child: IResource = self.children.get(path, self._router)
        return child


def tree(
    config: settings.Settings,
    clock: IReactorTime,
    rpc: IResource | None = None,
    counters: Counters | None = None,
    probes: Probes | None = _PROBES,
) -> IResource:
    """
    The resources of one daemon; UsageError when the files directory cannot be served.

    Without `probes` nothing is where they would be.
    """
    root = _Root(Router(routes(probes), config.http, clock, counters))
    root.putChild(b"files", files(config.files, config.http.limits, clock))
    root.putChild(b"RPC2", rpc or service.build(clock).resource)
    return root


def probes_only(config: settings.Settings, clock: IReactorTime, probes: Probes) -> IResource:
    """The probes alone, for a listener of their own."""
    return Router(probes.routes(), config.http, clock)


def files_only(config: settings.Settings, clock: IReactorTime) -> IResource:
    """The file tree alone, for a listener of its own."""
    return files(config.files, config.http.limits, clock)


def factory(
    config: settings.Settings,
    clock: IReactorTime,
    counters: Counters,
    root: IResource | None = None,
    log: AccessLog | None = None,
) -> HTTPServer:
    """The web site described by `config`, or one of `root` alone, listening nowhere yet."""
    return HTTPServer(
        root or tree(config, clock, counters=counters),
        clock,
        config.http.limits,
        counters,
        log=log,
        bodies=_CALLS_ALONE if isinstance(root, RPCRoot) else _BODIES,
    )
