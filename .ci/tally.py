"""
Count the tests of one trial run: `tally.py [--bare] NAME STATUS LOG [COMMAND...]`.

What it finds goes to stderr in words, with the report of each test that failed, and to stdout
as `PASSED FAILED`.  Failed is also a skip that .ci/allowed-skips does not name (with `--bare`
each may be skipped), a test marked as todo, an exception or warning that Python could only
print, and a run whose status says other than its tests do.

With COMMAND, which runs the tests whose ids are appended to it, at most two failed tests of
`tests` (real processes, real clocks) are run again, alone and twice, as `--rerun` of CPython's
own runner does.  A test that passes both times counts as passed; its report is printed all the
same, as unstable.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

_SUMMARY: Final = re.compile(r"^(?:PASSED|FAILED)(?: \((.*)\))?$", re.MULTILINE)
_SKIPPED: Final = re.compile(r"^\[SKIPPED\]\n(.*?)(?=^[=-]{79}$)", re.MULTILINE | re.DOTALL)
_REPORT: Final = re.compile(
    r"^\[(?:FAIL|ERROR|SUCCESS!\?!)\]\n.*?(?=^={79}$|^-{79}\nRan )", re.MULTILINE | re.DOTALL
)
_IGNORED: Final = re.compile(r"^Exception ignored .*", re.MULTILINE)
_TEST: Final = re.compile(r"^[\w.]+\.test_\w+$", re.MULTILINE)

# Characters of a report that are shown.
_LONGEST: Final = 4000

# Failed tests that may be run again: more are no accident.
_MOST: Final = 2

_FAILED: Final = ("failures", "errors", "expectedFailures", "unexpectedSuccesses")


def allowed(path: Path) -> frozenset[str]:
    """The ids of the tests that may be skipped."""
    lines = path.read_text().splitlines()
    return frozenset(line.split()[0] for line in lines if line and not line.startswith("#"))


def faults(log: str, status: int, skips: Collection[str] | None) -> tuple[int, list[str]]:
    """The number of tests that passed, and a line for each thing that did not."""
    summaries = _SUMMARY.findall(log)
    if len(summaries) != 1:
        return 0, [f"{len(summaries)} summaries of trial in the log, status {status}"]
    counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", summaries[0])}
    passed = counts.get("successes", 0)
    wrong = [name for name in _FAILED for _ in range(counts.get(name, 0))]
    skipped = [test for part in _SKIPPED.findall(log) for test in _TEST.findall(part)]
    wrong += [f"skipped: {test}" for test in skipped if skips is not None and test not in skips]
    if len(skipped) != counts.get("skips", 0):
        wrong.append(f"{counts.get('skips', 0)} skips, but the log names {skipped}")
    wrong += _IGNORED.findall(log)
    if not passed:
        wrong.append("no test has passed")
    if status and not wrong:
        wrong.append(f"ended with status {status}")
    return passed, wrong


def passes(command: Sequence[str], test: str) -> bool:
    """Run one test; whether it passes, which a skip does not."""
    ran = subprocess.run([*command, test], check=False, capture_output=True, text=True)
    sys.stderr.write(ran.stdout + ran.stderr)
    return ran.returncode == 0 and "PASSED (successes=1)" in ran.stdout


def unstable(wrong: Sequence[str], failed: Sequence[str], command: Sequence[str]) -> bool:
    """Run the failed tests again; whether each passes twice, and nothing else is wrong."""
    return (
        bool(command)
        and 0 < len(failed) <= _MOST
        and len(wrong) == len(failed)
        and {*wrong} <= {"failures", "errors"}
        and all(test.startswith("tests.") for test in failed)
        and all(passes(command, test) for test in [*failed, *failed])
    )


def main(arguments: Sequence[str]) -> None:
    """Print the tally of one run."""
    bare = arguments[0] == "--bare"
    name, status, log, *command = arguments[bare:]
    skips = None if bare else allowed(Path(__file__).with_name("allowed-skips"))
    text = Path(log).read_text(errors="replace")
    passed, wrong = faults(text, int(status), skips)
    reports = _REPORT.findall(text)
    failed = [test for report in reports for test in _TEST.findall(report)]
    again = f", {len(failed)} of them unstable" if unstable(wrong, failed, command) else ""
    if again:
        passed, wrong = passed + len(failed), []
    sys.stderr.write(f"{name}: {passed} passed{again}, {len(wrong)} failed\n")
    sys.stderr.writelines(f"  {line}\n" for line in wrong)
    sys.stderr.writelines(f"{report[-_LONGEST:]}\n" for report in reports)
    sys.stdout.write(f"{passed} {len(wrong)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
