"""
Schemathesis tests the OpenAPI document.
"""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.running import Daemon, run, temporary_directory, tool_environment


class SchemathesisTests(SynchronousTestCase):
    """
    `schemathesis run /help/openapi.json`.
    """

    def test_noErrors(self) -> None:
        """
        No request, valid by the document or not, gets a 5xx that it did not ask for.
        """
        folder = self.enterContext(temporary_directory())
        url = self.enterContext(Daemon("--max-delay", "50ms", "--delay", "0s")).url
        # Paths that fail on request, send no response, or redirect in circles.
        excluded = "/(status|fault|retry|unstable|echo|drip|brotli|zstd)|^/$|redirect/"
        done = run(
            *(Path(sys.executable).parent / "schemathesis", "run", f"{url}/help/openapi.json"),
            *("--checks", "not_a_server_error", "--exclude-path-regex", excluded),
            *("--max-examples", "5", "--seed", "1", "--phases", "examples,coverage,fuzzing"),
            *("--suppress-health-check", "all", "--generation-database", ":memory:"),
            environ=tool_environment(no_proxy="*"),
            cwd=folder,
            deadline=300,
        )
        self.assertEqual(done.status, 0, done.out[-5000:] + done.err[-1000:])
