"""
`python -m netd.test.conformance [--beyond] URL`: one line a check, and 1 when one fails.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from netd.test.conformance import beyond, httpbin
from netd.test.conformance.client import Client, Suite


def run(suite: Suite, client: Client) -> dict[str, str]:
    """The error of each check by its name; empty for checks that hold."""
    results = {}
    for name, check in suite.checks.items():
        try:
            check(client)
        except Exception as error:
            results[name] = f"{type(error).__name__}: {error}"
        else:
            results[name] = ""
    return results


def main(words: Sequence[str]) -> int:
    """Check the URL; `--beyond` adds the checks of what only netd has."""
    urls = [word for word in words if not word.startswith("-")]
    if len(urls) != 1 or {*words} - {*urls, "--beyond"}:
        sys.stderr.write("usage: python -m netd.test.conformance [--beyond] http://host:port\n")
        return 2
    client = Client(urls[0].rstrip("/"))
    results = run(httpbin.SUITE, client)
    if "--beyond" in words:
        results |= run(beyond.SUITE, client)
    for name, error in results.items():
        sys.stdout.write(f"{'FAILED' if error else 'ok':7}{name:20}{error}\n")
    failed = sum(map(bool, results.values()))
    sys.stdout.write(f"{len(results) - failed} of {len(results)} checks hold\n")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
