"""aiohttp-xmlrpc with the seed's three methods.

Rules: nothing of netd. Its packages are in the peers' environment only, so they are imported by
name and mypy need not find them.
"""

import importlib
import sys
from typing import Any

web: Any = importlib.import_module("aiohttp.web")
handler: Any = importlib.import_module("aiohttp_xmlrpc.handler")


class Methods(handler.XMLRPCView):  # type: ignore[misc]  # a class that is imported by name
    """add, mul and pow."""

    def rpc_add(self, x: int, y: int) -> int:
        """The sum."""
        return x + y

    def rpc_mul(self, x: int, y: int) -> int:
        """The product."""
        return x * y

    def rpc_pow(self, x: int, y: int) -> int:
        """The power."""
        return int(x**y)


def main(port: int) -> None:
    """Serve on 127.0.0.1 until a signal ends it."""
    app = web.Application()
    app.router.add_route("*", "/RPC2", Methods)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
