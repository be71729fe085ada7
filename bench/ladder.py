"""Clients of the models, all at once: five of them, and then ever more.

Rules: a fresh server for each measurement. Models that are measured together share the core
of the servers, so only few clients are. The clients count time; what a server uses is read
from /proc, and from the kernel's account of it when it has ended.
"""

import math
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from bench import herd, measure, process
from bench.model_rows import Model

WAVES = 11
"""Clients are waited for so many delays: ten, one after the other, are in time."""
_CLIENTS = 5
_LOOKS = (0.4, 0.8)
"""When a server is looked at, as shares of the delay: few responses are due then."""
_LEAST_MEMORY = 0.1
"""The share of the machine's memory that a model must leave."""


@dataclass
class Five:
    """Five clients at once, once those of `ab` and once our own."""

    ab_seconds: float = math.nan
    exchanges: list[herd.Exchange] = field(default_factory=list)
    broken: str = ""

    @property
    def wall(self) -> float:
        """Seconds until the last client had its response."""
        return max((each.ended for each in self.exchanges), default=math.nan)

    def together(self) -> int:
        """The most clients that were served at the same time: between first and last byte."""
        return max(
            (
                sum(other.first <= each.first < other.ended for other in self.exchanges)
                for each in self.exchanges
            ),
            default=0,
        )


class Rung(NamedTuple):
    """So many clients at once, and what the server used for them."""

    clients: int
    wall: float = math.nan
    """Seconds until the last client had its response; not-a-number when one had none."""
    late_ms: Sequence[float] = ()
    """How much longer than the delay each response took, in milliseconds."""
    refused: int = 0
    lost: int = 0
    memory: int = 0
    """The most bytes that were seen; pages that its processes share count once."""
    processes: int = 0
    threads: int = 0
    cpu_seconds: float = math.nan
    """Of the server and its children, to its end but without its start."""
    switches: float = math.nan
    """The context switches of the same."""
    drops: int = 0
    """Attempts to connect that the machine's kernel dropped."""
    broken: str = ""
    """How it failed; empty when every client got its response in time."""


class _Use:
    """What a server uses while clients wait for it."""

    def __init__(self, server: process.Server, pids: Sequence[int]) -> None:
        self.server = server
        self.memory = self.processes = self.threads = 0
        self._switches = measure.switches(pids)
        self._cpu = measure.cpu_seconds_of(pids)

    def look(self, pids: Sequence[int]) -> None:
        """Keep the most that the processes of the server have had so far."""
        self.memory = max(self.memory, measure.pss_bytes(pids))
        self.processes = max(self.processes, len(pids))
        self.threads = max(self.threads, measure.threads(pids))

    def after(self) -> tuple[float, float]:
        """Processor time and context switches of the server, which has ended, since then."""
        if (usage := self.server.usage) is None:
            return math.nan, math.nan
        seconds = usage.ru_utime + usage.ru_stime - self._cpu
        return seconds, usage.ru_nvcsw + usage.ru_nivcsw - self._switches


class _Watch:
    """Looks at servers when nothing else is to do: early and late in each delay."""

    def __init__(self, servers: Sequence[process.Server], delay: float) -> None:
        self._pids = [server.pid for server in servers]
        trees = measure.trees(self._pids)
        self.uses = [_Use(*pair) for pair in zip(servers, trees, strict=True)]
        self.full = False
        begun = time.monotonic()
        self._due = (begun + delay * (wave + share) for wave in count() for share in _LOOKS)
        self._next = next(self._due)

    def tick(self) -> None:
        """Look when that is due; end the servers when they leave no memory to others."""
        if measure.memory_left() < _LEAST_MEMORY:
            self.full = True
            for pid in self._pids:
                process.kill(pid)
        elif time.monotonic() >= self._next:
            for use, pids in zip(self.uses, measure.trees(self._pids), strict=True):
                use.look(pids)
            self._next = next(due for due in self._due if due > time.monotonic())


