"""
What twistd asks the plugin for: Options and makeService.

Rules: the reactor is imported here and nowhere below; whatever the operator
got wrong leaves as one line on stderr and exit status 1.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from twisted.application.service import IService, MultiService
from twisted.python.usage import UsageError

from netd import daemon
from netd.ops.inherited import inherited
from netd.ops.logging.setup import STDOUT
from netd.options import cli
from netd.options.completion import script
from netd.options.dump import dump
from netd.options.messages import one_line
from netd.settings import Settings


@contextmanager
def _one_line() -> Iterator[None]:
    """Turn UsageError into the end of the process, said in one line."""
    try:
        yield
    except UsageError as wrong:
        raise SystemExit(f"netd: {one_line(str(wrong))}") from None


class Options(cli.Options):
    """netd's options as a twistd subcommand; `--print-config` and `--check-config` end here."""

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse; SystemExit with one line for whatever is wrong."""
        with _one_line():
            super().parseOptions(options)
            if self["completion"] is not None:
                sys.stdout.write(_completion(self["completion"]))
                raise SystemExit(0)
            if self["healthcheck"]:
                raise SystemExit(self._health())
            if self["print-config"]:
                sys.stdout.write(dump(self.said))
                raise SystemExit(0)
            if self["check-config"]:
                daemon.build(self.settings, _reactor())
                sys.stdout.write("netd: the configuration is good\n")
                raise SystemExit(0)

    def _health(self) -> int:
        """What came of --healthcheck, as an exit status."""
        # Here, for it brings an HTTP client that no daemon needs.
        from netd.ops import healthcheck

        ca = None if self["ca"] is None else Path(self["ca"])
        return healthcheck.run(self.url or healthcheck.default(self.settings), ca)

    def reread(self) -> Settings:
        """What is asked for now; UsageError, in one line, says what is wrong."""
        self.settle()
        return self.settings


def _completion(shell: str) -> str:
    try:
        return script(shell)
    except ValueError as wrong:
        raise UsageError(f"--completion {shell}: {wrong}") from None


def _reactor() -> Any:
    """The reactor on a clock that nobody can set."""
    from twisted.internet import reactor

    # Its own is the time of day, and a step of that would move every delay.
    reactor.seconds = time.monotonic  # type: ignore[method-assign]
    return reactor


# The first is how many objects of cyclic garbage may lie about before it is looked for.
_COLLECT_AFTER: Final = (2_000, 20, 20)


def _collect_seldom() -> None:
    """Let the garbage collector pause connections less often, and for less."""
    gc.collect()
    # What is alive now lives as long as the daemon: it need not be looked at again.
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


def _output(twistd: Any) -> str | int | None:
    """Where twistd writes the daemon's lines: a file, a descriptor; None: that is not known."""
    if twistd is None or twistd.get("logger") or twistd.get("syslog"):
        return None
    file: str | None = twistd.get("logfile")
    if file and file != "-":
        return file
    return STDOUT if file or twistd.get("nodaemon") else "twistd.log"


def makeService(options: Options) -> IService:
    """The daemon, bound to its addresses; SystemExit with one line when it cannot be."""
    with _one_line():
        found = inherited(options.environ, os.getpid())
        house = daemon.build(
            options.settings,
            _reactor(),
            options.environ,
            options.reread,
            found,
            output=_output(options.parent),
        )
        # Bound now, while stderr is still the operator's; the call that twistd
        # makes later finds it done.
        try:
            MultiService.privilegedStartService(house)
        except UsageError:
            house.abandon()
            raise
    _collect_seldom()
    return house
