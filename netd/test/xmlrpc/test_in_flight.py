"""
The calls of a daemon on their way, against a model of a broker that loses and repeats.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from attrs import Factory, define, evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.test.chance import by_chance
from netd.xmlrpc import in_flight
from netd.xmlrpc.in_flight import LOOK_SECONDS, STEADY_SECONDS, Call, InFlight, Report
from netd.xmlrpc.registry import Procedure, procedure


def square(value: int) -> int:
    """The square."""
    return value * value


def method(**changes: Any) -> Procedure:
    """A method."""
    facts: dict[str, Any] = {"source": ("module", "square"), **changes}
    return evolve(procedure(square), **facts)


def call(key: str = "a", made: float = 0.0, **changes: Any) -> Call:
    """A call, whose time is over after a hundred seconds."""
    return Call(key, method(**{"timeout": 100.0, **changes}), made)


_ORDERS = count(1)


def send(calls: InFlight, key: str, now: float) -> None:
    """Have a message for the call with the broker, after all others."""
    calls.calls[key].sent, calls.calls[key].order = now, next(_ORDERS)


def flight(*keys: str) -> InFlight:
    """Calls that were sent at 0, in this order."""
    calls = InFlight()
    for key in keys:
        calls.calls[key] = call(key)
        send(calls, key, 0.0)
    return calls


class NamesTests(SynchronousTestCase):
    """
    Names and versions.
    """

    def test_queue(self) -> None:
        """A queue's name begins with netd."""
        self.assertEqual(call().queue, "netd")
        self.assertEqual(call(queue="gpu").queue, "netd.gpu")

    def test_contract(self) -> None:
        """A contract depends on name, source and signatures, and not on the text."""
        same = in_flight.contract(method())
        self.assertRegex(same, "^[0-9a-f]{16}$")
        self.assertEqual(in_flight.contract(method(help="other")), same)
        other = procedure(square, signatures=[("int", "string")]).signature
        changes: dict[str, Any]
        for changes in ({"name": "x"}, {"source": ("module", "x")}, {"signature": other}):
            self.assertNotEqual(in_flight.contract(method(**changes)), same)


class InFlightTests(SynchronousTestCase):
    """
    What a report means.
    """

    def test_counts(self) -> None:
        """A call waits until a worker begins it, and is gone when it ends."""
        calls = flight("a", "b")
        self.assertEqual((calls.waiting, calls.running), (2, 0))
        calls.began(calls.calls["a"], "h", 1.0)
        calls.began(calls.calls["a"], "other", 2.0)
        self.assertEqual((calls.waiting, calls.running), (1, 1))
        self.assertEqual(calls.calls["a"].host, "h")
        gone = calls.calls["a"]
        calls.ended(gone)
        self.assertEqual((calls.waiting, calls.running), (1, 0))

    def test_resent(self) -> None:
        """A message is sent again when its queue is empty, after longer and longer pauses."""
        calls = flight("a")
        self.assertEqual(calls.overtaken({"netd": 0}, LOOK_SECONDS - 0.01), [])
        self.assertEqual(calls.overtaken({"netd": 1}, LOOK_SECONDS), [])
        self.assertEqual(calls.overtaken({}, LOOK_SECONDS), [])
        before = 0.0
        for now in (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 192.0, 256.0):
            self.assertEqual(calls.overtaken({"netd": 0}, now - 0.01), [], before)
            self.assertEqual(len(calls.overtaken({"netd": 0}, now)), 1)
            self.assertEqual(calls.overtaken({"netd": 0}, now + 1000), [], "on its way")
            send(calls, "a", before := now)

    def test_overtaken(self) -> None:
        """A message is sent again when a later one of its queue has begun; no earlier one."""
        calls = flight("a", "b", "c")
        calls.calls["c"].method = method(queue="gpu", timeout=100.0)
        calls.began(calls.calls["b"], "h", 1.0)
        depths = {"netd": 5, "netd.gpu": 5}
        self.assertEqual([each.key for each in calls.overtaken(depths, 3.0)], ["a"])
        send(calls, "a", 3.0)
        self.assertEqual(calls.overtaken(depths, 100.0), [])
        calls.began(calls.calls["a"], "h", 3.5)
        self.assertEqual(calls.overtaken({"netd": 0}, 100.0), [])

    def test_lostByQueue(self) -> None:
        """A waiting call without its key is lost, unless its time is over anyway."""
        calls = flight("a", "b")
        calls.began(calls.calls["b"], "h", 1.0)
        report = Report(gone=frozenset("ab"), workers=frozenset("h"))
        self.assertEqual([each.key for each, _ in calls.lost(report, 50.0)], ["a"])
        self.assertEqual(calls.lost(report, 99.5), [])

    def test_lostByWorker(self) -> None:
        """A running call is lost without its worker, once Redis could be reached for long."""
        calls = flight("a", "b")
        calls.began(calls.calls["a"], "h", 1.0)
        calls.began(calls.calls["b"], "other", 1.0)
        for steady, lost in ((STEADY_SECONDS - 0.1, []), (STEADY_SECONDS, ["a"])):
            report = Report(workers=frozenset({"other"}), steady=steady)
            self.assertEqual([each.key for each, _ in calls.lost(report, 50.0)], lost)


