"""aiohttp's static files: an application with one static route and no access log.

Rules: nothing of netd. aiohttp is in the peers' environment only, so it is imported by name and
mypy need not find it.
"""

import importlib
import ssl
import sys
from typing import Any

web: Any = importlib.import_module("aiohttp.web")


def main(port: int, folder: str, *pem: str) -> None:
    """Serve `folder` on 127.0.0.1 until a signal ends it; `pem` is certificate and key."""
    context = None
    if pem:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*pem)
    app = web.Application()
    app.router.add_static("/", folder)
    web.run_app(
        app, host="127.0.0.1", port=port, ssl_context=context, access_log=None, print=None
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
