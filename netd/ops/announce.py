"""
The line that tells the starter of a daemon where it listens (--announce).

Rules: a pipe or a file and no socket, for starters that have or allow none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from twisted.application.service import Service
from twisted.logger import Logger
from twisted.python.usage import UsageError

from netd.counters import Counters
from netd.ops.logging.line_writer import LineWriter

_log = Logger()

STANDARD_OUTPUT: Final = Path("-")
"""The target that is standard output."""


class Announcer(Service):
    """
    Writes `READY {"pid": 1, "listen": {"http": "tcp:40123:interface=127.0.0.1"}}`.

    That is one line, once every listener is bound; each address is as in the
    READY notification.  A file appears whole, and is removed at a stop and
    before a start, so that no starter reads addresses of another run.
    UsageError when there is no directory to write it into.
    """

    def __init__(
        self,
        reactor: Any,
        target: Path,
        listening: Callable[[], Mapping[str, str]],
        stdout: int = 1,
    ) -> None:
        self._reactor = reactor
        self._stdout = stdout
        self._listening = listening
        # Made absolute now: twistd may change the directory later.
        self._path = None if target == STANDARD_OUTPUT else target.absolute()
        if self._path is not None:
            _check(self._path, target)

    def startService(self) -> None:
        """Announce as soon as the reactor runs and handles signals."""
        Service.startService(self)
        if self._path is not None:
            self._try(self._path.unlink, True)
        self._reactor.callWhenRunning(self._ready)

    def stopService(self) -> None:
        """Take the file away."""
        Service.stopService(self)
        if self._path is not None:
            self._try(self._path.unlink, True)

    def _ready(self) -> None:
        if self.running:
            facts = {"pid": os.getpid(), "listen": dict(self._listening())}
            self._try(self._write, f"READY {json.dumps(facts)}\n".encode())

    def _write(self, line: bytes) -> None:
        if self._path is None:
            LineWriter(self._stdout, self._reactor, Counters()).write_now(line)
            return
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        beside.write_bytes(line)
        beside.replace(self._path)

    def _try(self, function: Callable[[Any], object], argument: object) -> None:
        """Call `function`; the daemon serves although nobody may hear of it."""
        try:
            function(argument)
        except OSError as error:
            where = self._path or "stdout"
            _log.warn("--announce {where}: {why}", where=where, why=error.strerror)


def _check(path: Path, target: Path) -> None:
    if path.exists() and not path.is_file():
        raise UsageError(f"--announce {target}: is no regular file")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"--announce {target}: no file can be made in {path.parent}")
