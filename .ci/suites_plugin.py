"""
A plugin of pytest for .ci/suites.py: which tests fail, and how a suite finds netd.

Rules: imports pytest, and of the suite that runs what is pointed to netd.
"""

from __future__ import annotations

import http.client
import os
import socket
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from netd.testing.httpbin import Server, where

SUITE: Final = os.environ["SUITE"]
TABLE: Final = tomllib.loads(Path(__file__).with_name("suites.toml").read_text())[SUITE]


def matches(nodeid: str, name: str) -> bool:
    """Whether a test has this name, with these or more parameters."""
    return nodeid == name or nodeid.startswith((f"{name}[", f"{name}-"))


class Missing(pytest.Item):
    """A test that the table names, and the suite does not have."""

    def runtest(self) -> None:
        """Fail; an error in the process of a worker would be lost."""
        pytest.fail(f"{SUITE} has no test {self.name}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Expect the failures of the table, and leave out what it leaves out."""
    fails: Mapping[str, str] = TABLE.get("fails", {})
    left_out: Mapping[str, str] = TABLE.get("left_out", {})
    dropped = []
    for name in (*fails, *left_out):
        found = [item for item in items if matches(item.nodeid, name)]
        if not found:
            items.append(Missing.from_parent(items[0].session, name=name))
        elif name in left_out:
            dropped += found
        else:
            for item in found:
                item.add_marker(pytest.mark.xfail(reason=fails[name], strict=True))
    config.hook.pytest_deselected(items=dropped)
    items[:] = [item for item in items if item not in dropped]


@pytest.fixture(scope="session", autouse=True)
def _pointed(request: pytest.FixtureRequest) -> None:
    """Point a suite to netd that does not ask pytest-httpbin for everything."""
    if SUITE in _POINTED:
        _POINTED[SUITE](request, request.getfixturevalue("httpbin"))


def _httpie(request: pytest.FixtureRequest, httpbin: Server) -> None:
    """HTTPie asks a host on the Internet what pytest-httpbin cannot do, and in place of two."""
    find = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *how: Any, **more: Any) -> list[Any]:
        if host == "pie.dev":
            host, port = httpbin.host, httpbin.port
        return find(host, port, *how, **more)

    socket.getaddrinfo = getaddrinfo
    # It asks only whether there is an address.
    socket.gethostbyname = lambda _: httpbin.host


def _treq(request: pytest.FixtureRequest, httpbin: Server) -> None:
    """treq starts processes of its own."""
    import treq.test.local_httpbin.parent
    from treq.test.local_httpbin.shared import _HTTPBinDescription
    from twisted.internet.defer import Deferred, succeed

    secure: Server = request.getfixturevalue("httpbin_secure")

    def server_description(process: Any, reactor: object) -> Deferred[Any]:
        server = secure if process._https else httpbin
        bundle = Path(where()).read_text()
        return succeed(_HTTPBinDescription(server.host, server.port, bundle))

    parent: Any = treq.test.local_httpbin.parent
    parent._HTTPBinProcess.server_description = server_description


def _httpbin(request: pytest.FixtureRequest, httpbin: Server) -> None:
    """httpbin calls its application in the process."""
    import httpbin as package
    from werkzeug.test import Client

    def application(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        """Ask netd."""
        connection = http.client.HTTPConnection(httpbin.host, httpbin.port)
        body = environ["wsgi.input"].read()
        connection.request(
            environ["REQUEST_METHOD"], environ["RAW_URI"], body, dict(_fields(environ))
        )
        response = connection.getresponse()
        content = response.read()
        connection.close()
        start(f"{response.status} {response.reason}", response.getheaders())
        return [content]

    application.test_client = lambda: Client(application)  # type: ignore[attr-defined]
    package.app = application


def _fields(environ: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The header of a request of WSGI."""
    for key, value in environ.items():
        name = key.removeprefix("HTTP_")
        # One test has a field without a name, which no client could send.
        if name and (name != key or key in ("CONTENT_TYPE", "CONTENT_LENGTH")):
            yield name.replace("_", "-").title(), value


_POINTED: Final = {"httpie": _httpie, "treq": _treq, "httpbin": _httpbin}
