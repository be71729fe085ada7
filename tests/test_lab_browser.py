"""
`/help` and `/forms/post` in a browser.
"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.table import ROUTES
from tests.browser import browser, element, overflow, resize, screenshot
from tests.programs import needs
from tests.running import eventually, shared


@needs("chromium", "chromedriver")
class HelpTests(SynchronousTestCase):
    """
    `/help`.
    """

    def test_table(self) -> None:
        """
        The page has a row for each route and is no wider than the screen of a phone.
        """
        daemon = self.enterContext(shared())
        driver = self.enterContext(browser())
        resize(driver, 390, 844)
        driver.get(f"{daemon.url}/help")
        rows = driver.execute_script("return document.querySelectorAll('tbody tr').length")
        self.assertEqual(rows, len(ROUTES))
        self.assertLessEqual(overflow(driver), 0)

    def test_picture(self) -> None:
        """
        The page looks different under a light and a dark colour scheme.
        """
        daemon = self.enterContext(shared())
        driver = self.enterContext(browser())
        driver.get(f"{daemon.url}/help")
        light, dark = (screenshot(driver, dark=dark) for dark in (False, True))
        self.assertTrue(light.startswith(b"\x89PNG"))
        self.assertNotEqual(light, dark)


@needs("chromium", "chromedriver")
class FormTests(SynchronousTestCase):
    """
    `/forms/post`.
    """

    def test_order(self) -> None:
        """
        The form posts every field, and /post shows the values.
        """
        daemon = self.enterContext(shared())
        driver = self.enterContext(browser())
        driver.get(f"{daemon.url}/forms/post")
        element(driver, "input[name=custname]").send_keys("Zoë")
        for choice in ("large", "bacon", "onion"):
            element(driver, f"input[value={choice}]").click()
        element(driver, "button").click()

        def shown() -> str | None:
            text = str(driver.execute_script("return document.body.textContent"))
            return text if '"form"' in text else None

        form = json.loads(eventually(shown, "the response of /post"))["form"]
        wanted = {"custname": "Zoë", "size": "large", "topping": ["bacon", "onion"]}
        self.assertEqual({name: form[name] for name in wanted}, wanted)
