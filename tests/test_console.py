"""
The console in a browser: found, filled in, sent and copied as a person does.
"""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from netd.lab.table import ROUTES
from tests.browser import PLAIN_HOST, element, overflow, prefer, resize, screenshot
from tests.console import ConsoleTests, link
from tests.programs import needs
from tests.running import eventually, run

_ECHO: Final = "/echo?delay=lognormal:50ms,20ms&status=200:9,201:1&retry_after=5"
_STATUSES: Final = {
    "/basic-auth/<user>/<passwd>": (401,),
    "/hidden-basic-auth/<user>/<passwd>": (404,),
    "/bearer": (401,),
    "/digest-auth/<qop>/<user>/<passwd>": (401,),
    "/digest-auth/<qop>/<user>/<passwd>/<algorithm>": (401,),
    "/digest-auth/<qop>/<user>/<passwd>/<algorithm>/<stale_after>": (401,),
    "/hostname": (403,),
    "/version": (403,),
    "/console/stream": (403,),
    "/echo": (200, 503),
    "/status/<codes>": (200, 503),
    "/retry/<times>/<key>": (503,),
    "/unstable": (200, 500),
}
"""What a route's example responds with, where that is not 200."""
_SEND_ALL: Final = """
const [links, done] = arguments, status = document.getElementById("status"), found = {};
const send = document.getElementById("send");
const pause = () => new Promise((go) => setTimeout(go, 5));
(async () => {
  for (const link of links) {
    location.hash = link;
    while (decodeURIComponent(location.hash) !== decodeURIComponent(link)) await pause();
    await pause();
    status.textContent = "";
    send.click();
    while (!status.textContent || send.textContent !== "Send") await pause();
    found[link] = `${status.textContent} | ${document.querySelector(".scale").textContent}`;
  }
  done(found);
})();
"""
_HISTOGRAM: Final = (
    "return document.querySelector('.histogram svg')?.getAttribute('aria-label')"
)
_CHIPS: Final = "document.querySelectorAll('.chip:not(:nth-last-of-type(-n+3))')"
"""What adds a parameter; the last three add fields of any name."""
_CHIP: Final = (
    "return [...document.querySelectorAll('.chip')].find(e => e.textContent == arguments[0])"
)


