"""
Functions that the tests distribute; NETD_TEST_VERSION=2 is a later version of them.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from netd.xmlrpc.faults import Fault
from netd.xmlrpc.registry import rpc

__all__ = [
    "big",
    "boom",
    "changed",
    "die",
    "far",
    "fault",
    "gpu",
    "gpu_soon",
    "mark",
    "same",
    "say",
    "sleep",
    "text",
    "until",
]

_SECONDS = 300.0
"""More than any load of the machine makes a call wait."""
_plain = rpc(offload=True, timeout=_SECONDS)
_SECOND = os.environ.get("NETD_TEST_VERSION") == "2"


@_plain
def sleep(seconds: float) -> float:
    """Sleep."""
    time.sleep(seconds)
    return seconds


@_plain
def until(path: str) -> bool:
    """Wait for a file."""
    while not Path(path).exists():
        time.sleep(0.01)
    return True


@rpc(offload=True, queue="far", timeout=_SECONDS)
def far(seconds: float) -> float:
    """Sleep far away."""
    time.sleep(seconds)
    return seconds


@_plain
def mark(path: str, seconds: float) -> int:
    """Add a line to a file, then sleep; gives the process id."""
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(seconds)
    return os.getpid()


@_plain
def same(value):  # type: ignore[no-untyped-def]  # of any type
    """The value."""
    return value


@_plain
def text(value):  # type: ignore[no-untyped-def]  # of any type
    """How Python prints the value."""
    return str(value)


@_plain
def big(size: int) -> bytes:
    """So many bytes."""
    return bytes(size)


@_plain
def boom() -> int:
    """A bug."""
    return 1 // 0


@_plain
def fault() -> None:
    """A fault of its own."""
    raise Fault(77, "on purpose")


@_plain
def die() -> None:
    """Kill the process."""
    os.kill(os.getpid(), signal.SIGKILL)


@_plain
def say(line: str) -> bool:
    """Print."""
    print(line)  # noqa: T201
    return True


@rpc(offload=True, queue="gpu", timeout=_SECONDS)
def gpu() -> str:
    """Something for other workers."""
    return "gpu"


@rpc(offload=True, queue="gpu", timeout=1)
def gpu_soon() -> str:
    """Something for other workers that cannot wait."""
    return "gpu"


if _SECOND:

    @_plain
    def changed(value: str) -> str:
        """A method whose signature changed."""
        return value

    @_plain
    def added() -> int:
        """A method that the first version has not."""
        return 1

    __all__ += ["added"]  # a list of strings

else:

    @_plain
    def changed(value: int) -> int:  # type: ignore[misc]  # the other version
        """A method whose signature changed."""
        return value
