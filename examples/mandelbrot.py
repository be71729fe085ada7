"""
A picture that is worth many machines: each call computes some of its rows.

    netd --rpc art=examples.mandelbrot
    python -m examples.mandelbrot http://localhost:8000 mandelbrot.pgm

netd's own processes compute it; with `--rpc-queue` Celery workers do, on any number of
machines, and neither the functions nor the client change.
"""

from __future__ import annotations

import sys
import xmlrpc.client
from pathlib import Path

from netd.xmlrpc.faults import BadParameters
from netd.xmlrpc.registry import rpc

__all__ = ["rows"]

WIDTH, HEIGHT = 480, 320
"""Pixels of the client's picture."""
AT_A_TIME = 10
"""Rows of one call: small enough to spread, large enough that sending them costs nothing."""


def _brightness(real: float, imaginary: float, steps: int) -> int:
    """How soon a point leaves the set's circle; 0: not within `steps`."""
    point, start = 0j, complex(real, imaginary)
    for step in range(steps):
        if abs(point) > 2:
            return 255 - 255 * step // steps
        point = point * point + start
    return 0


@rpc(offload=True, timeout=20)
def rows(width: int, height: int, first: int, count: int, steps: int = 100) -> bytes:
    """
    Rows `first` to `first + count` of a picture of the Mandelbrot set, a byte for a pixel.
    """
    if not (0 < width <= 4096 and 0 <= first < height <= 4096 and 0 < count <= 64):
        raise BadParameters("a picture has 4096 x 4096 pixels at most, a call 64 rows")
    if not 0 < steps <= 1000:
        raise BadParameters("steps must be within 1 and 1000")
    return bytes(
        _brightness(3 * column / width - 2.25, 2 * row / height - 1, steps)
        for row in range(first, min(first + count, height))
        for column in range(width)
    )


def main(url: str, path: str) -> None:
    """Have the picture computed, and write it as a Portable Graymap."""
    with xmlrpc.client.ServerProxy(url, use_builtin_types=True) as server:
        calls = xmlrpc.client.MultiCall(server)
        for first in range(0, HEIGHT, AT_A_TIME):
            calls.art.rows(WIDTH, HEIGHT, first, AT_A_TIME)
        # All calls begin at the same time; the results stand in their order.
        picture = b"".join(calls())
    Path(path).write_bytes(b"P5 %d %d 255\n" % (WIDTH, HEIGHT) + picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
