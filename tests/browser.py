"""
A headless Chromium, driven by Selenium.

Rules: nothing outlives the context; each browser has a profile of its own and uses no proxy;
the installed chromedriver is used, never one that Selenium would download.
"""

from __future__ import annotations

import atexit
import functools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from unittest import mock

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

from tests.programs import need

_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-proxy-server",
    # They double the work of opening a page: keeping the page before in memory,
    # a process in reserve, and the picture of the page before.
    "--disable-features=BackForwardCache,SpareRendererForSitePerProcess,PaintHolding",
)
PLAIN_HOST: Final = "plain.example"
"""This machine for the shared browser, without what browsers give to localhost alone."""
_RULES: Final = f"MAP {PLAIN_HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost"
_COLLECTIONS: Final = 8
"""One collection leaves nodes of which another gets rid."""


@contextmanager
def browser(*flags: str) -> Iterator[Chrome]:
    """A browser with an empty profile; `flags` are Chromium's, besides those of every test."""
    options = ChromeOptions()
    options.binary_location = need("chromium")
    for flag in (*_FLAGS, *flags):
        options.add_argument(flag)
    service = ChromeService(need("chromedriver"))
    # Chromium's processes may write for a moment after the session has ended.
    with tempfile.TemporaryDirectory(prefix="netd-", ignore_cleanup_errors=True) as profile:
        options.add_argument(f"--user-data-dir={profile}")
        # Selenium would otherwise talk to chromedriver through $http_proxy.
        with mock.patch.dict(os.environ, no_proxy="localhost"):
            driver = Chrome(options, service)
        try:
            yield driver
        finally:
            driver.quit()


@functools.cache
def started() -> Chrome:
    """The browser that runs until this process ends, for which there is only this machine."""
    context = browser(f"--host-resolver-rules={_RULES}")
    atexit.register(context.__exit__, None, None, None)
    return context.__enter__()


@contextmanager
def shared_browser() -> Iterator[Chrome]:
    """A running browser, for tests that leave no cookies and no stored data behind."""
    driver = started()
    try:
        yield driver
    finally:
        driver.get("about:blank")
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def element(driver: WebDriver, selector: str) -> WebElement:
    """The first element that a CSS selector matches."""
    return driver.find_element(By.CSS_SELECTOR, selector)


def resize(driver: Chrome, width: int, height: int) -> None:
    """Give the page a screen of this many CSS pixels."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def overflow(driver: Chrome) -> int:
    """By how many CSS pixels the page is wider than the screen."""
    root = "document.documentElement"
    return int(driver.execute_script(f"return {root}.scrollWidth - {root}.clientWidth"))


def prefer(driver: Chrome, *, dark: bool) -> None:
    """Show pages as to a reader with this preferred colour scheme."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def weigh(driver: Chrome) -> tuple[int, int]:
    """Bytes and nodes of the page: the least after several collections."""
    used, nodes = [], []
    for _ in range(_COLLECTIONS):
        driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        used.append(driver.execute_cdp_cmd("Runtime.getHeapUsage", {})["usedSize"])
        nodes.append(driver.execute_cdp_cmd("Memory.getDOMCounters", {})["nodes"])
    return min(used), min(nodes)


def screenshot(driver: Chrome, *, dark: bool) -> bytes:
    """The page as a PNG, as a reader with this preferred colour scheme sees it."""
    prefer(driver, dark=dark)
    return driver.get_screenshot_as_png()
