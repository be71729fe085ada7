"""
The help and the form in a browser.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.table import ROUTES
from tests.browser import Browser, screenshot
from tests.running import Daemon, eventually


class HelpTests(SynchronousTestCase):
    """
    `/help`.
    """

    def test_table(self) -> None:
        """
        The browser shows a row for each route, and nothing is wider than a phone.
        """
        daemon = self.enterContext(Daemon())
        browser = self.enterContext(Browser())
        browser.size(390, 844)
        browser.go(f"{daemon.url}/help")
        rows = browser.script("return document.querySelectorAll('tbody tr').length")
        self.assertEqual(rows, len(ROUTES))
        wide = browser.script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        self.assertLessEqual(wide, 0)

    def test_picture(self) -> None:
        """
        It can be drawn, light and dark.
        """
        room = Path(self.enterContext(tempfile.TemporaryDirectory()))
        daemon = self.enterContext(Daemon())
        light = screenshot(f"{daemon.url}/help", room / "light.png")
        dark = screenshot(f"{daemon.url}/help", room / "dark.png", dark=True)
        self.assertTrue(light.startswith(b"\x89PNG"))
        self.assertNotEqual(light, dark)


class FormTests(SynchronousTestCase):
    """
    `/forms/post`.
    """

    def test_order(self) -> None:
        """
        A pizza can be ordered, and /post shows what of.
        """
        daemon = self.enterContext(Daemon())
        browser = self.enterContext(Browser())
        browser.go(f"{daemon.url}/forms/post")
        browser.keys("Zoë", "input[name=custname]")
        browser.click("input[value=large]")
        for topping in ("bacon", "onion"):
            browser.click(f"input[value={topping}]")
        browser.click("button")

        def shown() -> str | None:
            text = str(browser.script("return document.body.textContent"))
            return text if '"form"' in text else None

        form = json.loads(eventually(shown, "the answer of /post"))["form"]
        wanted = {"custname": "Zoë", "size": "large", "topping": ["bacon", "onion"]}
        self.assertEqual({name: form[name] for name in wanted}, wanted)
