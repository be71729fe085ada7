"""
Every module of netd, covered by its own test file: `coverage.py SCRATCH [MODULE...]`.

netd/lab/router.py is measured while netd/test/lab/test_router.py runs, and
nothing else.  A module that only documents or versions a package is exempt.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = ROOT / "netd"
LEAST: Final = 95.0
_WORKERS: Final = 2
_DEADLINE: Final = 900.0


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


def measure(module: Path, scratch: Path) -> tuple[float, str]:
    """The percentage of lines and branches that its own test runs, and what is missing."""
    test = test_of(module)
    if not (ROOT / test).exists():
        return 0.0, f"there is no {test}"
    slug = "-".join(module.with_suffix("").parts)
    data, report = scratch / f"{slug}.data", scratch / f"{slug}.json"
    coverage = (sys.executable, "-m", "coverage")
    trial = subprocess.run(
        [
            *(*coverage, "run", f"--data-file={data}", "-m", "twisted.trial"),
            *(f"--temp-directory={scratch / slug}", ".".join(test.with_suffix("").parts)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_DEADLINE,
        check=False,
    )
    if trial.returncode:
        return 0.0, f"{test} fails:\n{trial.stdout[-4000:]}{trial.stderr[-4000:]}"
    told = subprocess.run(
        [*coverage, "json", f"--data-file={data}", f"--include={module}", "-o", str(report)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_DEADLINE,
        check=False,
    )
    if told.returncode:
        return 0.0, told.stdout + told.stderr
    file = json.loads(report.read_text())["files"][str(module)]
    lines = [str(line) for line in file["missing_lines"]]
    branches = [f"{start}->{end}" for start, end in file["missing_branches"]]
    return file["summary"]["percent_covered"], " ".join(lines + branches)


def main(scratch: Path, wanted: Sequence[str]) -> int:
    """Print the table; 1 when a module is below the least."""
    scratch.mkdir(parents=True, exist_ok=True)
    found = [each for each in modules() if not wanted or str(each) in wanted]
    failed = 0
    with ThreadPoolExecutor(_WORKERS) as pool:
        results = pool.map(lambda module: measure(module, scratch), found)
        for module, (percent, missing) in zip(found, results, strict=True):
            bad = percent < LEAST
            failed += bad
            mark = "FAILED" if bad else ""
            sys.stdout.write(f"{module!s:36} {percent:5.1f} % {mark} {missing}".rstrip() + "\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(found)} modules, {failed} below {LEAST:.0f} %\n")
    return 1 if failed or not found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
