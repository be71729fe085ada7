"""
The worst legal requests of every route, method and file: linear steps, bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd import settings
from netd.lab.call import Call, Reply
from netd.lab.router import Router
from netd.lab.routes import Route
from netd.lab.table import ROUTES
from netd.test.bounded import bounded
from netd.test.lab.client import HTTP, Client, configured
from netd.test.stages import TurningClock
from netd.test.worst.calls import calls
from netd.test.worst.counting import peak, steps
from netd.test.worst.files import files, make_tree
from netd.test.worst.requests import Case, cases
from netd.xmlrpc import service

SHORT: Final = 512
LONG: Final = 12 * SHORT
LARGE: Final = 64 * 1024
MOST_GROWTH: Final = 16
"""How many times the steps may be for what is 12 times as long."""
MOST_MEMORY: Final = 48
"""Bytes that are held for each byte of a large request and of its response; lists of numbers
need most."""
_SLACK: Final = 512 * 1024
_TURNS: Final = 4

_METHODS: Final = tuple(service.build(Clock()).resource._registry)


class Site:
    """One site, to which each case is sent over a connection of its own."""

    def __init__(self, routes: Sequence[Route] | None = None, tree: Path | None = None) -> None:
        http = evolve(HTTP, limits=settings.Limits(max_delay=60.0))
        self._clock = TurningClock()
        self._settings = configured(http, tree)
        self._site = Client(self._settings, self._clock).site
        if routes is not None:
            self._site.resource = Router(routes, http, self._clock)

    def respond(self, case: Case, turns: int = _TURNS) -> bytes:
        """What is received for `case` within a few turns of the reactor."""
        client = Client(self._settings, self._clock, site=self._site)
        received = [client.send(case.data)]
        received += [client.advance(0) for _ in range(turns)]
        client.disconnect()
        return b"".join(received)


def all_cases(size: int) -> Iterator[Case]:
    """The cases of routes, XML-RPC and files."""
    yield from cases(ROUTES, size)
    yield from calls(_METHODS, size)
    yield from files(size)


def superlinear(site: Site, short: Iterable[Case], long: Iterable[Case]) -> list[str]:
    """The cases whose steps grow more than `MOST_GROWTH` says."""
    found = []
    for start, case in zip(short, long, strict=True):
        with bounded(case):
            before = steps(lambda: site.respond(start))  # noqa: B023 - called at once
            after = steps(lambda: site.respond(case))  # noqa: B023 - called at once
        if after > MOST_GROWTH * before:
            found.append(f"{case}: {before} steps, then {after}")
    return found


def greedy(site: Site, large: Iterable[Case]) -> list[str]:
    """The cases that hold more memory than `MOST_MEMORY` says."""
    found = []
    for case in large:
        size = 0

        def respond() -> None:
            nonlocal size
            size = len(case.data) + len(site.respond(case))  # noqa: B023 - called at once

        with bounded(case):
            held = peak(respond)
        if held > MOST_MEMORY * size + _SLACK:
            found.append(f"{case}: {held} bytes for {size}")
    return found


class RouteTests(SynchronousTestCase):
    """
    All of a daemon that a request can reach.
    """

    def setUp(self) -> None:
        self.site = Site(tree=make_tree(Path(self.mktemp())))

    def test_linear(self) -> None:
        """The steps of the worst requests grow with their size, not faster."""
        self.assertEqual(superlinear(self.site, all_cases(SHORT), all_cases(LONG)), [])

    def test_memory(self) -> None:
        """The largest requests hold some times their size and that of their response."""
        large = [case for case in all_cases(LARGE) if len(case.data) > LARGE // 4]
        self.assertEqual(greedy(self.site, large), [])

    def test_legal(self) -> None:
        """No request is the daemon's mistake, and most get what they ask for."""
        statuses = [self.site.respond(case)[9:12] for case in all_cases(SHORT)]
        self.assertGreater(statuses.count(b"200"), len(statuses) // 2)


def _quadratic(call: Call) -> Reply:
    """A bug: each argument is compared with all of them."""
    count = sum(a == b for a in call.args for b in call.args)
    return Reply(str(count).encode())


def _copying(call: Call) -> Reply:
    """A bug: the body is held many times."""
    copies = [call.content.read() + bytes([number]) for number in range(1)]
    copies += [copies[0] + bytes([number]) for number in range(64)]
    return Reply(str(len(copies)).encode())


class FoundTests(SynchronousTestCase):
    """
    A new route is tried by itself.
    """

    def test_quadratic(self) -> None:
        """An endpoint with quadratic steps is found."""
        routes = (Route("/bad", _quadratic, "bad"),)
        site = Site(routes)
        short, long = (
            [case for case in cases(routes, size) if case.name == "query of a&"]
            for size in (SHORT // 2, 4 * SHORT)
        )
        self.assertNotEqual(superlinear(site, short, long), [])

    def test_copies(self) -> None:
        """An endpoint that holds its body many times is found."""
        routes = (Route("/bad", _copying, "bad", ("POST",)),)
        large = [case for case in cases(routes, LARGE) if len(case.data) > LARGE // 2]
        self.assertNotEqual(greedy(Site(routes), large[:1]), [])
