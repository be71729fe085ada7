"""`python -m bench all`: every table and the picture of docs/benchmarks.md, in one run.

Rules: each table is what its own command prints; nothing here measures but the load of the
machine, which is looked at first, since a figure of a busy machine is none.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench import picture
from bench.peers import ROOT

_PAGE = ROOT / "docs" / "benchmarks.md"
_PICTURE = ROOT / "docs" / "benchmarks.svg"
_QUIET_SECONDS = 3.0
_BUSY = 0.05
"""The share of one core that others may use."""


class Section(NamedTuple):
    """A heading, the command behind it, and what a reader must know."""

    heading: str
    command: str
    text: str = ""


_OPENING = """\
# netd beside its peers

![CPU time of one request](benchmarks.svg)

`python -m bench all` measures all of this and writes this page. `python -m bench --help`
lists the commands behind the tables; each makes what it needs (a virtual environment for the
peers, a certificate, a file tree) and uses the loopback only.

All servers of a table run at once, pinned to one core, and are loaded in turn, round after
round; the load runs on another core. CPU time is read from `/proc`, so that a busy neighbour
changes it less than it changes the clock. netd runs as it is installed, with every limit and
its access log. Rows that end in `-log` write an access log, as netd does; go-httpbin and
stock-twistd do so by themselves; the other peers write none. netd parses a head that equals
the one before only once, which helps it in every row but Browser-like: there each differs.

Compare ratios within one table only. The figures are of one virtual machine, where a system
call costs several times as much as on bare metal; every server pays that alike.
"""
_SECTIONS = (
    Section("HTTP", "http"),
    Section(
        "10 000 clients at once",
        "c10k",
        "Each client asks for 3 s. The excess is the time beyond 3 s from the client's "
        "`connect()` to the last byte of the response. `netd-echo` is `/` with `--delay 3s`, "
        "`netd-delay` is `/delay/3s`.",
    ),
    Section("Idle connections", "idle"),
    Section("Files", "files"),
    Section(
        "The lab",
        "lab",
        '"left late" is netd\'s own measurement (`/metrics`): how long after the requested '
        "moment responses left.",
    ),
    Section("XML-RPC", "rpc"),
    Section(
        "Calls on a queue",
        "queue",
        "Offloaded XML-RPC calls on Celery workers (`--rpc-queue`): one at a time where netd "
        "is idle, of 8 clients for calls/s. netd, Redis, the workers and the clients share the "
        "cores, but for the slowest `/healthz`.",
    ),
    Section("UDP", "udp"),
    Section(
        "Under attack",
        "hostile",
        "How long `/healthz`, asked every 5 ms, waits at most while some connections send all "
        "that netd takes.",
    ),
    Section("Several processes", "workers", "`--workers N` on one machine."),
    Section("Ten minutes of everything", "soak", "A mix of all that netd serves."),
)
COMMANDS = tuple(section.command for section in _SECTIONS)
_WITH_ROUNDS = ("http", "c10k", "files", "lab", "rpc", "udp", "workers")
_WITH_GO = ("http", "c10k", "lab")


def main(
    rounds: int, pythons: Sequence[str], go_httpbin: str, busy: bool, commands: Sequence[str]
) -> int:
    """Measure everything and write the page; 1 when a table has an error.

    With `commands`, the sections of the others stay as they are in the page.  Raises ValueError
    when the machine is busy.
    """
    load = _load()
    if load > _BUSY and not busy:
        raise ValueError(f"others use {load:.0%} of a core; --busy measures all the same")
    parts, failed, old = [_OPENING], False, _sections(_PAGE.read_text())
    for section in _SECTIONS:
        if commands and section.command not in commands:
            parts += [old[section.heading]] if section.heading in old else []
            continue
        words = [sys.executable, "-m", "bench", section.command]
        if section.command in _WITH_ROUNDS:
            words += ["--rounds", str(rounds)]
        if section.command in _WITH_GO and go_httpbin:
            words += ["--go-httpbin", go_httpbin]
        if section.command == "http":
            words += [f"--python={each}" for each in pythons]
        done = subprocess.run(words, check=False, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        failed = failed or done.returncode != 0
        text = f"{section.text}\n\n" if section.text else ""
        parts.append(f"## {section.heading}\n\n{text}{done.stdout.strip()}\n")
    page = "\n".join(parts)
    _PAGE.write_text(page)
    _PICTURE.write_text(picture.bars(costs(page, "Keep-alive"), costs(page, "TLS keep-alive")))
    return int(failed)


def _sections(page: str) -> dict[str, str]:
    """The text of each section, with its heading, by heading."""
    texts = re.findall(r"^## .+?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return {text.split("\n", 1)[0].removeprefix("## "): text.strip() + "\n" for text in texts}


def _load() -> float:
    """The share of one core that the machine used during some seconds in which we did not."""
    before = _idle_ticks()
    time.sleep(_QUIET_SECONDS)
    idle = (_idle_ticks() - before) / os.sysconf("SC_CLK_TCK")
    return max(0.0, (os.cpu_count() or 1) - idle / _QUIET_SECONDS)


def _idle_ticks() -> int:
    """Ticks that all processors have been idle, or waiting for a disk."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return int(fields[4]) + int(fields[5])


def costs(page: str, title: str) -> dict[str, float]:
    """The CPU time of a request by server, in us, of the table below `### title`."""
    table = page.partition(f"### {title}\n\n")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| ([\w.-]+) \| ([\d .]+) \|", table, re.MULTILINE)
    return {name: float(figure.replace(" ", "")) for name, figure in rows}
