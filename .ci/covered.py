"""
Every module of netd, covered by its own test file: `covered.py SCRATCH [MODULE...]`.

netd/lab/router.py is measured while netd/test/lab/test_router.py runs, and
nothing else.  A module that only documents or versions a package is exempt.

Each test file runs in a fork of this process, which has imported trial and no
module of netd, so that starting Python is paid for once.
"""

from __future__ import annotations

import ast
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import hypothesis  # noqa: F401  # shared by the forks
import twisted.trial.reporter
import twisted.trial.runner
import twisted.trial.unittest  # noqa: F401
from coverage import Coverage
from twisted.scripts import trial

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = ROOT / "netd"
LEAST: Final = 95.0
_WORKERS: Final = os.cpu_count() or 2
_DEADLINE: Final = 900


def has_code(module: Path) -> bool:
    """Whether there is more than a docstring and `__names__` of constants."""
    return any(
        not (
            (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
            or (
                isinstance(each, ast.Assign)
                and isinstance(each.value, ast.Constant)
                and all(isinstance(to, ast.Name) and to.id[:2] == "__" for to in each.targets)
            )
        )
        for each in ast.parse(module.read_text()).body
    )


def modules() -> Iterator[Path]:
    """Each file that must be covered, relative to the checkout."""
    for module in sorted(PACKAGE.rglob("*.py")):
        inside = module.relative_to(PACKAGE)
        if inside.parts[0] != "test" and has_code(module):
            yield module.relative_to(ROOT)


def test_of(module: Path) -> Path:
    """The test file of `module`; a package's own is named as the package."""
    *rooms, _ = module.relative_to("netd").parts
    name = module.stem
    if name == "__init__":
        name = rooms.pop() if rooms else "netd"
    return Path("netd", "test", *rooms, f"test_{name}.py")


class Measurement:
    """One module and its test file, in a process of their own from the start on."""

    def __init__(self, module: Path, scratch: Path) -> None:
        self._module = module
        slug = "-".join(module.with_suffix("").parts)
        self._log, self._report = scratch / f"{slug}.log", scratch / f"{slug}.json"
        self._test = test_of(module)
        self.pid = os.fork()
        if not self.pid:
            status = 1
            try:
                status = self._run(scratch / slug)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)

    def _run(self, folder: Path) -> int:
        """Run the tests, write the report, and return the status of trial."""
        signal.alarm(_DEADLINE)
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        coverage = Coverage(data_file=None)
        coverage.start()
        name = ".".join(self._test.with_suffix("").parts)
        sys.argv[:] = ["trial", "--reporter=text", f"--temp-directory={folder}", name]
        try:
            trial.run()
        except SystemExit as end:
            status = int(end.code or 0)
        coverage.stop()
        os.chdir(ROOT)
        coverage.json_report([str(self._module)], outfile=str(self._report))
        return status

    def result(self, status: int) -> tuple[float, str]:
        """The percentage of lines and branches that its own test runs, and what is missing."""
        if not (ROOT / self._test).exists():
            return 0.0, f"there is no {self._test}"
        if status:
            log = self._log.read_text(errors="replace")
            return 0.0, f"{self._test} fails:\n{log[-8000:]}"
        file = json.loads(self._report.read_text())["files"][str(self._module)]
        lines = [str(line) for line in file["missing_lines"]]
        branches = [f"{start}->{end}" for start, end in file["missing_branches"]]
        return file["summary"]["percent_covered"], " ".join(lines + branches)


def measured(found: Sequence[Path], scratch: Path) -> dict[Path, tuple[float, str]]:
    """The result of each module; as many at once as there are processors."""
    results = {}
    running: dict[int, tuple[Path, Measurement]] = {}
    waiting = list(found)
    while waiting or running:
        while waiting and len(running) < _WORKERS:
            module = waiting.pop(0)
            measurement = Measurement(module, scratch)
            running[measurement.pid] = module, measurement
        pid, status = os.wait()
        module, measurement = running.pop(pid)
        results[module] = measurement.result(status)
    return results


def main(scratch: Path, wanted: Sequence[str]) -> int:
    """Print what the tests of each module leave out; 1 when a module is below the least."""
    scratch.mkdir(parents=True, exist_ok=True)
    scratch = scratch.resolve()
    os.chdir(ROOT)
    # For the editable checkout, as `python -m` has it.
    sys.path[0] = str(ROOT)
    found = [each for each in modules() if not wanted or str(each) in wanted]
    results = measured(found, scratch)
    failed = 0
    for module in found:
        percent, missing = results[module]
        bad = percent < LEAST
        failed += bad
        mark = "FAILED" if bad else ""
        if missing:
            sys.stdout.write(f"{module!s:36} {percent:5.1f} % {mark} {missing}".rstrip() + "\n")
    sys.stdout.write(f"{len(found)} modules, {failed} below {LEAST:.0f} %\n")
    return 1 if failed or not found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
