"""
Many short runs of `python -m netd`, each in a fork of one process that has imported netd.

Rules: what is imported before a fork imports no reactor; a run that does not end is killed
with its parent.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tests.running import Finished, succeed


def starts(
    runs: Sequence[tuple[Sequence[str], Mapping[str, str]]], cwd: Path
) -> list[Finished]:
    """Run netd with each of these arguments and environments in turn; no seconds are taken."""
    path = cwd / "starts.json"
    path.write_text(json.dumps(runs))
    out = succeed(sys.executable, "-m", "tests.starts", path, cwd=cwd)
    path.unlink()
    return [Finished(status, text, err, 0.0) for status, text, err in json.loads(out)]


def _become(words: Sequence[str], environ: Mapping[str, str], *to: IO[Any]) -> None:
    """Make this process what a shell would start; its output goes to these files."""
    for number, file in enumerate(to, 1):
        os.dup2(file.fileno(), number)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv[:] = ["netd", *words]


def main(path: str) -> None:
    """Run each line of a file of starts, and print what came of it."""
    import netd.tap  # noqa: F401  # shared by all forks
    from netd.__main__ import main as netd_main

    results = []
    for words, environ in json.loads(Path(path).read_text()):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            pid = os.fork()
            if not pid:
                _become(words, environ, out, err)
                # Its SystemExit, or another exception, ends the process as Python does.
                netd_main()
                return
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode("utf-8", "surrogateescape"))
            results.append((status, *texts))
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
