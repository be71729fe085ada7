"""
Tests of netd.testing.plugin, by runs of pytest in this process.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import textwrap
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from twisted.trial.unittest import SynchronousTestCase

from netd.test.testing.test_daemon import IDLE, shared, stand_in


class Outcome:
    """What a run of pytest reported."""

    def __init__(self) -> None:
        self.reports: dict[str, Any] = {}
        self.status = -1
        self.text = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep the reports of calls, and of whatever did not pass."""
        if report.when == "call" or report.outcome != "passed":
            self.reports[report.nodeid.rpartition("::")[2]] = report

    @property
    def outcomes(self) -> dict[str, str]:
        """What became of each test."""
        return {name: report.outcome for name, report in self.reports.items()}


def set_variable(test: SynchronousTestCase, name: str, value: str) -> None:
    """Set a variable of this process for the time of the test."""
    context = mock.patch.dict(os.environ, {name: value})
    context.start()
    test.addCleanup(context.stop)


def run_pytest(
    test: SynchronousTestCase, text: str, *options: str, plugin: str = "netd.testing.plugin"
) -> Outcome:
    """The outcome of the tests in `text`, with no other plugin."""
    room = Path(test.mktemp()).absolute()
    room.mkdir()
    path = room / f"test_{room.parent.name}.py"
    path.write_text(textwrap.dedent(text))
    set_variable(test, "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    modules, paths, outcome = {*sys.modules}, [*sys.path], Outcome()
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        outcome.status = int(
            pytest.main(
                [
                    *("-p", plugin, "-p", "no:cacheprovider", "-p", "no:faulthandler"),
                    *("-p", "no:unraisableexception", "-p", "no:threadexception"),
                    *("--rootdir", str(room), "-c", "/dev/null", *options, str(path)),
                ],
                plugins=[outcome],
            )
        )
    outcome.text = out.getvalue()
    sys.path[:] = paths
    for name in {*sys.modules} - modules:
        if name.startswith(("test_", "conftest")):
            del sys.modules[name]
    return outcome


class FixtureTests(SynchronousTestCase):
    """
    The fixtures.
    """

    def passes(self, text: str, *options: str) -> Outcome:
        """All tests in `text` pass."""
        outcome = run_pytest(self, text, *options)
        self.assertEqual({*outcome.outcomes.values()}, {"passed"}, outcome.text)
        return outcome

    def test_all(self) -> None:
        """Each fixture gives what the table says."""
        set_variable(self, "REQUESTS_CA_BUNDLE", "before")
        self.passes(
            """
            import os, urllib.request, ssl
            import pytest

            @pytest.fixture(scope="session")
            def netd_options():
                return ["--reveal", "version"]

            def get(url, **how):
                with urllib.request.urlopen(url, **how) as response:
                    return response.status

            def test_plain(netd):
                assert get(netd / "version") == 200

            def test_one(netd, request):
                assert request.getfixturevalue("netd") is netd

            def test_secure(netd_secure, netd_ca):
                assert get(netd_secure / "version", context=netd_ca.context()) == 200
                assert netd_secure.metrics()

            def test_both(netd_both, netd_ca):
                context = netd_ca.context() if netd_both.protocol == "https" else None
                assert get(netd_both / "version", context=context) == 200

            def test_factory(netd_factory, netd):
                other = netd_factory("--delay", "0s")
                assert get(other / "") == 200 and other.port != netd.port
                assert netd_factory.daemons == [other]

            keys = set()

            @pytest.mark.parametrize("n", [1, 1])
            def test_key(netd_key, n):
                assert netd_key.isalnum() and netd_key not in keys
                keys.add(netd_key)

            opener = urllib.request.build_opener()
            urllib.request.install_opener(opener)

            def test_trusted(netd_secure, netd_trusted):
                assert os.environ["REQUESTS_CA_BUNDLE"] == netd_trusted.bundle
                assert get(netd_secure / "get") == 200
                assert urllib.request._opener is not opener

            def test_untrusted(netd_ca):
                assert os.environ["REQUESTS_CA_BUNDLE"] == "before"
                assert urllib.request._opener is opener
            """
        )

    def test_remote(self) -> None:
        """--netd, or NETD_TEST_URL, names a daemon that runs already; none is started."""
        text = """
            def test_there(netd):
                assert netd.metrics() and netd.lines == []
        """
        self.passes(text, "--netd", shared().url)
        set_variable(self, "NETD_TEST_URL", "http://127.0.0.1:1")
        self.passes("def test_url(netd):\n    assert netd.url == 'http://127.0.0.1:1'")

    def test_remoteSecure(self) -> None:
        """A daemon without TLS skips tests that need it; one by an HTTPS URL has only that."""
        text = "def test_it(netd_secure):\n    assert netd_secure.protocol == 'https'"
        outcome = run_pytest(self, text, "--netd", "http://127.0.0.1:1")
        self.assertEqual(outcome.outcomes, {"test_it": "skipped"})
        self.passes(text, "--netd", "https://127.0.0.1:1")

    def test_remoteWrong(self) -> None:
        """What is no URL is one line, and no test runs."""
        outcome = run_pytest(self, "def test_it(): pass", "--netd", "localhost:1")
        self.assertEqual(
            outcome.text, "ERROR: --netd localhost:1: not an http or https URL\n\n"
        )
        self.assertEqual((outcome.status, outcome.outcomes), (4, {}))
        set_variable(self, "NETD_TEST_URL", "localhost:2")
        outcome = run_pytest(self, "def test_it(): pass")
        self.assertIn(
            "ERROR: NETD_TEST_URL localhost:2: not an http or https URL", outcome.text
        )

    def test_log(self) -> None:
        """A failing test shows the log of each daemon that it used, and a passing one none."""
        stand_in(self, f"print('a line of the log')\n{IDLE}")
        outcome = run_pytest(
            self,
            """
            def test_fails(netd, netd_secure):
                assert not netd

            def test_factory(netd_factory):
                netd_factory()
                netd_factory()
                assert not netd_factory.daemons

            def test_factoryAgain(netd_factory):
                assert not netd_factory()

            def test_other(tmp_path):
                assert not tmp_path

            def test_passes(netd):
                pass
            """,
        )
        sections = {
            name: [title for title, _ in report.sections]
            for name, report in outcome.reports.items()
        }
        self.assertEqual(
            sections,
            {
                "test_fails": ["log of netd", "log of netd_secure"],
                "test_factory": ["log of netd_factory"] * 2,
                "test_factoryAgain": ["log of netd_factory"],
                "test_other": [],
                "test_passes": [],
            },
        )
        self.assertIn("a line of the log", outcome.text)
        self.assertEqual(outcome.status, 1)

    def test_startFailed(self) -> None:
        """A daemon that cannot start fails the test, and says why."""
        stand_in(self, "raise SystemExit('netd: --nope: not an option')")
        outcome = run_pytest(self, "def test_it(netd_factory):\n    netd_factory('--nope')")
        self.assertIn("netd: --nope: not an option", outcome.text)
        # Not the code of the kit: neither that of the factory nor that of the daemon.
        self.assertIn(">   ", outcome.text)
        self.assertNotIn("netd/testing/", outcome.text)
