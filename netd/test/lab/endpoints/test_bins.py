"""
Bins.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.http.server import HTTPServer
from netd.lab.call import BadCall
from netd.lab.endpoints.bins import MAX_BODY
from netd.lab.router import Router
from netd.lab.table import ROUTES
from netd.lab.watchers import Watcher, Watchers
from netd.test.lab.calls import content, lab_state, make_call, run, script
from netd.test.lab.client import HTTP, Client, configured
from netd.test.lab.client import request as wire

KEY = "abcdefghijklmnopqrstuv"
OTHER = "ABCDEFGHIJKLMNOPQRSTUV"


def taken(watcher: Watcher, name: str) -> list[Any]:
    """The values of the events of a `name`."""
    found = [json.loads(each[6:]) for each in watcher.take()]
    return [each[name] for each in found if name in each]


def events(watcher: Watcher) -> list[Any]:
    """The requests that a watcher takes, but for their starts."""
    return taken(watcher, "bin")


class BinTests(SynchronousTestCase):
    """
    A bin of a site that is watched.
    """

    def setUp(self) -> None:
        self.watchers, self.watcher = Watchers(), Watcher((f"b-{KEY}",))
        self.clock = Clock()
        router = Router(ROUTES, HTTP, self.clock, watchers=self.watchers)
        # Responses are compared with their Date.
        site = HTTPServer(router, self.clock, HTTP.limits, Counters(), now=lambda: 0.0)
        self.client = Client(configured(), self.clock, site=site)
        self.watchers.enter(self.watcher)

    def ask(self, line: str, *headers: str, body: bytes = b"", seconds: float = 0) -> bytes:
        """What is received for a request within `seconds`."""
        received = self.client.send(wire(line, *headers, body=body))
        return received + self.client.advance(seconds)

    def test_event(self) -> None:
        """Who watches a key sees a request to its bin, when the response is over."""
        target = f"/echo/b-{KEY}/hook?delay=2s&status=503&a=b"
        received = self.client.send(wire(f"POST {target}", "X-Fruit: apple", body=b"hi"))
        self.assertEqual(events(self.watcher), [])
        self.clock.advance(2.25)
        received += self.client.received()
        self.assertIn(b" 503 ", received)
        (event,) = events(self.watcher)
        self.assertGreater(event.pop("at"), 1e9)
        self.assertLess(event.pop("id"), 2**53)
        self.assertEqual(
            event,
            {
                "method": "POST",
                "target": target,
                "status": 503,
                "end": "sent",
                "fault": "",
                "queue": 0.0,
                "delay": 2.0,
                "late": 0.25,
                "took": 2.25,
                "client": "192.168.1.1",
                "headers": [["Host", "netd"], ["X-Fruit", "apple"], ["Content-Length", "2"]],
                "bytes": 2,
                "text": "hi",
            },
        )

    def test_others(self) -> None:
        """A key sees its own requests only, and no prefix of a path is a key."""
        for path in (f"b-{OTHER}", f"b-{KEY}x", f"x/b-{KEY}", KEY, f"b-{KEY[:-1]}", "x"):
            self.assertIn(b" 200 ", self.ask(f"GET /echo/{path}"))
        self.assertEqual(events(self.watcher), [])
        for path in (f"b-{KEY}", f"b-{KEY}/", f"b-{KEY}/a/b"):
            self.ask(f"GET /echo/{path}")
        self.assertEqual(len(events(self.watcher)), 3)

    def test_same(self) -> None:
        """The response is that of /echo but for its Date, whatever is asked for."""
        for query in (
            "",
            "?body=x",
            "?status=204",
            "?status=201&header=X-A:b",
            "?size=200000",
            "?fail_first=1&key=k",
            "?size=5&pace=1ms&chunk=1",
            "?encoding=gzip&size=100000",
            "?fault=truncate",
            "?fault=garbage",
            "?nosuch=1",
            "?delya=1",
            "?delay=never",
        ):
            for method in ("GET", "HEAD", "POST"):
                found = []
                for key in (KEY, OTHER):
                    client = Client(configured(), self.clock, site=self.client.site)
                    body = b"body" if method == "POST" else b""
                    line = f"{method} /echo/b-{key}{query.replace('=k', f'={key}{method}')}"
                    received = client.send(wire(line, body=body))
                    for _ in range(20):
                        received += client.advance(0.001)
                    lines = sorted(re.sub(rb"Date: .*\r\n", b"", received).split(b"\r\n"))
                    found.append(b"\r\n".join(lines))
                    client.disconnect()
                self.assertEqual(found[0], found[1], (method, query))
        self.assertEqual(self.watcher.missed, 0)

    def test_mistake(self) -> None:
        """A mistake is an event, too, with its status."""
        self.assertIn(b" 400 ", self.ask(f"GET /echo/b-{KEY}?delay=soon"))
        (event,) = events(self.watcher)
        self.assertEqual((event["status"], event["end"], event["late"]), (400, "sent", None))

    def test_queue(self) -> None:
        """The queue for a worker is not a part of the delay."""
        self.ask(f"GET /echo/b-{KEY}?delay=3s&workers=1", seconds=1)
        self.client = Client(configured(), self.clock, site=self.client.site)
        self.ask(f"GET /echo/b-{KEY}?delay=2s&workers=1", seconds=2)
        self.clock.advance(2)
        first, second = events(self.watcher)
        self.assertEqual((first["queue"], first["delay"], first["took"]), (0, 3, 3))
        self.assertEqual((second["queue"], second["delay"], second["took"]), (2, 2, 4))

    def test_left(self) -> None:
        """A client that leaves before its response is a 499, with when it left."""
        self.ask(f"POST /echo/b-{KEY}?delay=30s", body=b"gone", seconds=5)
        self.client.disconnect()
        (event,) = events(self.watcher)
        found = [event[name] for name in ("status", "end", "took", "late", "delay", "text")]
        self.assertEqual(found, [499, "left", 5, None, 30, "gone"])
        self.assertEqual(len(self.clock.getDelayedCalls()), 0)

    def test_start(self) -> None:
        """A long wait is told of at its start, with what it will be, and no short one is."""
        url = f"/echo/b-{KEY}?delay=2s&workers=1"
        self.ask(f"GET {url}", seconds=0.5)
        (first,) = taken(self.watcher, "start")
        self.assertEqual((first["target"], first["queue"], first["delay"]), (url, 0, 2))
        self.client = Client(configured(), self.clock, site=self.client.site)
        self.ask(f"GET {url}")
        (second,) = taken(self.watcher, "start")
        self.assertEqual((second["queue"], second["delay"]), (1.5, 2))
        self.clock.advance(1.5)
        self.clock.advance(2)
        ends = events(self.watcher)
        self.assertEqual([each["id"] for each in ends], [first["id"], second["id"]])
        self.assertNotEqual(first["id"], second["id"])
        for query in ("", "?delay=190ms", "?delay=9s&status=1"):
            self.ask(f"GET /echo/b-{KEY}{query}", seconds=0.2)
            found = [json.loads(each[6:]) for each in self.watcher.take()]
            self.assertEqual([[*each] for each in found], [["bin"]], query)
            self.assertIsNone(found[0]["bin"]["id"])

    def test_cut(self) -> None:
        """A response that the daemon cuts says so, and why."""
        self.ask(f"GET /echo/b-{KEY}?fault=reset&delay=1s", seconds=1)
        self.clock.advance(0.05)
        (event,) = events(self.watcher)
        self.assertEqual((event["end"], event["fault"], event["delay"]), ("cut", "reset", 1))

    def test_unwatched(self) -> None:
        """Without a watcher a bin is an ordinary /echo, and nothing of it is kept."""
        self.watchers.leave(self.watcher)
        state = lab_state()
        state.watchers = self.watchers
        plain = run(make_call("GET /echo/x?delay=1s", state=state))
        reply = run(make_call(f"GET /echo/b-{KEY}?delay=1s", state=state))
        self.assertEqual(content(reply), content(plain))
        self.assertEqual(type(script(reply)), type(script(plain)))

    def test_late(self) -> None:
        """Who watches at the end sees a request; who has left meanwhile does not."""
        newcomer = Watcher((f"b-{KEY}",))
        self.client.send(wire(f"GET /echo/b-{KEY}?delay=1s"))
        self.watchers.enter(newcomer)
        self.watchers.leave(self.watcher)
        self.clock.advance(1)
        self.assertEqual((len(events(newcomer)), events(self.watcher)), (1, []))
        self.watchers.enter(self.watcher)
        self.client.send(wire(f"GET /echo/b-{KEY}?delay=1s"))
        for each in (newcomer, self.watcher):
            self.watchers.leave(each)
            self.assertEqual(len(taken(each, "start")), 1)
        self.clock.advance(1)
        self.assertEqual((newcomer.take(), self.watcher.take()), ([], []))


class ShownTests(SynchronousTestCase):
    """
    What an event shows of a request.
    """

    def event(self, *headers: str, body: bytes = b"", **lab: Any) -> Any:
        """The event of a request."""
        watcher = Watcher((f"b-{KEY}",))
        state = lab_state(**lab)
        state.watchers.enter(watcher)
        content(run(make_call(f"PUT /echo/b-{KEY}", *headers, body=body, state=state)))
        (event,) = events(watcher)
        return event

    def test_headers(self) -> None:
        """Fields that --exclude-header names are not shown."""
        event = self.event("X-Internal-Id: 7", "X-A: 1", exclude_headers=("x-internal-*",))
        self.assertEqual(event["headers"], [["Host", "netd"], ["X-A", "1"]])

    def test_body(self) -> None:
        """The first 16 KiB of a body are shown, as text or in base64."""
        self.assertNotIn("text", self.event())
        event = self.event(body=b"x" * (MAX_BODY + 1))
        self.assertEqual((event["bytes"], len(event["text"])), (MAX_BODY + 1, MAX_BODY))
        # Two bytes of a character of three are cut off.
        event = self.event(body=b"x" * (MAX_BODY - 1) + "\u20ac".encode())
        self.assertEqual(event["text"], "x" * (MAX_BODY - 1))
        for body in (b"\xff\x00", b"x\xe2\x82"):
            event = self.event(body=body)
            self.assertEqual(base64.b64decode(event["base64"]), body)

    def test_closed(self) -> None:
        """A body that is closed already is left out."""
        watcher = Watcher((f"b-{KEY}",))
        state = lab_state()
        state.watchers.enter(watcher)
        call = make_call(f"PUT /echo/b-{KEY}?body=x", body=b"y", state=state)
        steps = script(run(call))
        next(steps)
        call.content.close()
        steps.close()  # type: ignore[attr-defined]
        (event,) = events(watcher)
        self.assertEqual((event["bytes"], "text" in event), (1, False))

    def test_raised(self) -> None:
        """A mistake is raised as without a watcher."""
        state = lab_state()
        state.watchers.enter(Watcher((f"b-{KEY}",)))
        with self.assertRaises(BadCall):
            run(make_call(f"GET /echo/b-{KEY}?status=1", state=state))
        callable_body = evolve(state, watchers=state.watchers)
        self.assertIs(callable_body.watchers, state.watchers)
