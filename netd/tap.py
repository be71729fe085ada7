"""
What twistd asks the plugin for: Options and makeService.

Rules: the reactor is imported here and nowhere below; a mistake of the operator
ends the process with one line on stderr and status 1.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from twisted.application.service import IService
from twisted.python.usage import UsageError

from netd import daemon
from netd.ops import pid_file
from netd.ops.announce import STANDARD_OUTPUT
from netd.ops.inherited import inherited
from netd.ops.logging.setup import STDOUT
from netd.options import cli
from netd.options.completion import script
from netd.options.toml import dump
from netd.values import Duration, escape_unprintable

T = TypeVar("T")


@contextmanager
def _exit_on_usage_error() -> Iterator[None]:
    """Turn UsageError into the end of the process, with one line that says why."""
    try:
        yield
    except UsageError as error:
        raise SystemExit(f"netd: {escape_unprintable(str(error))}") from None


class Options(cli.Options):
    """netd's options as a twistd subcommand; `--print-config` and `--check-config` end here."""

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse; SystemExit with one line that says what is wrong."""
        with _exit_on_usage_error():
            super().parseOptions(options)
            if self["completion"] is not None:
                sys.stdout.write(_parsed("completion", script, self["completion"]))
                raise SystemExit(0)
            if self["healthcheck"]:
                raise SystemExit(self._health())
            for name in ("ca", "wait"):
                if self[name] is not None:
                    raise UsageError(f"--{name} {self[name]}: needs --healthcheck")
            if self["print-config"]:
                sys.stdout.write(dump(self.option_values))
                raise SystemExit(0)
            if self["check-config"]:
                daemon.build_group(self.settings, _reactor())
                sys.stdout.write(
                    "netd: the configuration is good; its addresses were not tried\n"
                )
                raise SystemExit(0)
            # Before twistd reads the file.
            if path := _pid_file(self.parent):
                pid_file.check(path)

    def _health(self) -> int:
        """Perform --healthcheck; the exit status."""
        # Imported here: it brings an HTTP client that no daemon needs.
        from netd.ops import healthcheck

        ca = None if self["ca"] is None else Path(self["ca"])
        wait = _parsed("wait", Duration.parse, self["wait"] or "0").seconds
        return healthcheck.run(self.url or healthcheck.default(self.settings), ca, wait)


def _parsed(name: str, parse: Callable[[str], T], text: str) -> T:
    """The value of the option `name`; UsageError says what is wrong with its text."""
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"--{name} {text}: {error}") from None


def _reactor() -> Any:
    """The reactor on a clock that nobody can set."""
    from twisted.internet import reactor

    # Twisted's own clock is the time of day, whose steps would move every delay.
    reactor.seconds = time.monotonic  # type: ignore[method-assign]
    return reactor


# The first threshold is the number of new objects before a collection.
_COLLECT_AFTER: Final = (2_000, 20, 20)


def _collect_seldom() -> None:
    """Let the garbage collector pause connections less often, and for less."""
    gc.collect()
    # The objects of the start live as long as the daemon and need no further look.
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


def _output(twistd: Any) -> str | int | None:
    """Where twistd writes the daemon's lines: a file or a descriptor; None: unknown."""
    if twistd is None or twistd.get("logger") or twistd.get("syslog"):
        return None
    file: str | None = twistd.get("logfile")
    if file and file != "-":
        return file
    return STDOUT if file or twistd.get("nodaemon") else "twistd.log"


def _pid_file(twistd: Any) -> str | None:
    """The path of the pid file that twistd writes in this file system; None without one."""
    if twistd is None or not twistd.get("pidfile") or twistd.get("chroot"):
        return None
    path: str = os.path.abspath(twistd["pidfile"])
    return path


def _claim(twistd: Any, umask: int) -> None:
    """Create twistd's pid file with the mode that twistd would give it."""
    if path := _pid_file(twistd):
        own = 0o077 if not twistd.get("nodaemon") else umask
        pid_file.claim(path, own if twistd.get("umask") is None else twistd["umask"])


def _check_foreground(options: Options) -> None:
    """UsageError for what needs the standard streams, which twistd closes when it forks."""
    twistd, starter = options.parent, options.settings.starter
    if twistd is None or twistd.get("nodaemon"):
        return
    for named, given in (
        ("--until-eof yes", starter.until_eof),
        ("--announce -", starter.announce == STANDARD_OUTPUT),
    ):
        if given:
            raise UsageError(f"{named}: needs twistd --nodaemon")


def makeService(options: Options) -> IService:
    """The daemon, bound to its addresses; SystemExit with one line when it cannot be."""
    # Other users read neither the log nor the pid file, which twistd opens later.
    umask = os.umask(0o027) | 0o027
    os.umask(umask)
    with _exit_on_usage_error():
        _check_foreground(options)
        sockets = inherited(options.environ, os.getpid())
        service = daemon.build_group(
            options.settings,
            _reactor(),
            options.environ,
            options.read,
            sockets,
            output=_output(options.parent),
        )
        # Bound while stderr is still the operator's; twistd's later call does nothing more.
        try:
            service.privilegedStartService()
            _claim(options.parent, umask)
        except UsageError:
            service.abandon()
            raise
    _collect_seldom()
    return service
