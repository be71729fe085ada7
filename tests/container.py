"""
A true systemd in a container: an overlay of this machine, without a network.

Rules: needs root, systemd-nspawn and a kernel that lets it; SkipTest says what is
missing.  Nothing is written to the machine below, and nothing is left of the one above.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final, Self

from twisted.trial.unittest import SkipTest

from tests.running import (
    DEADLINE,
    ROOT,
    Finished,
    children,
    eventually,
    run,
    succeed,
    temporary_directory,
)

_UNITS: Final = ROOT / "contrib" / "systemd"
_PYTHON: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
# The service sees no home, so its Python and packages are bound to other paths.
_BOUND: Final = {
    sys.base_prefix: "/opt/python",
    sysconfig.get_path("purelib"): "/opt/packages",
    str(ROOT): "/opt/source",
}
_OVERRIDE: Final = f"""\
[Service]
ExecStart=
ExecStart=/opt/python/bin/{_PYTHON} -m netd
Environment=PYTHONPATH=/opt/source:/opt/packages LD_LIBRARY_PATH=/opt/python/lib
"""


class Container:
    """A booted system with netd's units installed and not started."""

    def __enter__(self) -> Self:
        if os.geteuid():
            raise SkipTest("a true systemd needs root")
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self._folder = stack.enter_context(temporary_directory())
            self.root = self._mount(stack)
            self._install()
            self._boot(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _mount(self, stack: contextlib.ExitStack) -> Path:
        """An overlay of this machine's files that can be written to."""
        for words in (
            ("-t", "tmpfs", "tmpfs", self._folder),
            ("-t", "overlay", "overlay", self._folder / "root", "-o", self._layers()),
        ):
            for name in ("upper", "work", "root"):
                if self._folder.is_mount():
                    (self._folder / name).mkdir()
            done = run("mount", *words)
            if done.status:
                raise SkipTest(f"a true systemd needs an overlay: {done.err}")
            stack.callback(run, "umount", "-l", words[3])
        return self._folder / "root"

    def _layers(self) -> str:
        return f"lowerdir=/,upperdir={self._folder}/upper,workdir={self._folder}/work"

    def _install(self) -> None:
        """Install the units and an empty machine id."""
        (self.root / "etc/machine-id").write_text("")
        for unit in (*_UNITS.glob("*.service"), *_UNITS.glob("*.socket")):
            shutil.copy(unit, self.root / "etc/systemd/system")
        self.drop_in("override", _OVERRIDE)

    def drop_in(self, name: str, text: str | None = None) -> None:
        """
        Install a drop-in of netd.service: `text`, or the file of this name in contrib/systemd/.
        """
        folder = self.root / "etc/systemd/system/netd.service.d"
        folder.mkdir(exist_ok=True)
        content = (_UNITS / f"{name}.conf").read_text() if text is None else text
        (folder / f"{name}.conf").write_text(content)

    def _boot(self, stack: contextlib.ExitStack) -> None:
        log = self._folder / "log"
        with log.open("wb") as out:
            nspawn = subprocess.Popen(
                [
                    *("systemd-nspawn", "-q", "-D", str(self.root), "--boot"),
                    *("--register=no", "--keep-unit", "--private-network", "--console=pipe"),
                    *(f"--machine=netd-{os.getpid()}", "--link-journal=no"),
                    *(f"--bind-ro={source}:{target}" for source, target in _BOUND.items()),
                    "systemd.unit=basic.target",
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        stack.callback(self._end, nspawn)
        try:
            first = eventually(
                lambda: _leader(nspawn.pid) or nspawn.poll(), "the first process"
            )
            if nspawn.poll() is not None:
                raise AssertionError(f"systemd-nspawn ended with {nspawn.returncode}")
            self._leader = first
            eventually(self._up, "the boot")
        except AssertionError as late:
            raise SkipTest(f"no true systemd here: {late}\n{log.read_text()}") from None

    def _up(self) -> bool | None:
        return "active" in self.inside("systemctl", "is-active", "basic.target").out or None

    def _end(self, nspawn: subprocess.Popen[bytes]) -> None:
        # All processes of a namespace end with its first process.
        leader = _leader(nspawn.pid)
        if leader is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(leader, signal.SIGKILL)
        else:
            nspawn.kill()
        nspawn.wait(DEADLINE)

    def inside(self, *command: str) -> Finished:
        """Run `command` in the container."""
        return run(
            "nsenter", "-t", str(self._leader), *["-m", "-p", "-n", "-u", "-i"], *command
        )

    def near(self, *command: str) -> tuple[str, ...]:
        """The words that run `command` here but in the container's network."""
        return ("nsenter", "-t", str(self._leader), "-n", *command)

    def systemctl(self, *words: str) -> str:
        """The output of `systemctl`, which must succeed."""
        done = self.inside("systemctl", "--no-pager", *words)
        if done.status:
            raise AssertionError(f"{words}: {done.out}{done.err}\n{self.journal()}")
        return done.out.strip()

    def show(self, name: str) -> str:
        """A property of netd.service."""
        return self.systemctl("show", "-P", name, "netd.service")

    def journal(self) -> str:
        """The journal of netd.service so far."""
        return self.inside("journalctl", "--no-pager", "-o", "cat", "-u", "netd.service").out

    def curl(self, *words: str) -> str:
        """The output of curl in the container."""
        return succeed(*self.near("curl", "-q", "-sS", "-m", str(DEADLINE), *words))


def _leader(nspawn: int) -> int | None:
    """The process id of the first process in the container of `nspawn`."""
    for pid in _descendants(nspawn):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("NSpid:") and line.split()[-1] == "1":
                    return pid
    return None


def _descendants(pid: int) -> list[int]:
    direct = children(pid)
    return direct + [other for child in direct for other in _descendants(child)]
