"""gevent's WSGI server without a log.

Rules: nothing of netd. gevent is in the peers' environment only, so it is imported by name and
mypy need not find it.
"""

import importlib
import sys
from collections.abc import Callable
from typing import Any

BODY = b"x" * 57 + b"\n"

pywsgi: Any = importlib.import_module("gevent.pywsgi")


def answer(
    _environ: object, start: Callable[[str, list[tuple[str, str]]], object]
) -> list[bytes]:
    """The 58 bytes."""
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))])
    return [BODY]


if __name__ == "__main__":
    pem = dict(zip(("certfile", "keyfile"), sys.argv[2:], strict=False))
    pywsgi.WSGIServer(("127.0.0.1", int(sys.argv[1])), answer, log=None, **pem).serve_forever()
