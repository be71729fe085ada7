"""One thread; a greenlet for each client seems to block, and gevent's hub switches.

python examples/models/gevent_.py 8001 3
"""

import sys
from contextlib import suppress

import gevent
from gevent.server import StreamServer
from gevent.socket import socket

HEAD = b"HTTP/1.0 200 OK\r\nContent-Length: 58\r\n\r\n"
BODY = b"Five clients at once: they wait in turn, or all together.\n"


def main(port: int, delay: float) -> None:
    """A greenlet for each client."""

    def respond(client: socket, _: tuple[str, int]) -> None:
        # An OSError means that the client has left.
        with suppress(OSError), client, client.makefile("rb") as request:
            while request.readline().strip():
                pass
            client.sendall(HEAD)
            gevent.sleep(delay)
            client.sendall(BODY)

    StreamServer(("127.0.0.1", port), respond, backlog=4096).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
