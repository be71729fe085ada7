"""A Tornado server: an ordinary application with one route.

Rules: nothing of netd. Tornado is in the peers' environment only, so it is imported by name and
mypy need not find it.
"""

import asyncio
import importlib
import logging
import ssl
import sys
from typing import Any

BODY = b"x" * 57 + b"\n"

httpserver: Any = importlib.import_module("tornado.httpserver")
web: Any = importlib.import_module("tornado.web")


class Answer(web.RequestHandler):  # type: ignore[misc]  # imported by name
    """The 58 bytes."""

    def get(self) -> None:
        """Respond."""
        self.set_header("Content-Type", "text/plain")
        self.write(BODY)


async def _serve(port: int, pem: list[str]) -> None:
    context = None
    if pem:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*pem)
    server = httpserver.HTTPServer(web.Application([("/", Answer)]), ssl_options=context)
    server.listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2:]))
