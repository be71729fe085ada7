"""
The stream of the console.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from attrs import define, evolve, field
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd import settings
from netd.counters import LATENESS_BOUNDS, Counters
from netd.lab.call import BadCall, LabState, Reply
from netd.lab.endpoints.console_stream import MAX_SECONDS
from netd.lab.figures import Figures, Reading
from netd.lab.router import Router
from netd.lab.table import ROUTES
from netd.lab.watchers import Watchers
from netd.script import Send, Wait
from netd.test.lab.calls import fields, lab_state, make_call, run, script
from netd.test.lab.client import HTTP, Client, configured
from netd.test.lab.client import request as wire

KEY = "abcdefghijklmnopqrstuv"
OWN = "X-Netd-Console: 1"
LOCAL = "Host: localhost:8000"


def frames(received: bytes) -> list[Any]:
    """The values of the events in what was received, in chunks or not."""
    return [
        json.loads(line[6:]) for line in received.split(b"\n") if line.startswith(b"data: ")
    ]


@define
class Page:
    """Pages that watch a site."""

    clock: Clock = field(factory=Clock)
    counters: Counters = field(factory=Counters)
    reads: list[int] = field(factory=list)
    running: bool = True
    config: settings.HTTP = HTTP
    watchers: Watchers = field(init=False)
    client: Client = field(init=False)

    def __attrs_post_init__(self) -> None:
        def read(done: Callable[[Reading], None]) -> None:
            self.reads.append(1)
            waiting = self.client.site.context.in_flight - self.watchers.count
            done(Reading(self.counters, 0, waiting, 0))

        figures = Figures(read, self.clock.seconds)
        self.watchers = Watchers(figures, lambda: self.running, "secret-token")
        self.client = Client(configured(), self.clock, self.counters)
        self.client.site.resource = Router(
            ROUTES, self.config, self.clock, self.counters, watchers=self.watchers
        )

    def another(self) -> Client:
        """One more connection."""
        return Client(configured(), self.clock, site=self.client.site)

    def ask_bin(self) -> None:
        """Send a request to the bin."""
        self.another().send(wire(f"GET /echo/b-{KEY}?body=x"))
        self.clock.advance(0)

    def watch(self, query: str, *headers: str, client: Client | None = None) -> bytes:
        """What is received at once for a stream."""
        data = wire(f"GET /console/stream?{query}", OWN, *headers)
        data = data.replace(b"Host: netd", LOCAL.encode())
        return (client or self.client).send(data)


class StreamTests(SynchronousTestCase):
    """
    A stream over HTTP, by the clock.
    """

    def test_figures(self) -> None:
        """A newcomer gets the frames so far, then one each second."""
        page = Page()
        received = page.watch("figures=1")
        self.assertIn(b"Content-Type: text/event-stream\r\n", received)
        self.assertIn(b"Cache-Control: no-store\r\n", received)
        self.assertNotIn(b"Access-Control-Allow-Origin", received)
        bounds = list(LATENESS_BOUNDS[:-1])
        self.assertEqual(frames(received), [{"bounds": bounds, "history": []}])
        for second in range(3):
            (frame,) = frames(page.client.advance(1))
            self.assertEqual(frame["frame"]["span"], 1, second)
        newcomer = page.another()
        page.clock.advance(0.5)
        (history,) = frames(page.watch("figures=1", client=newcomer))
        self.assertEqual(len(history["history"]), 3)
        page.client.received()
        (frame,) = frames(newcomer.advance(1))
        self.assertEqual(frames(page.client.received()), [frame])
        self.assertEqual(len(page.reads), 5)

    def test_again(self) -> None:
        """A page that connects again at once is no response in progress, in no frame."""
        page = Page()
        page.watch("figures=1")
        page.client.advance(2)
        page.client.disconnect()
        page.clock.advance(2)
        newcomer = page.another()
        page.watch("figures=1", client=newcomer)
        newcomer.advance(2)
        assert page.watchers.figures is not None
        waiting = [json.loads(each)["waiting"] for each in page.watchers.figures.frames]
        self.assertEqual(waiting, [0, 0])

    def test_unwatched(self) -> None:
        """Nobody watches: nothing is sampled, and no timer runs."""
        page = Page()
        page.clock.advance(60)
        self.assertEqual(page.reads, [])
        before = len(page.clock.getDelayedCalls())
        page.watch(f"figures=1&bin={KEY}")
        page.client.advance(1)
        self.assertEqual(len(page.clock.getDelayedCalls()), before + 1)
        page.client.disconnect()
        sampled = len(page.reads)
        page.clock.advance(60)
        self.assertEqual(len(page.reads), sampled)
        self.assertEqual((page.watchers.count, page.watchers.by_topic), (0, {}))
        self.assertEqual(
            [each for each in page.clock.getDelayedCalls() if "_wake" in str(each)], []
        )

    def test_bin(self) -> None:
        """A request to the bin is an event within 100 ms, after a comment that opens it."""
        page = Page()
        received = page.watch(f"bin={KEY}")
        self.assertTrue(received.endswith(b":\n\n\r\n"))
        page.ask_bin()
        (event,) = frames(page.client.advance(0.1))
        self.assertEqual(event["bin"]["status"], 200)
        self.assertEqual(frames(page.client.advance(0.1)), [])

    def test_missed(self) -> None:
        """Of more requests than fifty in 100 ms the page has the number."""
        page = Page()
        page.watch(f"bin={KEY}")
        for _ in range(60):
            page.ask_bin()
        events = frames(page.client.advance(0.1))
        self.assertEqual((len(events), events[-1]), (51, {"missed": 10}))

    def test_both(self) -> None:
        """One stream has figures and a bin, each at its own pace."""
        page = Page()
        page.watch(f"figures=1&bin={KEY}")
        page.ask_bin()
        found = []
        for _ in range(21):
            found += frames(page.client.advance(0.1))
        names = [name for event in found for name in event]
        self.assertEqual(names.count("frame"), 2)
        self.assertEqual(names.count("bin"), 1)

    def test_silence(self) -> None:
        """A comment comes where nothing else did for 15 s."""
        page = Page()
        page.watch(f"bin={KEY}")
        received = b"".join(page.client.advance(0.1) for _ in range(160))
        self.assertEqual(received.count(b":\n\n"), 1)

    def test_notDelayed(self) -> None:
        """A stream is no delayed response in the figures."""
        page = Page()
        page.watch("figures=1")
        page.client.advance(1)
        page.client.disconnect()
        self.assertEqual(
            (page.counters.delays.seconds, page.counters.lateness.counts), (0.0, {})
        )

    def test_end(self) -> None:
        """A stream ends after ten minutes, and within a second once the daemon stops."""
        page = Page()
        page.watch("figures=1")
        received = b"".join(page.client.advance(1) for _ in range(MAX_SECONDS - 1))
        self.assertFalse(received.endswith(b"0\r\n\r\n"))
        self.assertTrue(page.client.advance(1).endswith(b"0\r\n\r\n"))
        page.watch("figures=1")
        page.running = False
        self.assertTrue(page.client.advance(1).endswith(b"0\r\n\r\n"))
        self.assertIn(b" 503 ", page.watch("figures=1"))
        self.assertEqual(page.watchers.count, 0)

    def test_slow(self) -> None:
        """Who reads nothing of what waits for it for two seconds is cut."""
        page = Page()
        page.watch("figures=1")
        producer: Any = page.client.transport.producer
        producer.pauseProducing()
        page.client.advance(1.9)
        producer.resumeProducing()
        page.client.advance(1.9)
        self.assertFalse(page.client.transport.disconnected)
        producer.pauseProducing()
        producer.pauseProducing()
        page.client.advance(2)
        self.assertTrue(page.client.transport.disconnected)

    def test_slowLeaves(self) -> None:
        """A slow reader that leaves by itself leaves no timer."""
        page = Page()
        page.watch("figures=1")
        producer: Any = page.client.transport.producer
        producer.pauseProducing()
        page.client.disconnect()
        self.assertEqual(page.watchers.count, 0)
        self.assertNotIn("_cut", str(page.clock.getDelayedCalls()))

    def test_most(self) -> None:
        """There is room for as many as the settings say; then a 503 says when to return."""
        page = Page(config=evolve(HTTP, console_watchers=2))
        clients = [page.another() for _ in range(3)]
        for each in clients[:2]:
            self.assertIn(b" 200 ", page.watch("figures=1", client=each))
        refused = page.watch("figures=1", client=clients[2])
        self.assertIn(b" 503 ", refused)
        self.assertIn(b"Retry-After: 10\r\n", refused)
        clients[0].disconnect()
        self.assertIn(b" 200 ", page.watch("figures=1", client=clients[2]))
        page = Page(config=evolve(HTTP, console_watchers=0))
        self.assertIn(b" 404 ", page.watch("figures=1"))

    def test_burst(self) -> None:
        """Of streams that wait for their turn together no more begin than there is room for."""
        state = lab_state()
        state.config = evolve(state.config, console_watchers=1)
        scripts = []
        for _ in range(3):
            call = make_call(
                f"GET /console/stream?bin={KEY}", OWN, state=state, authority="localhost"
            )
            scripts.append(script(run(call)))
        begun = [next(each, None) for each in scripts]
        self.assertEqual(begun, [Send(b":\n\n"), None, None])
        self.assertIsInstance(next(scripts[0]), Wait)

    def test_preflight(self) -> None:
        """A preflight is refused, as for a page of another origin."""
        response = Page().client.request(
            "OPTIONS /console/stream",
            "Origin: http://evil.example",
            "Access-Control-Request-Method: GET",
            "Access-Control-Request-Headers: x-netd-console",
        )
        self.assertNotIn("access-control-allow-origin", response.headers)
        self.assertNotIn("access-control-allow-headers", response.headers)


class RefusalTests(SynchronousTestCase):
    """
    Who may not watch, and what.
    """

    def setUp(self) -> None:
        self.state = lab_state()
        figures = Figures(lambda done: None)
        self.state.watchers = Watchers(figures, token="secret-token")

    def ask(self, query: str, *headers: str, method: str = "GET", **facts: Any) -> Reply:
        """The reply to a request for the stream."""
        line = f"{method} /console/stream?{query}"
        return run(make_call(line, *headers, state=self.state, **facts))

    def refused(self, status: int, query: str, *headers: str, **facts: Any) -> BadCall:
        """Why a stream is refused, with this status."""
        with self.assertRaises(BadCall) as caught:
            self.ask(query, *headers, **facts)
        refusal: BadCall = caught.exception
        self.assertEqual(refusal.status, status, refusal.detail)
        return refusal

    def test_field(self) -> None:
        """A request without the field of the page is refused."""
        for headers in ((), ("X-Netd-Console: 2",)):
            refusal = self.refused(403, "figures=1", *headers, authority="localhost")
            self.assertIn("X-Netd-Console: 1", refusal.detail)

    def test_host(self) -> None:
        """A foreign name is refused, unless --console-host has it."""
        call = make_call("GET /console/stream?figures=1", OWN, state=self.state)
        with self.assertRaises(BadCall) as caught:
            run(call)
        self.assertIn("start netd with --console-host netd", caught.exception.detail)
        self.state.config = evolve(HTTP, console_hosts=("Netd:8000",))
        run(make_call("GET /console/stream?figures=1", OWN, state=self.state))
        self.state.config = HTTP
        for authority in ("127.0.0.1:80", "[::1]:80", "a.localhost"):
            self.ask("figures=1", OWN, authority=authority)
        self.refused(403, "figures=1", OWN, authority="evil.example")

    def test_origin(self) -> None:
        """Pages of other origins are refused, however they say so."""
        for headers in (
            ("Origin: http://evil.example",),
            ("Origin: null",),
            ("Origin: http://[",),
            ("Origin: http://localhost:9999",),
            ("Sec-Fetch-Site: cross-site",),
            ("Sec-Fetch-Site: same-site",),
        ):
            self.refused(403, "figures=1", OWN, *headers, authority="localhost:8000")
        for headers in (
            ("Origin: http://LOCALHOST:8000",),
            ("Sec-Fetch-Site: same-origin",),
            ("Sec-Fetch-Site: none",),
        ):
            self.ask("figures=1", OWN, *headers, authority="localhost:8000")

    def local(self, query: str, *headers: str, **facts: Any) -> Reply:
        """The reply to a request of the page."""
        return self.ask(query, OWN, *headers, authority="localhost", **facts)

    def test_nothing(self) -> None:
        """A stream of nothing is a mistake, and so is what is no key."""
        for query in ("", "figures=0", "bin=short", f"bin={KEY}x", f"bin={KEY[:-1]}%2f"):
            self.refused(400, query, OWN, authority="localhost")

    def test_moved(self) -> None:
        """Without figures on this port a request for them is a 404; a bin is not."""
        self.state.watchers = Watchers()
        self.assertIn(
            "--metrics-http", self.refused(404, "figures=1", OWN, authority="localhost").detail
        )
        self.assertEqual(self.local(f"bin={KEY}").status, 200)

    def test_token(self) -> None:
        """All requests need the token of the log, and the option."""
        for headers in (
            (),
            ("Authorization: Bearer wrong",),
            ("Authorization: Basic secret-token",),
            ("Authorization: Bearer \xe9",),
        ):
            refusal = self.refused(401, "requests=1", OWN, *headers, authority="localhost")
            self.assertEqual(refusal.headers, (("WWW-Authenticate", "Bearer"),))
        reply = self.local("requests=1", "Authorization: Bearer secret-token")
        self.assertEqual(next(script(reply)), Send(b":\n\n"))
        self.state.watchers = Watchers()
        refusal = self.refused(
            403, "requests=1", OWN, "Authorization: Bearer ", authority="localhost"
        )
        self.assertIn("--console-requests yes", refusal.detail)

    def test_client(self) -> None:
        """One client has eight streams at most, unless it is on loopback."""
        self.assertIsInstance(self.state, LabState)
        kept = []
        for _ in range(9):
            kept.append(script(self.local("figures=1")))
            next(kept[-1])
        for number in range(8):
            kept.append(script(self.local("figures=1", address=f"2001:db8::{number}")))
            next(kept[-1])
        self.refused(503, "figures=1", OWN, authority="localhost", address="2001:db8::9")
        self.local("figures=1", address="192.0.2.1")

    def test_head(self) -> None:
        """HEAD has the header of a stream, and no stream."""
        reply = self.local("figures=1", method="HEAD")
        self.assertEqual((reply.body, reply.type), (b"", "text/event-stream"))
        self.assertEqual(fields(reply)["cache-control"], "no-store")
        self.assertEqual(self.state.watchers.count, 0)
