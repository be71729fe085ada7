"""`python -m bench worst`: how long the worst legal request of each route holds the reactor.

Rules: no socket and no other process; the requests are those of `netd/test/worst`, whose
tests count steps where this measures time.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve

from netd import settings
from netd.lab.table import ROUTES
from netd.test.lab.client import HTTP, Client, configured
from netd.test.stages import TurningClock
from netd.test.worst.calls import calls
from netd.test.worst.files import files, make_tree
from netd.test.worst.requests import Case, cases
from netd.xmlrpc import service

_SIZE = 1024 * 1024
_TURNS = 40
_REPEATS = 5
_REPEATED = 300
"""How many of the slowest are measured again, for their shortest time."""
_MOST_MS = 20.0


def main(rows: int) -> int:
    """Print the slowest requests; 1 when one holds the reactor for too long."""
    with tempfile.TemporaryDirectory() as folder:
        config = configured(
            evolve(HTTP, limits=settings.Limits(max_delay=60.0)),
            make_tree(Path(folder) / "files"),
        )
        requests = [case for case in _cases() if not case.threaded]
        measured = [(*_measure(config, case), case) for case in requests]
        measured.sort(key=lambda row: -row[0])
        measured[:_REPEATED] = [
            (*min(_measure(config, case) for _ in range(_REPEATS)), case)
            for *_, case in measured[:_REPEATED]
        ]
    measured.sort(key=lambda row: -row[0])
    print(f"{len(measured)} requests of at most 1 MiB, CPU in milliseconds\n")
    print("| longest turn | all turns | sent | status | route and request |")
    print("|---:|---:|---:|---|---|")
    for turn, total, sent, status, case in measured[:rows]:
        print(f"| {turn:.1f} | {total:.1f} | {sent} | {status} | `{case}` |")
    slowest: dict[str, float] = {}
    for turn, *_, case in measured:
        slowest.setdefault(case.route, turn)
    over = [f"`{route}` {turn:.1f}" for route, turn in slowest.items() if turn >= 5]
    print(f"\nRoutes with a turn of 5 ms or more: {', '.join(over) or 'none'}")
    return int(measured[0][0] >= _MOST_MS)


def _cases() -> Iterator[Case]:
    yield from cases(ROUTES, _SIZE)
    yield from calls(service.build(TurningClock()).resource._registry, _SIZE)
    yield from files(_SIZE)


class _LiveClock(TurningClock):
    """Time passes as on a real clock, and where it is advanced."""

    _skipped = 0.0

    def seconds(self) -> float:
        return self._skipped + time.perf_counter()

    def advance(self, amount: float) -> None:
        self._skipped += amount
        self.rightNow = self.seconds()
        super().advance(0)


def _measure(config: settings.Settings, case: Case) -> tuple[float, float, int, str]:
    """The longest turn and all of them in milliseconds, the bytes sent, the status."""
    client = Client(config, _LiveClock())
    start = time.process_time()
    received = client.send(case.data)
    turns = [time.process_time() - start]
    sent, status = len(received), received[9:12]
    for number in range(_TURNS):
        start = time.process_time()
        # Waits of a minute are over in the second half.
        client.clock.advance(0 if number < _TURNS // 2 else 4)
        turns.append(time.process_time() - start)
        received = client.received()
        sent, status = sent + len(received), status or received[9:12]
    client.disconnect()
    return max(turns) * 1000, sum(turns) * 1000, sent, status.decode("latin-1")
