"""
A real browser: headless Chromium, looking at one page, or driven through several.

Rules: nothing of it outlives the call or the context; it has a profile of its
own, no network beyond this machine, and no say in anything.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.running import succeed

_ALONE: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-proxy-server",
)


def chromium() -> str:
    """Its path; an AssertionError where it is not installed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found is not None, "apt-get install chromium"
    return found


def screenshot(
    url: str, picture: Path, *, width: int = 1000, height: int = 700, dark: bool = False
) -> bytes:
    """The page at `url` as a PNG, written to `picture` as well."""
    # 0 is dark, 1 is light in Blink's preferredColorScheme.
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    size = f"--window-size={width},{height}"
    _look(scheme, size, f"--screenshot={picture}", url)
    return picture.read_bytes()


def document(url: str) -> str:
    """The page at `url` as the browser understands it, once its scripts have run."""
    # Time for timers, not for the network: the page decides when it is done.
    return _look("--virtual-time-budget=5000", "--dump-dom", url)


def _look(*arguments: str) -> str:
    with tempfile.TemporaryDirectory(prefix="netd-browser-") as profile:
        own = f"--user-data-dir={profile}"
        said = succeed(chromium(), *_ALONE, own, *arguments)
        # Its helpers may write for a moment more.
        shutil.rmtree(profile, ignore_errors=True)
        Path(profile).mkdir(exist_ok=True)
        return said


class Browser:
    """Headless Chromium behind chromedriver, spoken to in plain WebDriver."""

    def __enter__(self) -> Browser:
        self._room = tempfile.TemporaryDirectory(
            prefix="netd-browser-", ignore_cleanup_errors=True
        )
        self._driver = subprocess.Popen(
            [shutil.which("chromedriver") or "chromedriver", "--port=0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._driver.stdout is not None
        try:
            for line in self._driver.stdout:
                if found := re.search(r"successfully on port (\d+)", line):
                    break
            self._port = int(found[1])  # type: ignore[index]  # it says so, or nothing works
            flags = ["headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
                     "disable-background-networking", "disable-component-update",
                     "disable-sync", "disable-dev-shm-usage",
                     f"user-data-dir={self._room.name}"]  # fmt: skip
            options = {"args": [f"--{flag}" for flag in flags]}
            wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
            self._session = ""
            self._session = f"/{self._ask('POST', '', wanted)['sessionId']}"
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if getattr(self, "_session", ""):
            self._ask("DELETE", "")
        self._driver.terminate()
        self._driver.wait(20)
        assert self._driver.stdout is not None
        self._driver.stdout.close()
        self._room.cleanup()

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/session{self._session}{path}", text)
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise AssertionError(value["message"])
        return value

    def go(self, url: str) -> None:
        """Open a page."""
        self._ask("POST", "/url", {"url": url})

    def size(self, width: int, height: int) -> None:
        """Make the screen that large, as a phone's."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
        command = {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics}
        self._ask("POST", "/goog/cdp/execute", command)

    def script(self, text: str) -> Any:
        """Run a script in the page."""
        return self._ask("POST", "/execute/sync", {"script": text, "args": []})

    def _element(self, selector: str) -> str:
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        return str(next(iter(found.values())))

    def click(self, selector: str) -> None:
        """Click an element."""
        self._ask("POST", f"/element/{self._element(selector)}/click", {})

    def keys(self, text: str, selector: str) -> None:
        """Type into an element."""
        self._ask("POST", f"/element/{self._element(selector)}/value", {"text": text})
