"""
treq, Twisted's own.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import treq
from twisted.internet.task import react

URL = sys.argv[1]


async def main(reactor: Any) -> None:
    """See everything."""

    async def get(path: str, seconds: float = 30, **more: Any) -> Any:
        response = await treq.get(URL + path, timeout=seconds, **more)
        return response, await response.content()

    async def wrong(path: str, seconds: float = 30) -> str:
        try:
            await get(path, seconds)
        except Exception as error:
            return type(error).__name__
        return "none"

    posted = await (await treq.post(f"{URL}/post", json={"a": 1})).json()
    form = await (await treq.post(f"{URL}/post", data=[("a", "1"), ("a", "2")])).json()
    redirected, _ = await get("/redirect/3")
    _, user = await get("/basic-auth/u/p", auth=("u", "p"))
    faults = ("close", "reset", "truncate", "bad-chunk", "garbage")
    seen = {
        "get": json.loads((await get("/get?a=1"))[1])["args"],
        "post": posted["json"],
        "form": form["form"],
        "status": (await get("/status/418"))[0].code,
        "redirects": len(redirected.history()),
        "basic": json.loads(user)["user"],
        "gzip": json.loads((await get("/gzip"))[1])["gzipped"],
        "stream": len((await get("/stream/3"))[1].splitlines()),
        "timeout": await wrong("/delay/5", 0.5),
        "hang": await wrong("/fault/hang", 0.5),
        "faults": {each: await wrong(f"/fault/{each}") for each in faults},
    }
    sys.stdout.write(json.dumps(seen))


react(main)
