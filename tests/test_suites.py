"""
Suites of others, which ask pytest-httpbin, unchanged on netd.

A suite comes from the source distribution on PyPI.  A test that fails must be in the list of
those that may, and one of these that passes is a failure too.
"""

from __future__ import annotations

import sys
import tarfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from unittest import SkipTest

from attrs import field, frozen
from twisted.trial.unittest import SynchronousTestCase

from tests.running import environment, run, succeed, temporary_directory, tool_environment

_DEADLINE: Final = 300.0


@frozen
class Suite:
    """Where a suite is, and what of it is known to be otherwise."""

    project: str
    version: str
    tests: tuple[str, ...]
    fails: Mapping[str, str] = field(factory=dict)
    """Why each of these tests fails."""
    left_out: Mapping[str, str] = field(factory=dict)
    """Why each of these tests is not run."""
    trusts: bool = False
    """Whether it wants clients to trust the authority before pytest starts."""


_NETWORK: Final = "asks an address beyond this machine, and no httpbin"

REQUESTS: Final = Suite(
    "requests",
    "2.34.2",
    ("tests/test_requests.py",),
    left_out={
        "tests/test_requests.py::TestTimeout::test_connect_timeout": _NETWORK,
        "tests/test_requests.py::TestTimeout::test_total_timeout_connect": _NETWORK,
    },
)
PYTEST_HTTPBIN: Final = Suite(
    "pytest-httpbin",
    "2.1.0",
    ("tests",),
    fails={
        "test_dont_crash_on_handshake_timeout": (
            "a connection without a handshake is reset, and nothing is printed about it"
        ),
    },
)

VCRPY: Final = Suite(
    "vcrpy",
    "9.4.2",
    # The others ask by libraries that nothing else here needs.
    tuple(
        f"tests/integration/test_{name}.py"
        for name in ("basic", "config", "filter", "request", "requests", "stubs", "urllib3")
    ),
    fails={
        "test_records_multiple_header_values": (
            "looks for a field by its name in lower case, and netd writes names as in Foo"
        ),
    },
    trusts=True,
    left_out={
        "tests/integration/test_requests.py::test_post_file": (
            "reads a file that the source distribution does not have"
        ),
    },
)


def plain_environment() -> dict[str, str]:
    """An environment in which warnings of other projects are no errors."""
    environ = environment()
    environ.pop("PYTHONWARNINGS", None)
    return environ


def source(suite: Suite, room: Path) -> Path:
    """The unpacked source distribution; SkipTest where none can be had."""
    requirement = f"{suite.project}=={suite.version}"
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:")
    done = run(*pip, "--dest", room, requirement, environ=tool_environment())
    if done.status:
        raise SkipTest(f"pip cannot download {requirement}: {done.err.strip()[-200:]}")
    (archive,) = room.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(room, filter="data")
    return room / archive.name.removesuffix(".tar.gz")


class SuiteTests(SynchronousTestCase):
    """
    Each suite passes, but for the tests that are known not to.
    """

    def passes(self, suite: Suite) -> None:
        """Run it, and compare what fails with what may."""
        room = self.enterContext(temporary_directory())
        root = source(suite, room)
        left_out = [word for each in suite.left_out for word in ("--deselect", each)]
        done = run(
            *(sys.executable, "-m", "pytest", "-q", "-p", "netd.testing.httpbin"),
            *("-p", "no:cacheprovider", "-p", "no:randomly", "--junitxml", room / "report"),
            # Not the options that a suite has for plugins that are not here.
            *("-c", "/dev/null", "--rootdir", root, "-m", "not online"),
            *(*left_out, *suite.tests),
            environ=self.trusting(room) if suite.trusts else plain_environment(),
            cwd=root,
            deadline=_DEADLINE,
        )
        self.assertIn(done.status, (0, 1), f"{done.out}\n{done.err}")
        cases = [*ET.parse(room / "report").getroot().iter("testcase")]
        failed = {
            case.get("name")
            for case in cases
            if case.find("failure") is not None or case.find("error") is not None
        }
        self.assertEqual(failed, {*suite.fails}, done.out)
        self.assertGreater(len(cases), len(failed) * 2)

    def trusting(self, room: Path) -> dict[str, str]:
        """An environment that trusts netd's authority before pytest starts."""
        environ = {**plain_environment(), "XDG_CACHE_HOME": str(room)}
        bundle = succeed(sys.executable, "-m", "netd.testing.ca", environ=environ).strip()
        return {**environ, "REQUESTS_CA_BUNDLE": bundle, "SSL_CERT_FILE": bundle}

    def test_requests(self) -> None:
        """requests 2.34."""
        self.passes(REQUESTS)

    def test_pytestHttpbin(self) -> None:
        """pytest-httpbin 2.1's own tests."""
        self.passes(PYTEST_HTTPBIN)

    def test_vcrpy(self) -> None:
        """vcrpy 9.4, over requests and urllib."""
        self.passes(VCRPY)