def five(stage: process.Stage, models: Sequence[Model], delay: float) -> dict[str, Five]:
    """Five clients at once for each of the models, and then those of `ab`."""
    limit = delay * (_CLIENTS + 2)
    with ExitStack() as stack:
        servers, failed = _start(stack, stage, models)
        targets = [_target(server, model.head_first) for model, server in servers]
        results = {label: Five(broken=why) for label, why in failed.items()}
        outcomes = herd.stampedes(targets, _CLIENTS, limit, lambda: None)
        for (model, _), outcome in zip(servers, outcomes, strict=True):
            results[model.label] = Five(math.nan, outcome.exchanges, _reasons(outcome))
        if shutil.which("ab"):
            started = [_ab(stack, server, model.head_first) for model, server in servers]
            for (model, _), each in zip(servers, started, strict=True):
                results[model.label].ab_seconds = _ab_seconds(each, limit)
    return results


def _start(
    stack: ExitStack, stage: process.Stage, models: Sequence[Model]
) -> tuple[list[tuple[Model, process.Server]], dict[str, str]]:
    """The models that start, with their servers, and why each of the others does not."""
    servers, failed = [], {}
    for model in models:
        try:
            server = stack.enter_context(process.running(stage, model.peer))
            servers.append((model, server))
        except process.StartError as error:
            failed[model.label] = str(error)
    return servers, failed


def _target(server: process.Server, path: str) -> herd.Target:
    return herd.Target(server.port, process.request(server, path))


def _ab(stack: ExitStack, server: process.Server, path: str) -> "subprocess.Popen[str]":
    """`ab -n 5 -c 5`, which ends with the stack at the latest."""
    command = ["ab", "-n", str(_CLIENTS), "-c", str(_CLIENTS)]
    command.append(f"http://127.0.0.1:{server.port}{path}")
    started = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    stack.enter_context(started)
    stack.callback(started.kill)
    return started


def _ab_seconds(started: "subprocess.Popen[str]", limit: float) -> float:
    """The `Time taken for tests` that `ab` prints; not-a-number without one."""
    with suppress(subprocess.TimeoutExpired):
        output, _ = started.communicate(timeout=limit)
        if found := re.search(r"Time taken for tests: +([0-9.]+) ", output):
            return float(found[1])
    return math.nan


def rungs(
    stage: process.Stage, models: Sequence[Model], clients: int, delay: float
) -> dict[str, Rung]:
    """So many clients at once for each of the models, which run together."""
    with ExitStack() as stack:
        servers, failed = _start(stack, stage, models)
        watch = _Watch([server for _, server in servers], delay)
        before = measure.listen_drops()
        targets = [_target(server, model.peer.slow_path) for model, server in servers]
        outcomes = herd.stampedes(targets, clients, WAVES * delay, watch.tick)
        drops = measure.listen_drops().since(before).drops
        reasons = [
            _broken(use.server, outcome, watch.full)
            for use, outcome in zip(watch.uses, outcomes, strict=True)
        ]
    results = {label: Rung(clients, broken=why) for label, why in failed.items()}
    for use, outcome, broken in zip(watch.uses, outcomes, reasons, strict=True):
        refused = outcome.errors["ECONNREFUSED"]
        results[use.server.peer.label] = Rung(
            clients,
            math.nan if broken else outcome.wall,
            [(latency - delay) * 1000 for latency in outcome.latencies],
            refused,
            outcome.errors.total() - refused,
            use.memory,
            use.processes,
            use.threads,
            *use.after(),
            drops,
            broken,
        )
    return results


def _broken(server: process.Server, outcome: herd.Outcome, full: bool) -> str:
    """How the server has failed its clients, in words; empty when it has not."""
    if not outcome.errors:
        return ""
    if full:
        return f"ended, because {_LEAST_MEMORY:.0%} of the machine's memory were left"
    reasons = _reasons(outcome)
    if measure.alive(server.pid):
        return reasons
    return f"{reasons}; the server ended: {process.last_line(server.log)}"


def _reasons(outcome: herd.Outcome) -> str:
    """The errors of the clients in words."""
    return ", ".join(f"{count} x {reason}" for reason, count in outcome.errors.most_common())