@needs("chromium", "chromedriver")
class WalkTests(ConsoleTests):
    """
    A walk through the page.
    """

    def walk(self) -> None:
        """Search, choose, fill in, send; then compose, experiment and choose colours."""
        element(self.driver, "#search").send_keys("bytes one")
        hits = self.all("#routes a")
        self.assertEqual([each.text for each in hits], ["/drip"])
        hits[0].click()
        drip = "/drip?duration=2s&numbytes=10"
        eventually(lambda: self.text("target") == drip or None, "the form")
        field = element(self.driver, "[data-name=duration] input:not([type=range])")
        field.clear()
        field.send_keys("1s")
        self.assertEqual(self.text("target"), "/drip?duration=1s&numbytes=10")
        self.assertIn("duration=1s&numbytes=10'", self.text("snippet"))
        self.assertRegex(self.send(), "^200 OK after .*, 10 bytes$")
        self.assertRegex(element(self.driver, ".scale").text, "([2-9]|10) chunks in")
        self.assertEqual(element(self.driver, "#result pre").text, "*" * 10)
        self.assertEqual(len(self.all("#sent li")), 1)
        for tab in self.all("[role=tab]"):
            tab.click()
        self.follow(link(_ECHO.replace("50ms", "30ms")))
        eventually(lambda: self.script(_HISTOGRAM), "the histogram")
        for name in self.script(f"return [...{_CHIPS}].map(e => e.textContent)"):
            self.script(f"{_CHIP}?.click()", name)
        self.follow(link("/echo?body=x"))
        self.forget()
        element(self.driver, "#ten").click()
        self.assertIn("10 responses, median", self.said())
        self.fill("#setting [name=delay]", "20ms")
        self.assertIn("this browser opens 6 connections", self.run_here())
        element(self.driver, "#scheme input[value=dark]").click()
        element(self.driver, "#scheme input").click()
        element(self.driver, ".bar [href='#reference']").click()
        self.check()

    def test_tries(self) -> None:
        """Each route has a link that fills it in."""
        tries = [each.get_attribute("href") or "" for each in self.all(".try")]
        self.assertEqual(len(tries), len(ROUTES))
        self.assertIn(f"{self.daemon.url}/console#try=POST%20/post", tries)

    def test_address(self) -> None:
        """A link is followed although the page writes its address at the same moment."""
        self.driver.execute_async_script(
            "const [hash, done] = arguments;"
            "addEventListener('hashchange', () => done(), { once: true });"
            "location.hash = hash; history.replaceState(null, '', '#try=GET /get')",
            link("/echo?body=x"),
        )
        self.assertEqual(self.text("target"), "/echo?body=x")

    def test_https(self) -> None:
        """
        Each step shows, without an error, where there is no host but the daemon: over HTTPS,
        with a temporary certificate.
        """
        self.open(origin=f"https://localhost:{self.daemon.where('https').port}")
        self.walk()

    def test_plain(self) -> None:
        """The same over HTTP on another name than localhost, for which browsers do less."""
        self.open(origin=f"http://{PLAIN_HOST}:{self.daemon.where().port}")
        self.assertFalse(self.script("return isSecureContext"))
        self.walk()
        self.forget()
        self.script("document.querySelector('#snippets .head > button').click()")
        selected = "return getSelection().toString()"
        self.assertEqual(self.said(), "Selected.")
        self.assertEqual(self.script(selected), self.text("snippet"))

    def test_composer(self) -> None:
        """The controls of /echo write the delay, the statuses and what is added."""
        self.follow(link(_ECHO))
        element(self.driver, ".delay input[value=uniform]").click()
        self.assertIn("delay=uniform:1s-3s&", self.text("target"))
        self.script(f"{_CHIP}.click()", "body")
        element(self.driver, "[data-name=body] textarea").send_keys("a&b")
        self.assertIn("&body=a%26b", self.text("target"))
        element(self.driver, "[data-name=status] .link").click()
        self.assertIn("status=200:9,201:1,503:1&", self.text("target"))
        for name in ("delay", "status"):
            element(self.driver, f"[aria-label='Remove {name}']").click()
        self.assertEqual(self.text("target"), "/echo?retry_after=5&body=a%26b")
        element(self.driver, "input[value='in X-Netd- headers']").click()
        self.assertEqual(self.text("target"), "/echo")
        self.assertIn("-H 'X-Netd-Body: a&b'", self.text("snippet"))
        self.assertIn("200 OK", self.send())
        self.assertEqual(element(self.driver, "#result pre").text, "a&b")
        self.check()

    def test_histogram(self) -> None:
        """A distribution is drawn by the daemon, and the response says what was drawn."""
        self.follow(link("/echo?delay=lognormal:100ms,20ms"))
        said = eventually(lambda: self.script(_HISTOGRAM), "the histogram")
        self.assertRegex(
            str(said), "^1000 draws: median (9[0-9]|10[0-9]) ms, 99 %: 1[0-9]+ ms$"
        )
        self.send()
        self.assertIn("delay drawn", element(self.driver, ".facts").text)
        element(self.driver, ".delay input[value=fixed]").click()
        self.assertFalse(element(self.driver, ".histogram").is_displayed())
        self.check()

    def test_queue(self) -> None:
        """The queue for a worker is a part of the timeline, in words too."""
        self.follow(link("/echo/queue?delay=50ms&workers=1"))
        self.send()
        self.assertNotIn("queue", element(self.driver, ".scale").text)
        self.script("fetch('/echo/queue?delay=2s&workers=1')")
        self.assertIn("200 OK", self.send())
        self.assertRegex(element(self.driver, ".scale").text, "queue [0-9.]+ m?s")
        self.check()

    def test_mistake(self) -> None:
        """A 400 stands at the field that it is about."""
        self.follow(link("/echo?delay=soon"))
        self.assertIn("400 Bad Request", self.send())
        self.assertIn("delay: ", element(self.driver, "[data-name=delay] .mistake").text)

    def test_cancel(self) -> None:
        """Send is Cancel while a response is awaited, and Escape cancels."""
        self.follow(link("/echo?delay=60s"))
        for end in (lambda: element(self.driver, "#send").click(), self.escape):
            self.forget()
            element(self.driver, "#send").click()
            self.assertEqual(self.text("send"), "Cancel")
            end()
            self.assertIn("Cancelled after", self.said())
            self.assertEqual(self.text("send"), "Send")

    def escape(self) -> None:
        """Press Escape."""
        ActionChains(self.driver).send_keys(Keys.ESCAPE).perform()

    def test_fault(self) -> None:
        """A broken response is shown with the fault that the URL asks for."""
        self.follow(link("/fault/reset"))
        self.assertRegex(self.send(), "Failed to fetch|network error")
        self.assertIn("the fault reset", element(self.driver, "#result pre").text)
        self.follow(link("/fault/close"))
        self.assertIn("Chromium retries", self.text("notes"))

    def test_ten(self) -> None:
        """ "Send 10" sends ten and keeps their times."""
        self.follow(link("/echo?body=x"))
        self.send()
        self.forget()
        element(self.driver, "#ten").click()
        self.assertIn("10 responses, median", self.said())
        self.assertEqual(len(self.all("#sent li")), 11)

    def test_large(self) -> None:
        """Of 20 MB the page reads 10 MiB and shows 256 KiB."""
        self.follow(link("/echo?size=20MB"))
        self.assertRegex(self.send(), "10.[0-9] MiB$")
        shown = self.script("return document.querySelector('#result pre').textContent.length")
        self.assertLess(abs(shown - 256 * 1024), 100)

    def test_image(self) -> None:
        """An image is shown as one."""
        self.follow(link("/image/png"))
        self.send()
        width = "return document.querySelector('#result img')?.naturalWidth || null"
        self.assertGreater(eventually(lambda: self.script(width), "the image"), 10)
        self.check()


