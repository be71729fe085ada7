"""
The experiment of the console: clients of a server that sleeps, drawn as a Gantt chart.

Rules: no time is asserted that a busy machine could miss; orders and lower bounds are.
"""

from __future__ import annotations

import re
from typing import Final, Self

from attrs import frozen
from selenium.webdriver.common.keys import Keys

from tests.browser import element
from tests.console import ConsoleTests
from tests.programs import needs
from tests.running import run

_ROW: Final = re.compile(r"\d+: 200 after ([0-9.]+ m?s) \((.*)\)")
_PART: Final = re.compile(r"([a-z ]+) ([0-9.]+ m?s)(?:, )?")
_CLOCK: Final = 0.002
"""The seconds by which a row may be off in words."""


def _seconds(text: str) -> float:
    """The seconds of `62 ms` or `1.058 s`."""
    value, unit = text.split()
    return float(value) / (1000 if unit == "ms" else 1)


@frozen
class Row:
    """A response of the experiment as the page tells it: its parts in seconds."""

    unconnected: float
    queue: float
    end: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """The row of a line in the list."""
        match = _ROW.fullmatch(text)
        assert match is not None, text
        parts = {words: _seconds(value) for words, value in _PART.findall(match[2])}
        unconnected = parts.get("no connection yet", 0.0)
        return cls(unconnected, parts.get("queue for a worker", 0.0), _seconds(match[1]))


@needs("chromium", "chromedriver")
class ExperimentTests(ConsoleTests):
    """
    "Run here".
    """

    def choose(self, model: str, clients: int | str, delay: str) -> None:
        """Fill in the fields."""
        element(self.driver, f"#setting [value='{model}']").click()
        self.fill("#setting [name=clients]", str(clients))
        self.fill("#setting [name=delay]", delay)

    def rows(self) -> list[Row]:
        """The rows of the chart, as the list says them."""
        lines = self.script(
            "return [...document.querySelectorAll('#told li')].map(e => e.textContent)"
        )
        return [Row.parse(line) for line in lines]

    def blocks(self, kind: str) -> int:
        """How many blocks of a kind the chart has."""
        path = f"#gantt path.{kind}"
        drawn = self.script(
            "return document.querySelector(arguments[0]).getAttribute('d')", path
        )
        return str(drawn).count("M")

    def test_waves(self) -> None:
        """Twelve clients are two waves, since the browser has six connections."""
        self.undisturbed(self.waves)

    def waves(self) -> None:
        """Twelve clients, whose waves are in the chart."""
        self.choose("one reactor", 12, "500ms")
        said = self.run_here()
        self.assertIn("2 waves, and netd is not the reason: this browser opens 6", said)
        self.assertEqual(said, self.text("outcome"))
        rows = sorted(self.rows(), key=lambda row: row.unconnected)
        ends = sorted(row.end for row in rows)
        self.assertLess(rows[5].unconnected, ends[0])
        for number, row in enumerate(rows[6:]):
            self.assertGreaterEqual(row.unconnected + _CLOCK, ends[number])
        for row in rows:
            self.assertGreaterEqual(row.end + _CLOCK, row.unconnected + 0.5)
        self.assertEqual(self.blocks("delayed"), 12)
        self.assertEqual(self.blocks("responded"), 12)
        self.assertGreaterEqual(self.blocks("unconnected"), 6)
        self.assertEqual(self.blocks("expected"), 1)
        label = element(self.driver, "#gantt svg").get_attribute("aria-label")
        self.assertEqual(label, said)
        self.check()

    def test_queue(self) -> None:
        """Clients of one worker are served one after the other."""
        self.undisturbed(self.queue)

    def queue(self) -> None:
        """Five clients of one worker."""
        self.choose("one at a time", 5, "300ms")
        self.assertIn("With 1 worker the longest queue was", self.run_here())
        rows = sorted(self.rows(), key=lambda row: row.end)
        self.assertEqual([bool(row.queue) for row in rows], [False, True, True, True, True])
        for number, row in enumerate(rows, 1):
            self.assertGreaterEqual(row.end + _CLOCK, number * 0.3)
            self.assertLess(row.queue, number * 0.3)
        self.assertEqual(self.blocks("queued"), 4)

    def test_pool(self) -> None:
        """As many responses as there are workers are under way at a time."""
        self.undisturbed(self.pool)

    def pool(self) -> None:
        """Five clients of two workers."""
        self.choose("a pool", 5, "300ms")
        self.fill("#setting [name=workers]", "2")
        self.assertIn("With 2 workers", self.run_here())
        queues = sorted(row.queue for row in self.rows())
        self.assertEqual([bool(queue) for queue in queues], [False, False, True, True, True])
        self.assertGreater(queues[4], 0.3 - _CLOCK)

    @needs("bash", "curl")
    def test_terminal(self) -> None:
        """The line for a terminal has the clients, and its URL the delay and the workers."""
        self.choose("one at a time", 5, "100ms")
        line = self.text("terminal").removesuffix("Copy")
        self.assertTrue(line.startswith("seq 5 | xargs -P5 -I% curl -s 'http://"), line)
        done = run("bash", "-c", line)
        self.assertEqual((done.status, done.err), (0, ""))
        self.assertGreaterEqual(done.seconds, 0.5)

    def test_cancel(self) -> None:
        """Escape cancels, and so does the button; the rows say so, and Enter begins again."""
        self.choose("one reactor", 3, "30s")
        for end in (
            lambda: element(self.driver, "#run").click(),
            lambda: self.keys(Keys.ESCAPE),
        ):
            self.script("document.querySelector('#setting [name=delay]').focus()")
            self.keys(Keys.ENTER)
            self.assertEqual(self.text("run"), "Cancel")
            end()
            self.assertRegex(self.outcome(), "^0 of 3 responses after .* Cancelled.$")
            self.assertIn("3: Cancelled after", self.text("told"))
            self.assertEqual(self.text("run"), "Run here")

    def test_mistakes(self) -> None:
        """A wrong field is named, and nothing can be sent; the daemon's own words are shown."""
        for clients, delay, wrong in (
            ("0", "3s", "clients: a number from 1 to 100."),
            ("101", "3s", "clients: a number from 1 to 100."),
            ("5", "soon", "delay: a duration such as 3s or 250ms."),
        ):
            self.choose("one reactor", clients, delay)
            self.assertEqual(self.text("outcome"), wrong)
            self.assertFalse(element(self.driver, "#run").is_enabled())
        self.choose("one reactor", 2, "1d")
        self.assertRegex(self.run_here(), "^0 of 2 responses .* 400: delay: ")
