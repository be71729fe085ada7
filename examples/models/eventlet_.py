"""One thread; a green thread for each client seems to block, and eventlet's hub switches.

python examples/models/eventlet_.py 8001 3
"""

import sys
from contextlib import suppress

import eventlet

HEAD = b"HTTP/1.0 200 OK\r\nContent-Length: 58\r\n\r\n"
BODY = b"Five clients at once: they wait in turn, or all together.\n"


def respond(client: eventlet.greenio.GreenSocket, delay: float) -> None:
    """Read the request, send the head of the response, and after the delay its body."""
    # An OSError means that the client has left.
    with suppress(OSError), client, client.makefile("rb") as request:
        while request.readline().strip():
            pass
        client.sendall(HEAD)
        eventlet.sleep(delay)
        client.sendall(BODY)


def main(port: int, delay: float) -> None:
    """A green thread for each client."""
    server = eventlet.listen(("127.0.0.1", port), backlog=4096)
    while True:
        client, _ = server.accept()
        eventlet.spawn_n(respond, client, delay)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
