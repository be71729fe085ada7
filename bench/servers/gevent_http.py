"""gevent's WSGI server without a log.

Rules: nothing of netd. gevent is in the peers' environment only, so it is imported by name and
mypy need not find it.
"""

import importlib
import socket
import sys
from collections.abc import Callable
from typing import Any

BODY = b"x" * 57 + b"\n"

pywsgi: Any = importlib.import_module("gevent.pywsgi")


def answer(
    environ: dict[str, str], start: Callable[[str, list[tuple[str, str]]], object]
) -> list[bytes]:
    """The 58 bytes."""
    fields = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]
    if environ.get("HTTP_CONNECTION") == "close":  # it closes and does not say so by itself
        fields.append(("Connection", "close"))
    start("200 OK", fields)
    return [BODY]


if __name__ == "__main__":
    pem = dict(zip(("certfile", "keyfile"), sys.argv[2:], strict=False))
    server = pywsgi.WSGIServer(("127.0.0.1", int(sys.argv[1])), answer, log=None, **pem)
    server.start()
    # It sends head and body apart, which Nagle makes 40 ms; accepted sockets inherit this.
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.serve_forever()
