"""
The bin of the console: requests of other clients, shown as they end, and the chart of them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.browser import element, overflow
from tests.clients import connect, reset
from tests.console import ConsoleTests, link
from tests.programs import needs
from tests.running import eventually, run, temporary_directory

_ROWS: Final = "return document.querySelectorAll('#bin-rows details').length"
_IMAGE: Final = "<img src=x onerror=document.title='run'></script>\u202e"
_COPY: Final = "#bin-rows > li:first-child .head > button"


@needs("chromium", "chromedriver", "curl")
class BinTests(ConsoleTests):
    """
    The bin.
    """

    def setUp(self) -> None:
        super().setUp()
        self.live()

    def live(self) -> None:
        """Wait until the stream is open."""
        eventually(lambda: self.text("live-text") == "live" or None, "the stream")

    @property
    def url(self) -> str:
        """The URL of the bin."""
        found = re.search(r"http://\S+/echo/b-[\w-]{22}", self.text("terminal"))
        assert found is not None
        return found[0]

    def curl(self, *words: str) -> None:
        """Run curl, which may fail."""
        run("curl", "-s", "-o", "/dev/null", *words)

    def arrived(self, count: int) -> None:
        """Wait until there are so many rows."""
        eventually(lambda: self.script(_ROWS) == count or None, f"{count} rows")

    def unfold(self, summary: WebElement) -> None:
        """Open a row, and wait for what is in it."""
        summary.click()
        content = "return arguments[0].nextElementSibling"
        eventually(lambda: self.script(content, summary), "the content")

    def events(self) -> list[dict[str, Any]]:
        """What "Save as JSON" saves, the latest first."""
        folder = self.enterContext(temporary_directory())
        self.driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
        )
        element(self.driver, "#bin-save").click()

        def saved() -> list[dict[str, Any]] | None:
            try:
                return list(json.loads(Path(folder, "netd-bin.json").read_text("utf-8")))
            except (FileNotFoundError, ValueError):
                return None

        return eventually(saved, "the file")

    @needs("bash")
    def test_day(self) -> None:
        """A URL is sent, copied and run in a terminal; what that sends to the bin shows."""
        self.open(link("/drip?duration=100ms&numbytes=4"))
        self.live()
        self.assertRegex(self.send(), "^200 OK")
        self.forget()
        element(self.driver, "#snippets .head > button").click()
        self.assertEqual(self.said(), "Copied.")
        clipboard = "navigator.clipboard.readText().then(arguments[0])"
        command = self.driver.execute_async_script(clipboard)
        self.assertTrue(run("bash", "-c", command).out.endswith("\r\n\r\n****"))
        self.curl(f"{self.url}/hook?source=ci&status=201", "-d", "hello")
        self.arrived(1)
        row = element(self.driver, "#bin-rows summary").text
        self.assertRegex(row, r"(?s)^\d\d:\d\d:\d\d.201.POST …/hook\?source=ci&status=201.*ms$")
        self.check()

    @needs("bash")
    def test_clients(self) -> None:
        """Five clients of one worker: the chart has the numbers of the bin, in their order."""
        self.undisturbed(self.clients)

    def clients(self) -> None:
        """Five clients, whose numbers are in the list, the chart and the file."""
        self.open()
        self.live()
        element(self.driver, "#setting [value='one at a time']").click()
        self.fill("#setting [name=clients]", "5")
        self.fill("#setting [name=delay]", "120ms")
        run("bash", "-c", self.text("terminal").removesuffix("Copy"))
        self.arrived(5)
        lines = self.script(
            "return [...document.querySelectorAll('#bin-told li')].map(e => e.textContent)"
        )
        events = sorted(self.events(), key=lambda event: event["at"])
        self.assertEqual(len(lines), 5)
        for number, (line, event) in enumerate(zip(lines, events, strict=True)):
            took, *parts = re.findall("([0-9.]+) ms", line)
            self.assertLessEqual(abs(float(took) - event["took"] * 1000), 0.51)
            queued = float(parts[0]) if "queue" in line else 0.0
            self.assertLessEqual(abs(queued - event["queue"] * 1000), 0.51)
            self.assertGreaterEqual(event["took"], event["queue"] + 0.12)
            self.assertLessEqual(event["queue"], number * 0.12 + 1e-6)
        self.assertEqual(sorted(events, key=lambda event: event["queue"]), events)
        end = events[4]["at"] + events[4]["took"]
        self.assertGreaterEqual(end - events[0]["at"], 5 * 0.12 - 1e-4)
        label = element(self.driver, "#bin-gantt svg").get_attribute("aria-label")
        self.assertRegex(str(label), "^5 clients in .* from your bin$")

    def test_waiting(self) -> None:
        """A long wait shows from its start, as a row and in the chart, until its end."""
        waiting = (
            "return [...document.querySelectorAll('#bin-rows > li')].map(e => e.innerText)"
        )
        grown = "return document.querySelector('#bin-gantt .delayed').getAttribute('d')"
        for lost in (True, False):
            self.script(
                "window.controller = new AbortController();"
                "fetch(arguments[0], { signal: controller.signal }).catch(() => {})",
                f"{self.url}/clients?delay=30s",
            )
            eventually(lambda: self.script(waiting) or None, "the row")
            self.assertRegex("".join(self.script(waiting)), r"(?s)….GET …/clients.*waiting$")
            self.assertRegex(self.text("bin-told"), "[12]: waiting$")
            eventually(lambda: self.script(grown) or None, "the bar")
            if lost:
                element(self.driver, "#pause").click()
                element(self.driver, "#pause").click()
                eventually(lambda: self.script(waiting) == [] or None, "the end of the row")
                self.assertFalse(element(self.driver, "#bin-told").is_displayed())
            # Who closes within 0.1 s of a request may wait for the response.
            self.driver.execute_async_script("fetch('/delay/200ms').then(arguments[0])")
            self.script("controller.abort()")
            self.arrived(1)
            self.assertEqual(self.script(waiting)[0].split()[1], "499")
            self.script("document.getElementById('bin-rows').replaceChildren()")

    def test_kept(self) -> None:
        """The latest 200 are kept, and the focus stays where it was while rows arrive."""
        path = self.url.removeprefix(self.daemon.url)
        with connect(self.daemon.address()) as sock:
            sock.sendall(f"GET {path}/first?delay=30s HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            eventually(lambda: "first" in self.text("bin-rows") or None, "the row")
            reset(sock)
        self.arrived(1)
        self.assertRegex(self.text("bin-rows"), "499GET …/first.*left at [0-9.]+ ms$")
        summary = "document.querySelector('#bin-rows summary')"
        self.script(f"window.kept = {summary}; kept.focus()")
        self.keys(Keys.ENTER)
        self.curl(f"{self.url}/[1-205]?delay=3ms")
        last = f"return {summary}.textContent.includes('…/205') || null"
        eventually(lambda: self.script(last), "the last request")
        self.assertEqual(self.script("return document.activeElement === kept"), True)
        self.assertEqual(self.script(_ROWS), 201)
        self.assertEqual(len(self.events()), 200)

    @needs("bash")
    def test_copied(self) -> None:
        """The command of a row sends the same again, text and other bytes."""
        bodies = self.enterContext(temporary_directory())
        (bodies / "text").write_text("it's\n<é>")
        (bodies / "bytes").write_bytes(bytes(range(256)))
        for number, name in enumerate(("text", "bytes")):
            body = f"@{bodies / name}"
            self.curl(
                "-X", "PUT", f"{self.url}/x?a=1", "-H", "X-A: it's", "--data-binary", body
            )
            self.arrived(2 * number + 1)
            self.unfold(element(self.driver, "#bin-rows summary"))
            self.forget()
            # A row is filled by an event that follows the click.
            (copy,) = eventually(lambda: self.all(_COPY) or None, "the row")
            copy.click()
            self.assertEqual(self.said(), "Copied.")
            clipboard = "navigator.clipboard.readText().then(arguments[0])"
            run("bash", "-c", self.driver.execute_async_script(clipboard))
            self.arrived(2 * number + 2)
            again, first, *_ = self.events()
            for part in ("method", "target", "bytes", "text", "base64"):
                self.assertEqual(again.get(part), first.get(part), part)
            self.assertEqual(sorted(again["headers"]), sorted(first["headers"]))

    def test_link(self) -> None:
        """A link shows another's bin, and one without a key is refused; a tab keeps its own."""
        own, another = self.url, "abcdefghijklmnopqrstuv"
        self.script("location.hash = '#bin=short'")
        eventually(lambda: "no key" in self.text("status") or None, "the refusal")
        self.open(f"#bin={another}")
        self.live()
        self.assertEqual(self.text("bin-title"), "Another's bin")
        self.curl(f"{self.daemon.url}/echo/b-{another}/x")
        self.arrived(1)
        element(self.driver, "#bin-own").click()
        self.assertEqual((self.text("bin-title"), self.url), ("Your bin", own))
        self.assertEqual(self.script(_ROWS), 0)
        self.live()
        self.curl(f"{self.daemon.url}/echo/b-{another}/x", f"{own}/mine")
        self.arrived(1)
        self.assertIn("…/mine", self.text("bin-rows"))

    def test_hostile(self) -> None:
        """Hostile targets, headers and bodies of 8 KiB change nothing but text."""
        self.curl(f"{self.url}/{'%3Cimg%20src=x%3E' * 450}?q=%3C/script%3E", "-g")
        self.curl(self.url, "-H", f"X-A: {_IMAGE[:30]}", "--data-binary", _IMAGE * 150)
        self.arrived(2)
        for row in self.all("#bin-rows summary"):
            self.unfold(row)
        bodies = "document.querySelectorAll('#bin-rows .tab:nth-child(2)')"
        count = f"return {bodies}.length === 2 || null"
        eventually(lambda: self.script(count), "the rows")
        self.script(f"for (const e of {bodies}) e.click()")
        shown = self.script(
            "return [...document.querySelectorAll('#bin-rows pre')].map(e => e.textContent)"
        )
        self.assertEqual(shown, [_IMAGE * 150, ""])
        self.assertIn("%3Cimg%20src=x%3E", self.text("bin-rows"))
        self.assertEqual(self.script("return document.querySelectorAll('#bin img').length"), 0)
        self.assertEqual(self.driver.title, "netd: console")
        self.assertLessEqual(overflow(self.driver), 0)
        self.check()
