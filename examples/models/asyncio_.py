"""One thread; the event loop of asyncio, once called tulip, resumes each coroutine when due.

python examples/models/asyncio_.py 8001 3
"""

import asyncio
import sys
from contextlib import suppress

HEAD = b"HTTP/1.0 200 OK\r\nContent-Length: 58\r\n\r\n"
BODY = b"Five clients at once: they wait in turn, or all together.\n"


async def main(port: int, delay: float) -> None:
    """A coroutine for each client."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Either error means that the client has left.
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD)
            await asyncio.sleep(delay)
            writer.write(BODY)
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
