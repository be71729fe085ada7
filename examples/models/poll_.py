"""One thread; poll() says which sockets are ready, a heap whose delay is over next.

python examples/models/poll_.py 8001 3
"""

import heapq
import select
import socket
import sys
import time
from contextlib import suppress

HEAD = b"HTTP/1.0 200 OK\r\nContent-Length: 58\r\n\r\n"
BODY = b"Five clients at once: they wait in turn, or all together.\n"


def main(port: int, delay: float) -> None:
    """Wait for whatever comes first: a client, a request or the end of a delay."""
    server = socket.create_server(("127.0.0.1", port), backlog=4096)
    poll = select.poll()
    poll.register(server, select.POLLIN)
    clients: dict[int, socket.socket] = {}
    deadlines: list[tuple[float, int, socket.socket]] = []
    while True:
        wait = max(0.0, deadlines[0][0] - time.monotonic()) if deadlines else None
        for number, _ in poll.poll(None if wait is None else wait * 1000):
            if number == server.fileno():
                client, _ = server.accept()
                clients[client.fileno()] = client
                poll.register(client, select.POLLIN)
                continue
            client = clients.pop(number)
            poll.unregister(client)
            # An OSError means that the client has left; so few bytes come and go in one piece.
            with suppress(OSError):
                client.recv(65536)
                client.sendall(HEAD)
            heapq.heappush(deadlines, (time.monotonic() + delay, client.fileno(), client))
        while deadlines and deadlines[0][0] <= time.monotonic():
            _, _, client = heapq.heappop(deadlines)
            with suppress(OSError), client:
                client.sendall(BODY)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
