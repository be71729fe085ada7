"""
What the tests of --workers ask of a daemon's processes.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from tests.clients import samples
from tests.running import DEADLINE, Daemon, alive, children, eventually


def get(daemon: Daemon, path: str, name: str = "http") -> tuple[int, str]:
    """The status and the body of a response on a connection of its own."""
    connection = http.client.HTTPConnection(*daemon.address(name), timeout=DEADLINE)
    with closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()


def who(daemon: Daemon) -> tuple[int, int]:
    """The number and the process id of the worker that a new connection reaches."""
    status, text = get(daemon, "/healthz")
    found = re.fullmatch(r"ok worker (\d+) of \d+ pid (\d+)\n", text)
    if status != 200 or found is None:
        raise AssertionError(f"{status}: {text}")
    return int(found[1]), int(found[2])


def template(daemon: Daemon) -> int:
    """The process id of the template."""
    (pid,) = children(daemon.pid)
    return pid


def workers(daemon: Daemon) -> list[int]:
    """The process ids of the workers that run."""
    return [pid for pid in children(template(daemon)) if alive(pid)]


def replaced(daemon: Daemon, gone: int, number: int) -> list[int]:
    """Wait until `gone` is replaced and all of `number` workers serve; their process ids."""
    expected = (200, f"ready {number} of {number}\n")

    def present() -> list[int] | None:
        now = workers(daemon)
        # A worker that is about to end may accept the connection.
        with contextlib.suppress(OSError, http.client.HTTPException):
            if gone not in now and len(now) == number and get(daemon, "/readyz") == expected:
                return now
        return None

    return eventually(present, f"a worker in place of {gone}")


def group(daemon: Daemon) -> list[int]:
    """Every process of the daemon."""
    return [daemon.pid, template(daemon), *workers(daemon)]


def signal_all(processes: Iterable[int], number: signal.Signals) -> None:
    """
    Send a signal to each process, as systemd does to all of a control group.

    One that the signal of another has ended meanwhile is passed over.
    """
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def metrics(daemon: Daemon, name: str = "http") -> dict[tuple[str, ...], float]:
    """The samples of /metrics."""
    return samples(get(daemon, "/metrics", name)[1])


def descriptors(pid: int) -> dict[int, str]:
    """What each open descriptor of a process is; one that closes meanwhile may be missing."""
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[int(link.name)] = str(link.readlink())
    return found
