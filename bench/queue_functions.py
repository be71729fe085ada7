"""The functions that `bench/queue.py` has workers run."""

import time

from netd.xmlrpc.registry import rpc

__all__ = ["big", "compute", "empty", "sleep"]


@rpc(offload=True)
def empty() -> bool:
    """Nothing."""
    return True


@rpc(offload=True)
def sleep(seconds: float) -> float:
    """Sleep."""
    time.sleep(seconds)
    return seconds


@rpc(offload=True)
def compute(seconds: float) -> float:
    """Use so much CPU time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return seconds


@rpc(offload=True)
def big(size: int) -> bytes:
    """So many bytes."""
    return bytes(size)
