"""Stock twisted.web's static files: `server.Site` over `static.File`, no access log.

Rules: nothing of netd; what is measured is `twisted.web.static` as it comes.
"""

import sys

from twisted.internet import endpoints, reactor
from twisted.web import http, server, static


class Quiet(server.Site):
    """A Site without an access log."""

    def log(self, request: http.Request) -> None:
        """Write nothing."""


def main(endpoint: str, folder: str) -> None:
    """Serve `folder` on the endpoint that is described until a signal ends it."""
    tree = static.File(folder, defaultType="application/octet-stream")
    site = Quiet(tree)  # type: ignore[no-untyped-call]  # Twisted's constructor
    endpoints.serverFromString(reactor, endpoint).listen(site)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
