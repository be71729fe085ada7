"""
The console as people with different screens, connections and links find it.
"""

from __future__ import annotations

from typing import Final

from tests.browser import element, overflow, resize
from tests.console import ConsoleTests, link
from tests.programs import needs
from tests.running import eventually

_CONTROLS: Final = (
    "button",
    "combobox",
    "link",
    "radio",
    "searchbox",
    "slider",
    "tab",
    "textbox",
)
_COVERED: Final = """
const boxes = (selector) =>
  [...document.querySelectorAll(selector)].map((e) => e.getBoundingClientRect());
const over = (a, b) =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
const fields = boxes("#fields [type=text]");
return boxes("#fields .remove").filter((a) => fields.some((b) => over(a, b))).length;
"""
_SLOW_PREVIEW: Final = """
const own = window.fetch;
window.fetch = (url, options) => !String(url).includes("preview") ? own(url, options)
  : new Promise((go) => (window.release = () => go(own(url, options))));
"""


@needs("chromium", "chromedriver")
class LinkTests(ConsoleTests):
    """
    Links that fill the form.
    """

    def test_encoded(self) -> None:
        """A target means to the form what it means to the daemon, however it is encoded."""
        for target, shown in (
            ("/%65cho?body=x", "/echo?body=x"),
            ("/basic-auth/a%2Fb/s%20c", "/basic-auth/a%2Fb/s%20c"),
            ("/anything/a%2Fb+c/é", "/anything/a/b%2Bc/%C3%A9"),
            ("/echo/", "/echo/"),
            ("/echo?body=a%26b+c%2Bd&body=&x", "/echo?body=a%26b%20c%2Bd&body=&x="),
            ("/echo?body=100%&type=text%2Fcsv", "/echo?body=100%25&type=text/csv"),
            ("/get?constructor=1&__proto__=2", "/get?constructor=1&__proto__=2"),
        ):
            self.follow(link(target))
            self.assertEqual(self.text("target"), shown)
        self.follow("#try=GET%20%2Fecho%3Fbody%3Da%2526b")
        self.assertEqual(self.text("target"), "/echo?body=a%26b")
        self.follow(
            element(self.driver, ".try[href*='digest-auth']").get_attribute("hash") or ""
        )
        self.assertTrue(self.text("target").startswith("/digest-auth/"))
        self.check()

    def test_nowhere(self) -> None:
        """A page that is opened by a link to no URL says so, above a form that works."""
        self.open(link("/nosuch"))
        self.assertIn("fits no URL", element(self.driver, "#notes").text)
        self.assertTrue(self.text("target").startswith("/echo?"))

    def test_found(self) -> None:
        """A status is found where an example has it, and the number of URLs is said."""
        self.forget()
        element(self.driver, "#search").send_keys("503")
        found = [each.text for each in self.all("#routes a")]
        self.assertIn("/echo", found)
        self.assertIn("/status/<codes>", found)
        self.assertEqual(self.said(), f"Found: {len(found)}")