@define
class _Model:
    """A broker, Redis and two workers; time passes in steps of a second."""

    calls: InFlight = Factory(InFlight)
    queue: list[str] = Factory(list)
    claims: set[str] = Factory(set)
    keys: dict[str, float] = Factory(dict)
    results: list[tuple[str, str]] = Factory(list)
    runs: list[str] = Factory(list)
    ends: dict[str, str] = Factory(dict)
    now: float = 0.0
    alive: bool = True

    def call(self) -> None:
        """Make and send a call."""
        key = f"{len(self.runs)}-{len(self.keys)}-{self.now}-{len(self.calls.calls)}"
        self.calls.calls[key] = call(key, self.now, timeout=60.0)
        self.keys[key] = self.now + 60
        self.send(key)

    def send(self, key: str) -> None:
        """Send a message, again perhaps."""
        self.queue.append(key)
        send(self.calls, key, self.now)

    def lose(self) -> None:
        """Lose a message."""
        if self.queue:
            self.queue.pop()

    def repeat(self) -> None:
        """Have a message twice, the second time at the end."""
        if self.queue:
            self.queue.append(self.queue[0])

    def reorder(self) -> None:
        """Turn the queue around."""
        self.queue.reverse()

    def run(self) -> None:
        """Have a worker take a message."""
        if not self.alive or not self.queue:
            return
        key = self.queue.pop(0)
        if self.keys.get(key, 0) > self.now and key not in self.claims:
            self.claims.add(key)
            self.results.append((key, "*"))
            self.runs.append(key)
            self.results.append((key, "+"))

    def die(self) -> None:
        """Have the worker die within a call, and another one start."""
        if self.queue:
            key = self.queue.pop(0)
            if self.keys.get(key, 0) > self.now and key not in self.claims:
                self.claims.add(key)
                self.results.append((key, "*"))
                self.runs.append(key)

    def forget(self) -> None:
        """Have Redis start anew, with nothing."""
        self.queue.clear()
        self.keys.clear()
        self.claims.clear()

    def read(self) -> None:
        """Read the results."""
        for key, what in self.results:
            each = self.calls.calls.get(key)
            if each is not None and what == "*":
                host = "dead" if (key, "+") not in self.results else "h"
                self.calls.began(each, host, self.now)
            elif each is not None:
                self.calls.ended(each)
                self.ends[key] = "result"
        self.results.clear()

    def look(self) -> None:
        """Make a report, and let time pass."""
        self.now += 1
        gone = frozenset(key for key in self.calls.calls if self.keys.get(key, 0) <= self.now)
        report = Report(gone, frozenset({"h"}), {"netd": len(self.queue)})
        for each, why in self.calls.lost(report, self.now):
            self.calls.ended(each)
            self.ends[each.key] = why
        for each in self.calls.overtaken(report.depths, self.now):
            self.send(each.key)


_STEPS = ("call", "lose", "repeat", "reorder", "run", "die", "forget", "read", "look")


class ModelTests(SynchronousTestCase):
    """
    Whatever the broker does.
    """

    @settings(by_chance, max_examples=300)
    @given(st.lists(st.sampled_from(_STEPS), max_size=60))
    def test_neverTwice(self, steps: list[str]) -> None:
        """No call runs twice, and each one ends long before its time is over."""
        model = _Model()
        for step in steps:
            getattr(model, step)()
        for _ in range(40):
            for _ in range(len(model.queue)):
                model.run()
            model.read()
            model.look()
        self.assertEqual(len(model.runs), len(set(model.runs)))
        self.assertEqual(model.calls.calls, {})
        self.assertEqual(model.calls.running, 0)
