"""Stock twisted.web.xmlrpc with the seed's three methods, without an access log.

Rules: nothing of netd.
"""

import sys
from typing import Any

from twisted.internet import reactor
from twisted.web import server, xmlrpc


class Methods(xmlrpc.XMLRPC):
    """add, mul and pow."""

    def xmlrpc_add(self, x: int, y: int) -> int:
        """The sum."""
        return x + y

    def xmlrpc_mul(self, x: int, y: int) -> int:
        """The product."""
        return x * y

    def xmlrpc_pow(self, x: int, y: int) -> int:
        """The power."""
        return int(x**y)


class Quiet(server.Site):
    """A Site without an access log."""

    def log(self, request: Any) -> None:
        """Write nothing."""


def main(port: int) -> None:
    """Serve on 127.0.0.1 until a signal ends it."""
    listen: Any = reactor
    root = Methods()  # type: ignore[no-untyped-call]  # both constructors are Twisted's
    root.putChild(b"RPC2", root)
    site = Quiet(root)  # type: ignore[no-untyped-call]
    listen.listenTCP(port, site, interface="127.0.0.1", backlog=4096)
    listen.run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
