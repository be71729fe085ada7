"""
The fixtures of pytest: a daemon for the session, and what tests need beside it.

Rules: every run of pytest in the environment imports this module, so it imports the
standard library and pytest only, starts nothing that no test asks for, uses nothing
by itself, and gives away no name that does not begin with netd.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final

import pytest

# Its names import their modules when they are used.
from netd import testing

_SHOWN_LINES: Final = 20
"""Lines of a daemon's log that a failing test shows."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer --netd."""
    parser.getgroup("netd", "netd, a daemon with delays and faults").addoption(
        "--netd",
        metavar="URL",
        dest="netd_url",
        help="Use the netd that runs at URL (by default NETD_TEST_URL) and start none.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a --netd that is no URL before any test runs."""
    _url(config)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show the log of each daemon that a failing test used."""
    outcome: Any = yield
    report = outcome.get_result()
    for name, used in getattr(item, "funcargs", {}).items():
        daemons = used.daemons if isinstance(used, Factory) else [used]
        for each in daemons if report.failed else ():
            lines = _log_of(each)
            if lines:
                report.sections.append((f"log of {name}", "\n".join(lines)))
        if report.when == "teardown" and isinstance(used, Factory):
            used.daemons.clear()


def _log_of(used: object) -> list[str]:
    """The latest lines of a daemon; none of any other object."""
    if not type(used).__module__.startswith("netd.testing."):
        return []
    lines: list[str] = getattr(used, "lines", [])
    return lines[-_SHOWN_LINES:]


def _url(config: pytest.Config) -> str | None:
    """The URL of the daemon that runs already."""
    given: str | None = config.getoption("netd_url")
    url = given or os.environ.get("NETD_TEST_URL")
    if url and not url.startswith(("http://", "https://")):
        source = "--netd" if given else "NETD_TEST_URL"
        raise pytest.UsageError(f"{source} {url}: not an http or https URL")
    return url or None


@pytest.fixture(scope="session")
def netd_options() -> list[str]:
    """The options of the session's daemons; override it."""
    return []


@pytest.fixture(scope="session")
def netd(pytestconfig: pytest.Config, netd_options: list[str]) -> Iterator[testing.Target]:
    """A daemon, one for each worker of the session."""
    url = _url(pytestconfig)
    if url is not None:
        yield testing.Target(url)
        return
    with testing.Daemon(netd_options) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def netd_secure(
    pytestconfig: pytest.Config, netd_options: list[str], request: pytest.FixtureRequest
) -> Iterator[testing.Target]:
    """A daemon by its HTTPS URL; clients have to trust `netd_ca`."""
    url = _url(pytestconfig)
    if url is None:
        with testing.Daemon(netd_options, tls=request.getfixturevalue("netd_ca")) as daemon:
            yield daemon.secure
    elif url.startswith("https:"):
        yield testing.Target(url)
    else:
        pytest.skip(f"--netd {url}: without TLS")


@pytest.fixture(scope="session", params=["http", "https"])
def netd_both(request: pytest.FixtureRequest) -> testing.Target:
    """`netd`, then `netd_secure`."""
    name = "netd" if request.param == "http" else "netd_secure"
    target: testing.Target = request.getfixturevalue(name)
    return target


class Factory:
    """Starts further daemons, which end with the session."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.daemons: list[testing.Daemon] = []
        """Those of the test that runs."""

    def __call__(
        self,
        *options: str | os.PathLike[str],
        tls: bool | testing.CA | testing.Certificate = False,
    ) -> testing.Daemon:
        """A daemon with these options; see `netd.testing.Daemon`."""
        __tracebackhide__ = True
        daemon = testing.Daemon(options, tls=tls).__enter__()
        self._stack.callback(daemon.stop)
        self.daemons.append(daemon)
        return daemon


@pytest.fixture(scope="session")
def netd_factory() -> Iterator[Callable[..., testing.Daemon]]:
    """Further daemons: `netd_factory("--udp-loss", "5%")`."""
    with ExitStack() as stack:
        yield Factory(stack)


@pytest.fixture
def netd_key(request: pytest.FixtureRequest) -> str:
    """A key that no other test has, for `retry` and `fail_first`."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    unique = f"{request.node.nodeid} {worker} {secrets.token_hex(8)}"
    return hashlib.sha256(unique.encode()).hexdigest()[:32]


@pytest.fixture(scope="session")
def netd_ca() -> Iterator[testing.CA]:
    """A certificate authority for the time of the session."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="netd-ca-") as directory:
        yield testing.CA(directory, temporary=True)


@pytest.fixture
def netd_trusted(netd_ca: testing.CA, monkeypatch: pytest.MonkeyPatch) -> testing.CA:
    """`netd_ca`, which requests, Python's ssl and curl trust during the test."""
    from netd.testing.ca import TRUST

    for name in TRUST:
        monkeypatch.setenv(name, netd_ca.bundle)
    # Since Python 3.12 urlopen keeps what was trusted at its first call.
    monkeypatch.setattr("urllib.request._opener", None)
    return netd_ca
