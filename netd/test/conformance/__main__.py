"""
`python -m netd.test.conformance [--beyond] URL`: one line a check, and 1 when one fails.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from netd.test.conformance import beyond, httpbin
from netd.test.conformance.client import Client, Suite


def run(suite: Suite, to: Client) -> dict[str, str]:
    """What each check found wrong, empty when nothing."""
    found = {}
    for name, check in suite.checks.items():
        try:
            check(to)
        except Exception as wrong:
            found[name] = f"{type(wrong).__name__}: {wrong}"
        else:
            found[name] = ""
    return found


def main(words: Sequence[str]) -> int:
    """Check the URL; `--beyond` asks for what only netd has as well."""
    urls = [word for word in words if not word.startswith("-")]
    if len(urls) != 1 or {*words} - {*urls, "--beyond"}:
        sys.stderr.write("usage: python -m netd.test.conformance [--beyond] http://host:port\n")
        return 2
    to = Client(urls[0].rstrip("/"))
    found = run(httpbin.SUITE, to)
    if "--beyond" in words:
        found |= run(beyond.SUITE, to)
    for name, wrong in found.items():
        sys.stdout.write(f"{'FAILED' if wrong else 'ok':7}{name:20}{wrong}\n")
    failed = sum(map(bool, found.values()))
    sys.stdout.write(f"{len(found) - failed} of {len(found)} checks hold\n")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
