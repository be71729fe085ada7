"""
A real browser: headless Chromium, looking at one page.

Rules: nothing of it outlives the call; it has a profile of its own, no network
beyond this machine, and no say in anything.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

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
