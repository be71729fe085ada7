"""An aiohttp server: an ordinary application with a router and no access log.

`aio.py PORT TREE [CERTIFICATE KEY]`; an empty TREE is the 58 bytes, 3 s later under /delay/.

Rules: nothing of netd. aiohttp is in the peers' environment only, so it is imported by name and
mypy need not find it.
"""

import asyncio
import importlib
import ssl
import sys
from typing import Any

BODY = b"x" * 57 + b"\n"
SLOW_SECONDS = 3

web: Any = importlib.import_module("aiohttp.web")


async def _answer(_request: object) -> object:
    """The 58 bytes."""
    return web.Response(body=BODY, content_type="text/plain")


async def _slow(_request: object) -> object:
    """The 58 bytes after 3 s."""
    await asyncio.sleep(SLOW_SECONDS)
    return web.Response(body=BODY, content_type="text/plain")


def main(port: int, tree: str, *pem: str) -> None:
    """Serve on 127.0.0.1 until a signal ends it."""
    context = None
    if pem:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*pem)
    app = web.Application()
    if tree:
        app.router.add_static("/", tree)
    else:
        app.router.add_get("/", _answer)
        app.router.add_get("/delay/{seconds}", _slow)
    web.run_app(
        app, host="127.0.0.1", port=port, ssl_context=context, access_log=None, print=None
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
