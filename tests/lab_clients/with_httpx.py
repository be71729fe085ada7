"""
httpx, on h11.
"""

from __future__ import annotations

import json
import sys

import httpx

URL = sys.argv[1]


def main() -> None:
    """See everything."""
    client = httpx.Client(base_url=URL, trust_env=False, follow_redirects=True, timeout=30)

    def wrong(path: str, seconds: float = 30) -> str:
        try:
            client.get(path, timeout=seconds)
        except httpx.HTTPError as error:
            return type(error).__name__
        return "none"

    with client.stream("GET", "/stream/3") as streamed:
        lines = list(streamed.iter_lines())
    seen = {
        "get": client.get("/get?a=1").json()["args"],
        "post": client.post("/post", json={"a": 1}).json()["json"],
        "form": client.post("/post", data={"a": ["1", "2"]}).json()["form"],
        "files": client.post("/post", files={"f": b"text"}).json()["files"],
        "status": client.get("/status/418").status_code,
        "redirects": len(client.get("/redirect/3").history),
        "cookies": client.get("/cookies/set?a=1&b=2").json()["cookies"],
        "basic": client.get("/basic-auth/u/p", auth=("u", "p")).json()["user"],
        "digest": [
            client.get(
                f"/digest-auth/{qop}/u/p/{each}", auth=httpx.DigestAuth("u", "p")
            ).status_code
            for each in ("MD5", "SHA-256", "SHA-512")
            for qop in ("auth",)
        ],
        "gzip": client.get("/gzip").json()["gzipped"],
        "stream": len(lines),
        "timeout": wrong("/delay/5", 0.5),
        "hang": wrong("/fault/hang", 0.5),
        "faults": {
            each: wrong(f"/fault/{each}")
            for each in ("close", "reset", "truncate", "bad-length", "bad-chunk", "garbage")
        },
    }
    sys.stdout.write(json.dumps(seen))


main()
