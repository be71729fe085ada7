"""A process for each client; the kernel switches between processes that sleep.

python examples/models/forks.py 8001 3
"""

import os
import signal
import socket
import sys
import time
from contextlib import suppress

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


def reap(*_: object) -> None:
    """Take the exit status of every child that has ended, so that no zombie is left."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def main(port: int, delay: float) -> None:
    """Accept, and leave each client to a child."""
    signal.signal(signal.SIGCHLD, reap)
    with socket.create_server(("127.0.0.1", port), backlog=4096) as server:
        while True:
            client, _ = server.accept()
            if os.fork() == 0:
                server.close()
                respond(client, delay)
                os._exit(0)
            client.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
