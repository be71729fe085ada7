"""
The console in a browser, for the tests of its parts.

Rules: one browser and one daemon for all tests of a process; each test opens the page anew.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any, Final

from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from twisted.trial.unittest import SynchronousTestCase

from tests.browser import PLAIN_HOST, element, prefer, resize, started
from tests.running import DEADLINE, eventually, shared

_LISTEN: Final = """
window.violations = [];
addEventListener("securitypolicyviolation",
  (event) => violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


@functools.cache
def _driver() -> Chrome:
    """The browser of this process, which notes what a page's policy forbids."""
    driver = started()
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _LISTEN})
    driver.execute_cdp_cmd("Security.setIgnoreCertificateErrors", {"ignore": True})
    clipboard = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    driver.execute_cdp_cmd("Browser.grantPermissions", clipboard)
    driver.set_script_timeout(DEADLINE)
    return driver


def link(target: str, method: str = "GET") -> str:
    """The fragment that fills the form."""
    return f"#try={method} {target}"


class ConsoleTests(SynchronousTestCase):
    """
    A page of a daemon whose delays are short.
    """

    def setUp(self) -> None:
        tls = ("--https", "0", "--certificate", "temporary")
        options = ("--delay", "100ms", "--console-host", PLAIN_HOST)
        self.daemon = self.enterContext(shared(*options, *tls))
        self.driver = _driver()
        self.open()

    def open(
        self,
        fragment: str = "",
        *,
        width: int = 1200,
        height: int = 900,
        dark: bool = False,
        origin: str = "",
    ) -> None:
        """Open the console, of this `origin` where it says one, and wait for its form."""
        resize(self.driver, width, height)
        prefer(self.driver, dark=dark)
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get(f"{origin or self.daemon.url}/console{fragment}")
        ready = "return document.documentElement.dataset.ready || null"
        eventually(lambda: self.driver.execute_script(ready), "the form")

    def follow(self, fragment: str) -> None:
        """Go to a link of the page, which stays open."""
        self.driver.execute_async_script(
            "const [hash, done] = arguments;"
            "addEventListener('hashchange', () => done(), { once: true });"
            "location.hash = hash",
            fragment,
        )

    def script(self, text: str, *arguments: Any) -> Any:
        """The value of a script in the page."""
        return self.driver.execute_script(text, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        """Every element that a CSS selector matches."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, identity: str) -> str:
        """The text of the element with this id."""
        return str(
            self.script("return document.getElementById(arguments[0]).textContent", identity)
        )

    def fill(self, selector: str, text: str) -> None:
        """Write `text` into a field."""
        self.script(
            "const e = document.querySelector(arguments[0]); e.value = arguments[1];"
            "e.dispatchEvent(new Event('input', { bubbles: true }))",
            *(selector, text),
        )

    def keys(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def forget(self) -> None:
        """Wipe off what the page has told a screen reader."""
        self.script("document.getElementById('status').textContent = ''")

    def said(self) -> str:
        """What the page tells a screen reader of the response, once that is there."""
        return eventually(lambda: self.text("status") or None, "the response")

    def send(self) -> str:
        """Press Send, and return what is said of the response."""
        self.forget()
        element(self.driver, "#send").click()
        return self.said()

    def run_here(self) -> str:
        """Press "Run here", and return what is said of the outcome."""
        self.forget()
        element(self.driver, "#run").click()
        return self.outcome()

    def outcome(self) -> str:
        """What is said of an experiment that is over."""
        over = "return !document.getElementById('told').hidden || null"
        eventually(lambda: self.script(over), "the end of the experiment")
        return self.said()

    def undisturbed(self, claim: Callable[[], None], attempts: int = 10) -> None:
        """
        Make a claim about clients that come at the same time.

        A busy machine may keep them apart, so one undisturbed attempt is enough.
        """
        for _ in range(attempts - 1):
            with contextlib.suppress(self.failureException):
                claim()
                return
        claim()

    def check(self) -> None:
        """No policy was violated, and the browser's console is empty."""
        self.assertEqual(self.script("return violations"), [])
        self.assertEqual(self.driver.get_log("browser"), [])
