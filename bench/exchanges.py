"""What the clients of `python -m bench soak` do: one exchange of each kind.

Rules: each exchange checks what it receives; a WrongResponseError says what was wrong.
"""

import asyncio
import os
import socket
import xmlrpc.client
from collections.abc import Awaitable, Callable
from typing import NamedTuple

PACE_SECONDS = 0.02
"""The pause of a client between two exchanges."""


class WrongResponseError(Exception):
    """The response is not what was asked for."""


class Ports(NamedTuple):
    """Where the daemon listens, on 127.0.0.1."""

    http: int
    echo: int
    udp: int


Exchange = Callable[[Ports], Awaitable[None]]


async def _ask(ports: Ports, requests: list[bytes], expected: Callable[[bytes], bool]) -> None:
    """Send requests on one connection, one after the other, and check each response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", ports.http)
    try:
        for request in requests:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
            body = await reader.readexactly(int(length))
            if not head.startswith(b"HTTP/1.1 200 ") or not expected(body):
                raise WrongResponseError(head.partition(b"\r")[0].decode("latin-1"))
    finally:
        writer.close()
        await writer.wait_closed()


def _request(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


async def _get(ports: Ports) -> None:
    await _ask(ports, [_request("/get?a=b")] * 5, lambda body: b'"a": "b"' in body)


async def _delayed(ports: Ports) -> None:
    await _ask(ports, [_request("/echo?delay=50ms")] * 2, lambda body: len(body) == 58)


async def _leave(ports: Ports) -> None:
    """Ask for a long response, and close the connection before it ends."""
    _, writer = await asyncio.open_connection("127.0.0.1", ports.http)
    writer.write(_request("/drip?duration=5&numbytes=50"))
    await asyncio.sleep(PACE_SECONDS)
    writer.close()
    await writer.wait_closed()


async def _file(ports: Ports) -> None:
    await _ask(ports, [_request("/files/primes.csv"), _request("/files/zeros.bin")], bool)


_CALL = xmlrpc.client.dumps((3, 4), "pow").encode()


async def _call(ports: Ports) -> None:
    head = "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
    request = f"{head}Content-Length: {len(_CALL)}\r\n\r\n".encode() + _CALL
    await _ask(ports, [request] * 3, lambda body: b">81<" in body)


async def _echo(ports: Ports) -> None:
    data = os.urandom(2000)
    reader, writer = await asyncio.open_connection("127.0.0.1", ports.echo)
    try:
        writer.write(data)
        if await reader.readexactly(len(data)) != data:
            raise WrongResponseError("other bytes")
    finally:
        writer.close()
        await writer.wait_closed()


async def _datagram(ports: Ports) -> None:
    loop = asyncio.get_running_loop()
    data = os.urandom(500)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(("127.0.0.1", ports.udp))
        await loop.sock_sendall(sock, data)
        if await loop.sock_recv(sock, 2000) != data:
            raise WrongResponseError("another datagram")


EXCHANGES: dict[str, Exchange] = {
    "HTTP, kept alive": _get,
    "HTTP, delayed": _delayed,
    "HTTP, left in the middle": _leave,
    "files": _file,
    "XML-RPC": _call,
    "TCP echo": _echo,
    "UDP echo": _datagram,
}