@needs("chromium", "chromedriver")
class KeyboardTests(ConsoleTests):
    """
    The page without a mouse.
    """

    def focused(self, expression: str) -> Any:
        """The value of an expression of the element `e` that has the focus."""
        return self.script(f"const e = document.activeElement; return {expression}")

    def test_keyboard(self) -> None:
        """Search, choose, fill in, send, read and copy; the focus is visible all the way."""
        ActionChains(self.driver).key_down(Keys.CONTROL).send_keys("k").perform()
        ActionChains(self.driver).key_up(Keys.CONTROL).perform()
        self.assertEqual(self.focused("e.id"), "search")
        self.keys("anything/<", Keys.ENTER)
        eventually(lambda: self.text("target") == "/anything/any/path?a=1" or None, "the form")
        for _ in range(40):
            self.keys(Keys.TAB)
            outlines = (
                "[e, e.nextElementSibling ?? e].map(x => getComputedStyle(x).outlineStyle)"
            )
            self.assertIn("solid", self.focused(outlines), self.focused("e.outerHTML"))
            if self.focused("e.closest('[data-name=rest]')") is not None:
                break
        self.forget()
        self.keys(Keys.END, "!", Keys.ENTER)
        self.assertIn("200 OK", self.said())
        self.assertIn("/anything/any/path%21", self.text("target"))
        self.assertEqual(self.focused("e.closest('[data-name=rest]') !== null"), True)
        for _ in range(40):
            self.keys(Keys.TAB)
            if self.focused("e.textContent") == "Copy":
                break
        self.forget()
        self.keys(Keys.ENTER)
        self.assertEqual(self.said(), "Copied.")
        self.assertEqual(self.focused("e.textContent"), "Copied")
        clipboard = "navigator.clipboard.readText().then(arguments[0])"
        copied = self.driver.execute_async_script(clipboard)
        self.assertEqual(copied, self.text("snippet"))

    def test_tabs(self) -> None:
        """The arrow keys go from one client's command to the next, and around."""
        self.script("document.querySelector('#snippets [role=tab]').focus()")
        for name in ("requests", "httpx", "fetch", "HTTPie", "curl"):
            self.keys(Keys.ARROW_RIGHT)
            self.assertEqual(self.focused("e.textContent"), name)
            self.assertEqual(self.focused("e.getAttribute('aria-selected')"), "true")

    def test_removed(self) -> None:
        """The focus stays in the form when the field under it is removed or added."""
        self.follow(link(_ECHO))
        self.script("document.querySelector(\"[aria-label='Remove delay']\").focus()")
        self.keys(Keys.ENTER)
        self.assertTrue(self.focused("document.querySelector('#add').contains(e)"))
        self.script(f"{_CHIP}.focus()", "delay")
        self.keys(Keys.ENTER)
        self.assertEqual(self.focused("e.closest('fieldset').dataset.name"), "delay")


