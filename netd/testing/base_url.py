"""
The URL of an HTTP listener, and URLs below it.

Rules: the standard library only.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from netd.testing.lab_urls import LabURLs

PORTS = {"http": 80, "https": 443}
"""The ports of the schemes."""


class BaseURL(LabURLs):
    """
    `http://127.0.0.1:40123`, to which `/` and `+` join a path.

    `base / "get"` and `base + "/get"` are the same text; `base.echo(...)` and
    the like make the URLs of the lab.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    @property
    def url(self) -> str:
        """The URL without a slash at its end."""
        return self._url

    @property
    def protocol(self) -> str:
        """http or https."""
        return self.url.partition(":")[0]

    @property
    def host(self) -> str:
        """The host, without the brackets of an IPv6 address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port, also where the URL has none."""
        return urlsplit(self.url).port or PORTS[self.protocol]

    def join(self, path: str) -> str:
        """The URL of a path, with or without its first slash; a query stays as it is."""
        return f"{self.url}/{path.removeprefix('/')}"

    def __truediv__(self, path: str) -> str:
        return self.join(path)

    def __add__(self, path: str) -> str:
        return self.url + path

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._url or 'not running'}>"
