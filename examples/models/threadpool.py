"""Ten threads, made beforehand; each serves one client at a time.

python examples/models/threadpool.py 8001 3
"""

import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

THREADS = 10
HEAD = b"HTTP/1.0 200 OK\r\nContent-Length: 58\r\n\r\n"
BODY = b"Five clients at once: they wait in turn, or all together.\n"


def respond(client: socket.socket, delay: float) -> None:
    """Read the request, send the head of the response, and after the delay its body."""
    # An OSError means that the client has left.
    with suppress(OSError), client, client.makefile("rb") as request:
        while request.readline().strip():
            pass
        client.sendall(HEAD)
        time.sleep(delay)
        client.sendall(BODY)


def main(port: int, delay: float) -> None:
    """Accept every client, and queue it for a thread of the pool."""
    pool = ThreadPoolExecutor(THREADS)
    with socket.create_server(("127.0.0.1", port), backlog=4096) as server:
        while True:
            client, _ = server.accept()
            pool.submit(respond, client, delay)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
