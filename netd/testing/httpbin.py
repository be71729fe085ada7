"""
In place of pytest-httpbin: `pytest -p netd.testing.httpbin`.

The fixtures and modules of pytest-httpbin 2.1, with netd behind them, for suites that
stay as they are.  The plugin of pytest-httpbin itself is not loaded, as one of two
fixtures with one name would shadow the other.

Rules: the standard library and pytest only, until a server or a certificate is asked for.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from types import ModuleType
from typing import Final, Self
from urllib.parse import urljoin

import pytest

# Its names import their modules when they are used.
from netd import testing

VERSION: Final = "2.1.0"
"""The version of pytest-httpbin that this stands in for."""

_REPLACED: Final = "httpbin"
_OPTIONS: Final = ("--httpbin-exact", "yes", "--handshake", "1s")


@functools.cache
def authority() -> testing.CA:
    """
    The authority of this process.

    That of `python -m netd.testing.ca` where a variable names it, otherwise one
    that goes with the process.
    """
    from netd.testing.ca import trusted

    used = trusted()
    if used is None:
        directory = tempfile.mkdtemp(prefix="netd-ca-")
        atexit.register(shutil.rmtree, directory, True)
        used = testing.CA(directory, temporary=True)
    return used


def where() -> str:
    """The path of the bundle that clients have to trust."""
    return authority().bundle


class Server:
    """
    A netd that does as httpbin does, started when something of it is asked for.

    TypeError for an `application` that is not httpbin's, as netd runs none.
    """

    port_envvar = "HTTPBIN_HTTP_PORT"
    protocol = "http"

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, application: object = None
    ) -> None:
        name = getattr(application, "import_name", "httpbin")
        if name.partition(".")[0] != "httpbin":
            raise TypeError(
                f"netd.testing.httpbin runs no application but httpbin's, not {name}"
            )
        self._host = host
        self._port = int(os.environ.get(self.port_envvar, port))
        self._daemon: testing.Daemon | None = None

    def _make(self, host: str, port: int) -> testing.Daemon:
        """The daemon, not started."""
        return testing.Daemon([*_OPTIONS, "--bind", host, "--port", str(port)])

    def start(self) -> None:
        """Start it, unless it runs."""
        if self._daemon is None:
            self._daemon = self._make(self._host, self._port).__enter__()

    def stop(self) -> None:
        """End it."""
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None

    @property
    def _target(self) -> testing.Target:
        self.start()
        assert self._daemon is not None  # noqa: S101 - it was just started
        return self._daemon

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return self._target.url

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return self._target.host

    @property
    def port(self) -> int:
        """The port, that of the variable `port_envvar` if there is one."""
        return self._target.port

    @property
    def lines(self) -> list[str]:
        """The latest lines of its log."""
        return [] if self._daemon is None else self._daemon.lines

    def join(self, url: str, allow_fragments: bool = True) -> str:
        """The URL that `url` is relative to this one."""
        return urljoin(self.url, url, allow_fragments=allow_fragments)

    def __add__(self, other: str) -> str:
        return self.url + other

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class SecureServer(Server):
    """The same over TLS, with a certificate of `authority`."""

    port_envvar = "HTTPBIN_HTTPS_PORT"
    protocol = "https"

    def _make(self, host: str, port: int) -> testing.Daemon:
        https = ("--https", str(port))
        return testing.Daemon([*_OPTIONS, "--bind", host, *https], tls=authority())

    @property
    def _target(self) -> testing.Target:
        return super()._target.secure


def pytest_plugin_registered(manager: pytest.PytestPluginManager) -> None:
    """Keep pytest-httpbin's own plugin out, whose entry point comes later."""
    if not manager.is_blocked(_REPLACED):
        manager.set_blocked(_REPLACED)


@pytest.fixture(scope="session")
def httpbin() -> Iterator[Server]:
    """A server over HTTP."""
    with Server() as server:
        yield server


@pytest.fixture(scope="session")
def httpbin_secure() -> Iterator[Server]:
    """A server over HTTPS."""
    with SecureServer() as server:
        yield server


@pytest.fixture(scope="session", params=["http", "https"])
def httpbin_both(
    request: pytest.FixtureRequest, httpbin: Server, httpbin_secure: Server
) -> Server:
    """Each of the two."""
    return httpbin if request.param == "http" else httpbin_secure


@pytest.fixture(scope="class")
def class_based_httpbin(request: pytest.FixtureRequest, httpbin: Server) -> None:
    """`self.httpbin` of a class."""
    request.cls.httpbin = httpbin


@pytest.fixture(scope="class")
def class_based_httpbin_secure(request: pytest.FixtureRequest, httpbin_secure: Server) -> None:
    """`self.httpbin_secure` of a class."""
    request.cls.httpbin_secure = httpbin_secure


@pytest.fixture
def httpbin_ca_bundle(monkeypatch: pytest.MonkeyPatch) -> str:
    """The bundle, which requests trusts during the test."""
    bundle = where()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    return bundle


def _stand_in() -> dict[str, ModuleType]:
    """The modules of pytest-httpbin that suites import."""
    package = ModuleType("pytest_httpbin", "netd.testing.httpbin")
    members: dict[str, dict[str, object]] = {
        "certs": {"where": where},
        "serve": {"Server": Server, "SecureServer": SecureServer},
        "version": {"__version__": VERSION},
    }
    modules = {package.__name__: package}
    for name, named in members.items():
        module = ModuleType(f"{package.__name__}.{name}", "netd.testing.httpbin")
        vars(module).update(named)
        modules[module.__name__] = module
    marks = {
        f"use_{fixture}": pytest.mark.usefixtures(fixture)
        for fixture in ("class_based_httpbin", "class_based_httpbin_secure")
    }
    submodules = {name: modules[f"{package.__name__}.{name}"] for name in members}
    vars(package).update({"__path__": [], "__version__": VERSION, **submodules, **marks})
    return modules


sys.modules.update(_stand_in())
