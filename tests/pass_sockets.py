"""
Start a command with inherited sockets, as a service manager does.

Rules: runs in a process of its own, which becomes COMMAND; the standard library only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from socket import socket

_FIRST = 3


def way(names: Sequence[str] | None, sockets: Sequence[socket]) -> tuple[str, ...]:
    """The words before a command that is to inherit `sockets`; None gives them no names."""
    numbers = ",".join(str(sock.fileno()) for sock in sockets)
    return (sys.executable, "-m", "tests.pass_sockets", ":".join(names or ()), numbers)


def main(names: str, numbers: str, *command: str) -> None:
    """Become `command`, with the sockets at the descriptors from 3 on."""
    # Copies at high numbers first, so that the numbers from 3 on are free.
    far = [os.dup2(int(each), 200 + place) for place, each in enumerate(numbers.split(","))]
    for place, each in enumerate(far, _FIRST):
        os.dup2(each, place)
        os.close(each)
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(far))}
    if names:
        os.environ["LISTEN_FDNAMES"] = names
    os.execv(command[0], command)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