@needs("chromium", "chromedriver")
class RoutesTests(ConsoleTests):
    """
    Every route.
    """

    def test_examples(self) -> None:
        """Every route's example, but faster, gives the status that its help promises."""
        links = {
            link(_fast(route.example), (*route.methods, "GET")[0]): route
            for route in ROUTES
            if not route.path.startswith("/fault/")
        }
        found = self.driver.execute_async_script(_SEND_ALL, list(links))
        for fragment, route in links.items():
            said = str(found[fragment])
            wanted = _STATUSES.get(route.path, (200,))
            self.assertIn(said.partition(" ")[0], map(str, wanted), f"{fragment}: {said}")
        for fragment, said in found.items():
            if fragment.startswith(("#try=GET /drip", "#try=GET /sse", "#try=GET /jsonl")):
                self.assertRegex(str(said), "([2-9]|1[0-9]) chunks in ", fragment)
        self.assertEqual(self.script("return violations"), [])


def _fast(example: str) -> str:
    """An example with a tenth of its time; a stream, whose chunks are counted, with half."""
    if "duration=2s" in example:
        return example.replace("duration=2s", "duration=1s")
    return re.sub(r"\b([0-9.]+)s\b", r"\g<1>00ms", example).replace("1.200ms", "120ms")


@needs("chromium", "chromedriver")
class HostileTests(ConsoleTests):
    """
    Texts that want to be more than text.
    """

    def test_links(self) -> None:
        """A link fills the form and sends nothing; one to elsewhere is refused."""
        before = self.text("target")
        for target in (
            "//evil.example/echo",
            "/\\evil.example/",
            "/nosuch",
            "echo",
            "/" + "a" * 17000,
        ):
            self.follow(link(target))
            self.assertIn("fits no URL", self.text("notes"))
            self.assertEqual(self.text("target"), before)
            self.script("document.getElementById('notes').textContent = ''")
        image = "<img src=x onerror=document.title='run'></script>\u202e"
        self.open(link(f"/echo?body={image}&{image}={image}&status=200&delay={image}"))
        self.assertFalse(element(self.driver, "#results").is_displayed())
        sent = "return performance.getEntriesByType('resource').map(e => e.name)"
        self.assertEqual([each for each in self.script(sent) if "/echo" in each], [])
        self.assertEqual(
            self.script("return document.querySelectorAll('#try-form img').length"), 0
        )
        self.check()

    def test_bodies(self) -> None:
        """A response in HTML is shown as text."""
        self.follow(
            link("/echo?body=%3Cimg%20src=x%20onerror=document.title='run'%3E%3C/script%3E")
        )
        self.send()
        self.assertIn("<img src=x", element(self.driver, "#result pre").text)
        self.follow(link("/html"))
        self.send()
        self.assertIn("<h1>", element(self.driver, "#result pre").text)
        self.assertNotEqual(self.driver.title, "run")
        self.check()


