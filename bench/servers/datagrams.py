"""A UDP echo on stock Twisted or asyncio, the way their manuals write it.

Rules: nothing of netd; `datagrams.py twisted|asyncio PORT`, on 127.0.0.1 until it is ended.
"""

import asyncio
import importlib
import sys
from typing import Any


def _twisted(port: int) -> None:
    """`listenUDP` with a DatagramProtocol."""
    protocol: Any = importlib.import_module("twisted.internet.protocol")
    reactor: Any = importlib.import_module("twisted.internet.reactor")

    class Echo(protocol.DatagramProtocol):  # type: ignore[misc]  # imported by name
        """Writes what it gets."""

        def datagramReceived(self, data: bytes, address: object) -> None:
            """One datagram."""
            self.transport.write(data, address)

    reactor.listenUDP(port, Echo(), interface="127.0.0.1")
    reactor.run()


class _Echo(asyncio.DatagramProtocol):
    """Sends what it gets."""

    transport: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """One datagram."""
        self.transport.sendto(data, addr)


async def _asyncio(port: int) -> None:
    """`create_datagram_endpoint` with a DatagramProtocol."""
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(_Echo, ("127.0.0.1", port))
    await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1] == "twisted":
        _twisted(int(sys.argv[2]))
    else:
        asyncio.run(_asyncio(int(sys.argv[2])))
