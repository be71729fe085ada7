"""
requests, whose own tests are run against httpbin.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import requests
from requests.auth import HTTPDigestAuth

URL = sys.argv[1]


def wrong(ask: Callable[[], object]) -> str:
    """The name of the error, and that of its cause where it is another."""
    try:
        ask()
    except requests.RequestException as error:
        cause: BaseException = error
        while cause.args and isinstance(cause.args[-1], BaseException):
            cause = cause.args[-1]
        return ": ".join(dict.fromkeys((type(error).__name__, type(cause).__name__)))
    return "none"


def main() -> None:
    """See everything."""
    session = requests.Session()
    session.trust_env = False

    def get(path: str, seconds: float = 30, **more: object) -> requests.Response:
        return session.get(URL + path, timeout=seconds, **more)  # type: ignore[arg-type]  # whatever get takes

    seen = {
        "get": get("/get?a=1").json()["args"],
        "post": session.post(f"{URL}/post", json={"a": 1}, timeout=30).json()["json"],
        "form": session.post(f"{URL}/post", data={"a": ["1", "2"]}, timeout=30).json()["form"],
        "files": session.post(f"{URL}/post", files={"f": b"text"}, timeout=30).json()["files"],
        "status": get("/status/418").status_code,
        "redirects": len(get("/redirect/3").history),
        "absolute": len(get("/absolute-redirect/2").history),
        "cookies": get("/cookies/set?a=1&b=2").json()["cookies"],
        "deleted": get("/cookies/delete?a").json()["cookies"],
        "basic": get("/basic-auth/u/p", auth=("u", "p")).json()["user"],
        "digest": [
            get(f"/digest-auth/auth/u/p/{each}", auth=HTTPDigestAuth("u", "p")).status_code
            for each in ("MD5", "SHA-256", "SHA-512")
        ],
        "gzip": get("/gzip").json()["gzipped"],
        "deflate": get("/deflate").json()["deflated"],
        "stream": len(list(get("/stream/3", stream=True).iter_lines())),
        "bytes": get("/bytes/10?seed=0").content.hex(),
        "timeout": wrong(lambda: get("/delay/5", 0.5)),
        "hang": wrong(lambda: get("/fault/hang", 0.5)),
        "faults": {
            each: wrong(lambda each=each: get(f"/fault/{each}"))  # type: ignore[misc]  # a default binds it
            for each in ("close", "reset", "truncate", "bad-length", "bad-chunk", "garbage")
        },
    }
    sys.stdout.write(json.dumps(seen))


main()
