"""
`/help` and `/forms/post` in a browser.
"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.table import ROUTES
from tests.browser import browser, element, overflow, resize, screenshot, shared_browser
from tests.programs import needs
from tests.running import Daemon, eventually, shared


@needs("chromium", "chromedriver")
class HelpTests(SynchronousTestCase):
    """
    `/help`.
    """

    def test_table(self) -> None:
        """
        The Reference has a row for each route and is no wider than the screen of a phone.
        """
        daemon = self.enterContext(shared())
        driver = self.enterContext(shared_browser())
        resize(driver, 390, 844)
        driver.get(f"{daemon.url}/help")
        rows = driver.execute_script("return document.querySelectorAll('.route').length")
        self.assertEqual(rows, len(ROUTES))
        self.assertLessEqual(overflow(driver), 0)

    def test_picture(self) -> None:
        """
        The page looks different under a light and a dark colour scheme.
        """
        daemon = self.enterContext(shared())
        driver = self.enterContext(shared_browser())
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
        driver = self.enterContext(shared_browser())
        driver.get(f"{daemon.url}/forms/post")
        element(driver, "input[name=custname]").send_keys("Zoë")
        for choice in ("large", "bacon", "onion"):
            element(driver, f"input[value={choice}]").click()
        element(driver, "button").click()

        def shown() -> str | None:
            text = str(driver.execute_script("return document.body?.textContent"))
            return text if '"form"' in text else None

        form = json.loads(eventually(shown, "the response of /post"))["form"]
        wanted = {"custname": "Zoë", "size": "large", "topping": ["bacon", "onion"]}
        self.assertEqual({name: form[name] for name in wanted}, wanted)


_FETCH = """
const [url, done] = arguments;
fetch(url, {credentials: "include"})
    .then(response => response.text()).then(done, () => done("refused"));
"""
"""Read a URL with the user's cookies, as a script of the page."""


@needs("chromium", "chromedriver")
class OtherOriginTests(SynchronousTestCase):
    """
    A script of another origin on the same host, whose cookies know no port.
    """

    def test_cookies(self) -> None:
        """
        The script cannot read what cookies bring, but with --httpbin-exact.
        """
        foreign = self.enterContext(shared()).url
        exact = self.enterContext(Daemon("--httpbin-exact", "yes")).url
        plain = self.enterContext(Daemon()).url
        with browser() as driver:
            driver.get(f"{plain}/cookies/set/secret/42")
            driver.get(f"{foreign}/forms/post")
            for path in ("cookies", "headers", "raw", "get", "env"):
                read = driver.execute_async_script(_FETCH, f"{plain}/{path}")
                self.assertEqual(read, "refused", path)
            read = driver.execute_async_script(_FETCH, f"{exact}/cookies")
        self.assertEqual(json.loads(read), {"cookies": {"secret": "42"}})

    def test_fields(self) -> None:
        """
        No link to netd leads the browser away or runs what stands in it.
        """
        url = self.enterContext(shared()).url
        with shared_browser() as driver:
            for query in (
                "status=302&header=Location://127.0.0.1:1/",
                "header=Refresh:0;url=//127.0.0.1:1/",
                "type=text/plain;x,text/html&body=<title>run</title>",
                "type=text/plain;x=y;charset=utf-8&body=<title>run</title>",
                "header=Content-Type:text/html&body=<title>run</title>",
            ):
                driver.get(f"{url}/echo?{query}")
                self.assertTrue(driver.current_url.startswith(f"{url}/echo?"), query)
                self.assertEqual(driver.title, "", query)
