"""
What twistd asks the plugin for: Options and makeService.

Rules: the reactor is imported here and nowhere below; whatever the operator
got wrong leaves as one line on stderr and exit status 1.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.python.usage import UsageError

from netd import daemon
from netd.ops.inherited import inherited
from netd.options import command
from netd.options.lines import one_line
from netd.options.printed import as_toml
from netd.settings import Settings


@contextmanager
def _one_line() -> Iterator[None]:
    """Turn UsageError into the end of the process, said in one line."""
    try:
        yield
    except UsageError as wrong:
        raise SystemExit(f"netd: {one_line(str(wrong))}") from None


class Options(command.Options):
    """netd's options as a twistd subcommand; `--print-config` and `--check-config` end here."""

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse; SystemExit with one line for whatever is wrong."""
        with _one_line():
            super().parseOptions(options)
            if self["print-config"]:
                sys.stdout.write(as_toml(self.said))
                raise SystemExit(0)
            if self["check-config"]:
                daemon.build(self.settings, _reactor())
                sys.stdout.write("netd: the configuration is good\n")
                raise SystemExit(0)

    def reread(self) -> Settings:
        """What is asked for now; UsageError, in one line, says what is wrong."""
        self.settle()
        return self.settings


def _reactor() -> Any:
    """The reactor on a clock that nobody can set."""
    from twisted.internet import reactor

    # Its own is the time of day, and a step of that would move every delay.
    reactor.seconds = time.monotonic  # type: ignore[method-assign]
    return reactor


def makeService(options: Options) -> IService:
    """The daemon, bound to its addresses; SystemExit with one line when it cannot be."""
    with _one_line():
        found = inherited(options.environ, os.getpid())
        house = daemon.build(
            options.settings, _reactor(), options.environ, options.reread, found
        )
        # Bound now, while stderr is still the operator's; the call that twistd
        # makes later finds it done.
        try:
            MultiService.privilegedStartService(house)
        except UsageError:
            house.abandon()
            raise
    return house