@needs("chromium", "chromedriver")
class PageTests(ConsoleTests):
    """
    The page as a whole.
    """

    def test_accessible(self) -> None:
        """axe-core finds nothing, light and dark, at three widths, with a result open."""
        spec = find_spec("axe_playwright_python")
        assert spec is not None and spec.submodule_search_locations  # noqa: PT018
        axe = (Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text("utf-8")
        self.follow(link(_ECHO))
        self.send()
        self.fill("#setting [name=delay]", "10ms")
        self.run_here()
        self.script("document.getElementById('told').open = true")
        self.script("document.getElementById('as-table').click()")
        live = "return document.getElementById('live-text').textContent === 'live' || null"
        eventually(lambda: self.script(live), "the stream")
        self.script(
            "const url = `/echo/b-${sessionStorage.bin}/clients?delay=20ms`;"
            "for (const body of 'ab') fetch(url, { method: 'POST', body })"
        )
        row = "return document.querySelector('#bin-gantt svg, #bin-rows summary')"
        eventually(lambda: self.script(row), "the requests")
        self.script("document.querySelector('#bin-rows summary').click()")
        eventually(lambda: self.script(_HISTOGRAM), "the histogram")
        self.script(axe)
        contrast = "color-contrast"
        self.assertEqual(self.wrong({"rules": {contrast: {"enabled": False}}}), [])
        # Contrast takes its time, and these all look alike.
        self.script(
            "for (const each of ['.route + .route', '#routes li + li', 'dl > div + div'])"
            "  for (const e of document.querySelectorAll(each)) e.remove()"
        )
        for width in (1200, 390, 320):
            resize(self.driver, width, 900)
            prefer(self.driver, dark=False)
            self.assertEqual(self.wrong({}), [], f"{width} px")
            self.assertLessEqual(overflow(self.driver), 0, f"{width} px")
            prefer(self.driver, dark=True)
            self.assertEqual(self.wrong({"runOnly": [contrast]}), [], f"{width} px, dark")

    def wrong(self, options: dict[str, object]) -> object:
        """What axe-core finds."""
        return self.driver.execute_async_script(
            "const [options, done] = arguments;"
            "axe.run(document, { resultTypes: ['violations'], ...options })"
            ".then(({violations}) => done(violations.map(v => v.id + ': '"
            " + v.nodes.map(n => n.html + ' ' + n.failureSummary).join('; '))))",
            options,
        )

    def test_withoutScript(self) -> None:
        """Without JavaScript the Reference is complete, and nothing else shows."""
        self.addCleanup(self.scripts, True)
        self.scripts(False)
        self.driver.get(f"{self.daemon.url}/console")
        visible = (
            "return [...document.querySelectorAll('.route')].filter(e => e.checkVisibility())"
        )
        self.assertEqual(len(self.script(visible)), len(ROUTES))
        element(self.driver, ".route a").click()
        self.assertIn("One reactor", element(self.driver, "body").text)
        self.driver.back()
        self.assertEqual(self.all(".try"), [])
        for selector in ("#try", "#experiment", "#column", "#scheme"):
            self.assertFalse(element(self.driver, selector).is_displayed())

    def scripts(self, allowed: bool) -> None:
        """Let pages run scripts, or not."""
        self.driver.execute_cdp_cmd(
            "Emulation.setScriptExecutionDisabled", {"value": not allowed}
        )

    def test_scheme(self) -> None:
        """A chosen scheme beats the preference, and is kept."""
        self.addCleanup(self.script, "localStorage.clear()")
        element(self.driver, "#scheme input[value=dark]").click()
        self.open()
        back = "return getComputedStyle(document.body).backgroundColor"
        self.assertEqual(self.script(back), "rgb(16, 17, 20)")

    def test_pictures(self) -> None:
        """The pictures of the documentation: wide and narrow, light and dark."""
        kept = os.environ.get("NETD_TEST_PICTURES")
        folder = Path(kept or self.mktemp())
        folder.mkdir(parents=True, exist_ok=True)
        delay = "lognormal:1.2s,400ms" if kept else "lognormal:60ms,20ms"
        target = f"/echo?delay={delay}&status=200:9,503:1&retry_after=5"
        self.open(link(target))
        self.fill("#setting [name=delay]", "3s" if kept else "50ms")
        eventually(lambda: self.send().startswith("200") or not kept or None, "a good one")
        self.forget()
        element(self.driver, "#ten").click()
        self.said()
        self.run_here()
        if kept:
            self.traffic()
        # The list is as high as the screen, which becomes as high as the page.
        self.script("document.getElementById('list').style.maxHeight = '940px'")
        frame = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
        bottom = "return document.querySelector('#reference').getBoundingClientRect().top"
        for name, width in (("wide", 1200), ("narrow", 390)):
            resize(self.driver, width, 900)
            self.driver.execute_async_script(frame)
            height = int(self.script(f"scrollTo(0, 0); {bottom}"))
            resize(self.driver, width, height + (0 if width > 800 else 65))
            for dark in (False, True):
                png = screenshot(self.driver, dark=dark)
                scheme = "dark" if dark else "light"
                (folder / f"console-{name}-{scheme}.png").write_bytes(png)
                self.assertTrue(png.startswith(b"\x89PNG"))

    def traffic(self) -> None:
        """A minute of requests, some to the bin, and five clients of one worker."""
        self.script("document.querySelector('#bin-actions button').click()")
        own = f"{self.daemon.url}/echo/b-{self.script('return sessionStorage.bin')}"
        load = f"{self.daemon.url}/echo?delay=lognormal:200ms,80ms&status=200:40,404:3,503:1"
        script = f"""
            for each in $(seq 90); do
              curl -s -Z "{load}&n=[1-$((15 + each % 9))]" & sleep .9
            done > {os.devnull} 2>&1 &
            sleep 50
            curl -s -m 5 '{own}/slow?delay=30s'
            curl -s -d hi '{own}/hook?source=ci'
            curl -s '{own}/down?delay=400ms&status=503'
            seq 5 | xargs -P5 -I% curl -s '{own}/clients?delay=3s&workers=1'
        """
        run("bash", "-c", script, deadline=150.0)
        rows = "return document.querySelectorAll('#bin-rows details').length === 8 || null"
        eventually(lambda: self.script(rows), "the rows of the bin")
