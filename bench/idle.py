"""`python -m bench idle`: what a keep-alive connection costs while it waits after one request.

Rules: a fresh server for each row; the first connections are not counted, so that what a server
allocates once is not a connection's price; kernel memory is not in it, only resident memory.
"""

import select
import socket
import sys
import time
from contextlib import ExitStack

from bench import herd, measure, process
from bench.peers import LENGTH, Choice, choose

_WARM = 200
_SETTLE_SECONDS = 1.0
_TIMEOUT_SECONDS = 10.0


def main(choice: Choice, connections: int) -> int:
    """Print the table; 1 when a row is an error.

    Raises ValueError for a bad option and HerdError when the open files do not suffice.
    """
    herd.allow_files(connections + _WARM)
    peers, notes = choose(choice, "idle")
    header = ("server", "RSS MB before", "RSS MB with them", "KB/connection")
    cells, failed = [], False
    with process.staged(peers, choice) as stage:
        about = f"{connections} idle keep-alive connections, one request each"
        print(measure.opening(stage.versions, about, notes), flush=True)
        process.pin(stage.client_core)
        for peer in peers:
            print(peer.label, file=sys.stderr)
            try:
                with process.running(stage, peer) as server:
                    before, after = _measure(server, connections)
            except (process.StartError, OSError) as error:
                cells.append([peer.label, f"error: {error}", "", ""])
                failed = True
                continue
            each = (after - before) / connections
            sizes = (f"{before / 2**20:.1f}", f"{after / 2**20:.1f}", f"{each / 1024:.2f}")
            cells.append([peer.label, *sizes])
    print(f"\n{measure.markdown(header, cells)}")
    return int(failed)


def _measure(server: process.Server, count: int) -> tuple[int, int]:
    """Resident bytes with the uncounted connections alone, and with `count` more."""
    request = process.request(server, server.peer.path)
    pids = measure.tree(server.pid)
    with ExitStack() as stack:
        for _ in range(_WARM):
            stack.enter_context(_idle(server.port, request))
        time.sleep(_SETTLE_SECONDS)
        before = measure.rss_bytes(pids)
        guests = [stack.enter_context(_idle(server.port, request)) for _ in range(count)]
        time.sleep(_SETTLE_SECONDS)
        after = measure.rss_bytes(pids)
        _check_open(guests)
    return before, after


def _idle(port: int, request: bytes) -> socket.socket:
    """A connection that has had its one response."""
    guest = socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS)
    try:
        guest.sendall(request)
        data = b""
        while len(data.partition(b"\r\n\r\n")[2]) < LENGTH:
            if not (more := guest.recv(65536)):
                raise ConnectionError(f"closed after {len(data)} bytes")
            data += more
    except BaseException:
        guest.close()
        raise
    return guest


def _check_open(guests: list[socket.socket]) -> None:
    """Raise ConnectionError when the server has closed any: then they were not measured."""
    with select.epoll() as poll:
        for guest in guests:
            poll.register(guest, select.EPOLLIN)
        if gone := len(poll.poll(0, len(guests))):
            raise ConnectionError(f"the server closed {gone} of {len(guests)} connections")
