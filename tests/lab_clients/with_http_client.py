"""
http.client, which does nothing by itself.
"""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

HOST = urlsplit(sys.argv[1]).netloc


def ask(method: str, path: str, body: str | None = None, seconds: float = 30) -> Any:
    """The response, read."""
    connection = http.client.HTTPConnection(HOST, timeout=seconds)
    kind = {"Content-Type": "application/json"} if body else {}
    connection.request(method, path, body, kind)
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response, data


def wrong(ask_it: Callable[[], object]) -> str:
    """The name of the error."""
    try:
        ask_it()
    except Exception as error:
        return type(error).__name__
    return "none"


def main() -> None:
    """See everything."""

    def fault(kind: str) -> str:
        return wrong(lambda: ask("GET", f"/fault/{kind}"))

    faults = ("close", "reset", "truncate", "bad-chunk", "garbage")
    seen = {
        "get": json.loads(ask("GET", "/get?a=1")[1])["args"],
        "post": json.loads(ask("POST", "/post", '{"a": 1}')[1])["json"],
        "status": ask("GET", "/status/418")[0].status,
        "stream": len(ask("GET", "/stream/3")[1].splitlines()),
        "drip": len(ask("GET", "/drip?numbytes=5&duration=200ms")[1]),
        "timeout": wrong(lambda: ask("GET", "/delay/5", seconds=0.5)),
        "hang": wrong(lambda: ask("GET", "/fault/hang", seconds=0.5)),
        "faults": {each: fault(each) for each in faults},
    }
    sys.stdout.write(json.dumps(seen))


main()