@needs("chromium", "chromedriver")
class ScreenTests(ConsoleTests):
    """
    Small screens, other colours, and paper.
    """

    def emulate(self, **features: str) -> None:
        """Show the page to a reader with these media features."""
        values = [
            {"name": name.replace("_", "-"), "value": features[name]} for name in features
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": values})

    def style(self, selector: str, name: str) -> object:
        """A property of an element as it shows."""
        script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
        return self.script(script, selector, name)

    def test_phone(self) -> None:
        """On a phone the links are one row, and no button covers a field."""
        self.touch(True)
        self.addCleanup(self.touch, False)
        self.open(link("/drip?duration=2s&numbytes=10&code=200"), width=360, height=740)
        self.assertLess(element(self.driver, ".bar nav").size["height"], 60)
        self.assertEqual(self.script(_COVERED), 0)
        label = element(self.driver, "[data-name=duration] .row > span")
        self.assertLess(label.size["height"], 30)
        self.assertLessEqual(overflow(self.driver), 0)

    def touch(self, enabled: bool) -> None:
        """Have a finger, or a mouse."""
        self.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": enabled})

    def test_beamer(self) -> None:
        """After Send the times of the response are on the screen, and so is Cancel."""
        resize(self.driver, 1280, 720)
        self.follow(link("/echo?delay=60s&status=503"))
        below = "document.querySelector('.scale').getBoundingClientRect().bottom - innerHeight"
        element(self.driver, "#send").click()
        self.assertLess(self.script(f"return {below}"), 0)
        element(self.driver, "#send").click()
        self.assertIn("Cancelled", self.said())

    def test_names(self) -> None:
        """A screen reader has a name for each control, and hears of responses alone."""
        self.follow(link("/echo?delay=uniform:1s-2s&status=200:9,503:1&retry_after=5"))
        nodes = self.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        controls = [
            (role, node["name"]["value"])
            for node in nodes
            if not node["ignored"] and (role := node["role"]["value"]) in _CONTROLS
        ]
        self.assertGreater(len(controls), 100)
        self.assertEqual([role for role, name in controls if not name.strip()], [])
        live = (
            "return [...document.querySelectorAll('output')].filter(e => e.ariaLive !== 'off')"
        )
        self.assertEqual(self.script(live), [])

    def test_forced(self) -> None:
        """Where the system forces its colours, the chosen tab and the page's link differ."""
        self.emulate(forced_colors="active")
        chosen, other = (
            self.style(f"[role=tab][aria-selected={each}]", "borderBottomColor")
            for each in ("true", "false")
        )
        self.assertNotEqual(chosen, other)
        self.assertIn("underline", str(self.style(".bar [aria-current]", "textDecoration")))

    def test_paper(self) -> None:
        """Dark pages are printed dark on white, and nothing is fixed to each sheet."""
        media = {
            "media": "print",
            "features": [{"name": "prefers-color-scheme", "value": "dark"}],
        }
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.addCleanup(
            self.driver.execute_cdp_cmd, "Emulation.setEmulatedMedia", {"media": ""}
        )
        self.assertEqual(self.style("body", "color"), "rgb(20, 23, 27)")
        self.assertEqual(self.style(".bar", "position"), "static")
        self.assertEqual(self.style(".actions", "display"), "none")


@needs("chromium", "chromedriver")
class ConnectionTests(ConsoleTests):
    """
    Connections that are slow, broken or gone.
    """

    def test_waiting(self) -> None:
        """The time of a response that is awaited goes on."""
        self.follow(link("/echo?delay=60s"))
        element(self.driver, "#send").click()
        time = "return document.querySelector('.facts b')?.textContent || null"
        first = eventually(lambda: self.script(time), "a time")
        eventually(lambda: self.script(time) != first or None, "another time")
        badge = "return document.querySelector('.badge').textContent"
        self.assertEqual(self.script(badge), "Waiting …")
        element(self.driver, "#send").click()
        self.assertIn("Cancelled", self.said())

    def test_broken(self) -> None:
        """A response that breaks is no good one among those that were sent."""
        self.follow(link("/fault/reset"))
        self.send()
        self.assertEqual(len(self.all("#sent .s5")), 1)

    def test_late(self) -> None:
        """A histogram that comes late does not show at another delay."""
        self.script(_SLOW_PREVIEW)
        self.follow(link("/echo?delay=lognormal:100ms,20ms"))
        eventually(lambda: self.script("return window.release ? true : null"), "the request")
        element(self.driver, ".delay input[value=fixed]").click()
        self.driver.execute_async_script(
            "release(); fetch('/delay/0').then(() => setTimeout(arguments[0], 50))"
        )
        self.assertFalse(element(self.driver, ".histogram").is_displayed())

    def test_withoutList(self) -> None:
        """Without the list of URLs the page says so, and Send is off."""
        self.block("*/help?format=json")
        self.addCleanup(self.block)
        self.driver.get(f"{self.daemon.url}/console?again")
        notes = "return document.getElementById('notes').textContent || null"
        self.assertIn("did not come", eventually(lambda: self.script(notes), "the note"))
        self.assertFalse(element(self.driver, "#send").is_enabled())

    def block(self, *urls: str) -> None:
        """Let no request to these URLs through."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": list(urls)})
