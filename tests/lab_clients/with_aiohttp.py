"""
aiohttp.
"""

from __future__ import annotations

import asyncio
import json
import sys

import aiohttp

URL = sys.argv[1]


async def main() -> None:
    """See everything."""
    # Cookies of an address in digits are not kept otherwise.
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:

        async def get(path: str, seconds: float = 30) -> object:
            timeout = aiohttp.ClientTimeout(total=seconds)
            async with session.get(URL + path, timeout=timeout) as response:
                return json.loads(await response.read())

        async def wrong(path: str, seconds: float = 30) -> str:
            try:
                await get(path, seconds)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                return type(error).__name__
            return "none"

        async with session.post(f"{URL}/post", json={"a": 1}) as response:
            posted = (await response.json())["json"]
        form = aiohttp.FormData({"a": "1"})
        form.add_field("f", b"text", filename="x")
        async with session.post(f"{URL}/post", data=form) as response:
            both = await response.json()
        async with session.get(f"{URL}/status/418") as response:
            status = response.status
        async with session.get(f"{URL}/redirect/3") as response:
            redirects = len(response.history)
        named = {"Authorization": "Basic dTpw"}
        async with session.get(f"{URL}/basic-auth/u/p", headers=named) as response:
            user = (await response.json())["user"]
        async with session.get(f"{URL}/stream/3") as response:
            lines = [line async for line in response.content]
        faults = ("close", "reset", "truncate", "bad-length", "bad-chunk", "garbage")
        seen = {
            "get": (await get("/get?a=1"))["args"],  # type: ignore[index]  # JSON
            "post": posted,
            "form": both["form"],
            "files": both["files"],
            "status": status,
            "redirects": redirects,
            "cookies": (await get("/cookies/set?a=1&b=2"))["cookies"],  # type: ignore[index]
            "basic": user,
            "gzip": (await get("/gzip"))["gzipped"],  # type: ignore[index]
            "stream": len(lines),
            "timeout": await wrong("/delay/5", 0.5),
            "hang": await wrong("/fault/hang", 0.5),
            "faults": {each: await wrong(f"/fault/{each}") for each in faults},
        }
    sys.stdout.write(json.dumps(seen))


asyncio.run(main())
