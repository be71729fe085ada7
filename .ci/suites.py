"""
Suites of others that ask an httpbin, on netd: `suites.py SCRATCH [NAME...]`.

.ci/suites.toml is the table of them, and of their tests that fail.  A suite comes
from its source distribution on PyPI, which the user's cache keeps, and runs in a
virtual environment in SCRATCH, or with `--python` in another one.

`suites.py --freeze` writes .ci/constraints.txt: the version of each package that they,
and all other checks, need.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import time
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
TABLE: Final = HERE / "suites.toml"
FROZEN: Final = HERE / "constraints.txt"
CHECKERS: Final = HERE / "checkers.txt"
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "netd-suites")

_DEADLINE: Final = 600.0
_HEADER: Final = """\
# The versions that .ci/run installs, so that it gives the same result next month.
#
# `python .ci/suites.py --freeze` writes this file: it adds what is new and keeps the rest.
# Remove the file first to have the newest of everything.
"""


@dataclass(frozen=True)
class Suite:
    """One table of the file; .ci/suites_plugin.py reads the tables inside it."""

    name: str
    version: str
    tests: list[str]
    passes: int
    """The least number of tests that pass."""
    needs: list[str] = field(default_factory=list)
    """Further packages that its tests import."""
    options: list[str] = field(default_factory=lambda: ["-n", "2"])
    """Of pytest; those of pytest-xdist are for suites that take long."""
    environ: dict[str, str] = field(default_factory=dict)
    trusts: bool = False
    """Whether clients have to trust the authority before pytest starts."""
    fails: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def requirement(self) -> str:
        """The project in this version, for pip."""
        return f"{self.name}=={self.version}"

    @property
    def requirements(self) -> list[str]:
        """The project, and what its tests import."""
        return [self.requirement, *self.needs]


def suites() -> dict[str, Suite]:
    """The table by name."""
    tables = tomllib.loads(TABLE.read_text())
    return {name: Suite(name, **table) for name, table in tables.items()}


def environment(**changes: str) -> dict[str, str]:
    """This environment without settings of netd, and without its strictness."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("NETD_")}
    for name in ("PYTHONWARNINGS", "PYTHONPATH", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        kept.pop(name, None)
    return {**kept, **changes}


def virtual_environment(room: Path, wanted: list[Suite]) -> Path:
    """The Python of a new virtual environment with netd and everything that is tested."""
    needs = sorted({each for suite in wanted for each in suite.requirements})
    python = room / "bin" / "python"
    install = ["pip", "install", "--python", str(python), "--constraint", str(FROZEN)]
    for command in (
        ["venv", "--python", sys.executable, str(room)],
        [*install, "-e", f"{ROOT}[pytest,compress]"],
        [*install, "pytest-xdist", *needs],
    ):
        subprocess.run(["uv", "--quiet", *command], check=True, env=environment())
    return python


def freeze(wanted: Iterable[Suite]) -> None:
    """Write `FROZEN`, for every Python that netd runs on."""
    needs = [each for suite in wanted for each in suite.requirements]
    compile_ = ["uv", "--quiet", "pip", "compile", "--universal", "--python-version", "3.11"]
    compile_ += ["--no-header", "--no-annotate", "--extra", "dev", "--output-file", str(FROZEN)]
    inputs = ["pyproject.toml", str(CHECKERS), "-"]
    subprocess.run(
        [*compile_, *inputs], cwd=ROOT, input="\n".join(needs), text=True, check=True
    )
    FROZEN.write_text(_HEADER + FROZEN.read_text())


def source(suite: Suite, room: Path) -> Path:
    """The unpacked source distribution; LookupError when there is none to be had."""
    kept = CACHE / f"{suite.name}-{suite.version}"
    if not [*kept.glob("*.tar.gz")]:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        pip += [f"--no-binary={suite.name}", "--dest", str(kept), suite.requirement]
        if subprocess.run(pip, env=environment(), check=False).returncode:
            raise LookupError(f"pip cannot download {suite.requirement}")
    (archive,) = kept.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(room, filter="data")
    return room / archive.name.removesuffix(".tar.gz")


def passes(suite: Suite, python: Path, root: Path) -> bool:
    """Whether its tests do as the table says; prints how many, or all that pytest does."""
    temporary = root.parent / "tmp"
    temporary.mkdir(exist_ok=True)
    rooms = {"HOME": str(root.parent), "TMPDIR": str(temporary)}
    paths = f"{HERE}{os.pathsep}{ROOT}"
    environ = environment(PYTHONPATH=paths, SUITE=suite.name, **rooms, **suite.environ)
    if suite.trusts:
        command = [str(python), "-m", "netd.testing.ca"]
        bundle = subprocess.check_output(command, env=environ, text=True)
        trusted = bundle.strip()
        environ |= {"REQUESTS_CA_BUNDLE": trusted, "SSL_CERT_FILE": trusted}
    began = time.monotonic()
    done = subprocess.run(
        [
            *(str(python), "-m", "pytest", "-q", "-p", "netd.testing.httpbin"),
            *("-p", "suites_plugin", "-p", "no:cacheprovider", "-p", "no:randomly"),
            # Not the options that a suite has for plugins that are not here.
            *("-c", os.devnull, "--rootdir", str(root), *suite.options, *suite.tests),
        ],
        env=environ,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_DEADLINE,
        check=False,
    )
    summary = done.stdout.rstrip().rpartition("\n")[2].strip("= ")
    count = re.search(r"(\d+) passed", summary)
    good = done.returncode == 0 and count is not None and int(count[1]) >= suite.passes
    if not good:
        sys.stdout.write(f"{done.stdout}\nat least {suite.passes} have to pass\n")
    seconds = time.monotonic() - began
    verdict = "" if good else "FAILED: "
    sys.stdout.write(f"{suite.requirement}: {verdict}{summary} ({seconds:.0f} s)\n")
    sys.stdout.flush()
    return good


def main() -> int:
    """Run the suites, one after the other; 1 when a test does otherwise, 2 without a suite."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scratch", type=Path, nargs="?")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--python", type=Path, help="has what the suites need")
    parser.add_argument("--freeze", action="store_true", help="write .ci/constraints.txt")
    given = parser.parse_args()
    table = suites()
    if given.freeze:
        freeze(table.values())
        return 0
    if given.scratch is None:
        parser.error("SCRATCH is missing")
    wanted = [table[name] for name in given.names or table]
    scratch = given.scratch.resolve()
    try:
        with ThreadPoolExecutor() as pool:
            # pip prepares what it downloads, which takes a while.
            roots = [*pool.map(lambda suite: source(suite, scratch / suite.name), wanted)]
    except LookupError as error:
        sys.stdout.write(f"{error}\n")
        return 2
    python = given.python or virtual_environment(scratch / "venv", wanted)
    results = [passes(suite, python, root) for suite, root in zip(wanted, roots, strict=True)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
