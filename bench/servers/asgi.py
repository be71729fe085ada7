"""A raw ASGI application for uvicorn: no framework between the server and the response.

Rules: knows the ASGI protocol only; uvicorn's options are in `bench/peers.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

BODY = b"x" * 57 + b"\n"
SLOW_SECONDS = 3

_Message = MutableMapping[str, Any]
_START: _Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"58")],
}
_BODY: _Message = {"type": "http.response.body", "body": BODY}


async def app(
    scope: _Message,
    receive: Callable[[], Awaitable[_Message]],
    send: Callable[[_Message], Awaitable[None]],
) -> None:
    """The 58 bytes at every path, 3 s later under /delay/."""
    if scope["path"].startswith("/delay/"):
        await asyncio.sleep(SLOW_SECONDS)
    await send(_START)
    await send(_BODY)
