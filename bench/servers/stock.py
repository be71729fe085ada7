"""Stock twisted.web: `server.Site` with one trivial Resource, or with `static.File`.

Rules: nothing of netd; what is measured is `twisted.web` as it comes. Run as a program
(`stock.py ENDPOINT [TREE]`) it keeps no access log; `twistd web --class=stock.Answer` serves
the Resource with twistd's own log.
"""

import sys

from twisted.internet import endpoints, reactor
from twisted.web import http, resource, server, static

BODY = b"x" * 57 + b"\n"
SLOW_SECONDS = 3


class Answer(resource.Resource):
    """The 58 bytes at every path, 3 s later under /delay/."""

    isLeaf = True

    def render_GET(self, request: server.Request) -> bytes | int:
        """Respond at once, or leave it to a timer."""
        request.setHeader(b"content-type", b"text/plain")
        if request.path.startswith(b"/delay/"):
            reactor.callLater(SLOW_SECONDS, _finish, request)
            return server.NOT_DONE_YET
        return BODY


def _finish(request: server.Request) -> None:
    """The late response."""
    request.setHeader(b"content-length", b"%d" % len(BODY))
    request.write(BODY)
    request.finish()


class Quiet(server.Site):
    """A Site without an access log."""

    def log(self, request: http.Request) -> None:
        """Write nothing."""


def main(endpoint: str, tree: str = "") -> None:
    """Serve on the endpoint that is described until a signal ends it."""
    root: resource.Resource = Answer()  # type: ignore[no-untyped-call]  # both constructors are Twisted's
    if tree:
        root = static.File(tree, defaultType="application/octet-stream")
    site = Quiet(root)  # type: ignore[no-untyped-call]
    endpoints.serverFromString(reactor, endpoint).listen(site)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
