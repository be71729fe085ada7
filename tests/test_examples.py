"""
The examples of the Markdown files, as a reader types them.

Every block of a language that can be run is run: `sh` must succeed, `console`, `pycon` and
`python` must print what they show.  The blocks of one page are run in order, in one empty
directory, beside a daemon on the port that the page calls 8000.  The `pycon` blocks of a
page are one session.

Rules: a block that cannot be run has a comment `<!-- not run: REASON -->` before it; files,
configurations and output are of the languages in `SHOWN`.
"""

from __future__ import annotations

import contextlib
import doctest
import functools
import gc
import os
import re
import shlex
import signal
import socket
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from unittest import mock

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

from tests.programs import needs
from tests.running import (
    MODULE,
    ROOT,
    TWISTD,
    Finished,
    environment,
    eventually,
    free_port,
    run,
    shared,
    temporary_directory,
)

PAGES: Final = (
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("contrib/**/*.md")),
)
LANGUAGES: Final = ("sh", "console", "pycon", "python")
SHOWN: Final = (
    "text",
    "ini",
    "nginx",
    "yaml",
    "{include}",
    "{toctree}",
    "{figure}",
    "{eval-rst}",
)
"""What else a block may be."""
_BLOCK: Final = re.compile(
    r"((?:^<!-- .* -->\n)*)^```(\S*).*?\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
_PORT: Final = re.compile(r"\b80(?:00|01|80)\b")
"""The daemon's, and others."""
_ACTIONS: Final = ("healthcheck", "completion", "print-config", "help", "version")


@frozen
class Block:
    """A fenced block that can be run."""

    page: Path
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The blocks of a page that can be run, in their order."""
    found = _BLOCK.findall(page.read_text())
    return [
        Block(page, language, text)
        for comments, language, text in found
        if language in LANGUAGES and "<!-- not run: " not in comments
    ]


@functools.cache
def free_number(port: str) -> int:
    """What stands for a port of the pages: one that is free over TCP, and now over UDP."""
    while True:
        number = free_port()
        with socket.socket(type=socket.SOCK_DGRAM) as datagrams, contextlib.suppress(OSError):
            datagrams.bind(("127.0.0.1", number))
            return number


def pattern(shown: str) -> str:
    """A pattern for output like `shown`: any numbers and date, and `...` for any lines."""
    lines = []
    for line in shown.strip().splitlines():
        if line == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            words = re.sub(r"[0-9]+", "0", "Date: 0" if line.startswith("Date: ") else line)
            words = re.sub(r"\s+", r"\\s+", re.escape(words).replace(r"\ ", " "))
            lines.append(words.replace("0", "[0-9]+" if "Date" not in line else ".+") + r"\n")
    return "".join(lines)


@contextlib.contextmanager
def open_files_allowed() -> Iterator[None]:
    """Without warnings about what is left open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


class ExampleTests(SynchronousTestCase):
    """
    Every page's examples work.
    """

    def setUp(self) -> None:
        self.folder = self.enterContext(temporary_directory())
        (self.folder / "bin").mkdir()
        python, *words = MODULE
        self.program("twistd", shlex.join(TWISTD[:-2]) + ' "$@"')
        self.program("python", f'exec {python} "$@"')
        # A daemon in the foreground would run for ever, so its options are checked instead.
        checked = f"{python} {shlex.join(words)}"
        actions = "|".join(f'*" --{name} "*' for name in _ACTIONS)
        self.program(
            "netd",
            f'case " $* " in {actions}) {checked} "$@";;'
            f' *) {checked} --check-config "$@" >&2;; esac',
        )
        room = self.folder / "room"
        room.mkdir()
        # On a terminal curl shows no progress.
        (room / ".curlrc").write_text("silent\nshow-error\n")
        self.room = room
        # What is collected after each block is of this test.
        gc.freeze()
        self.addCleanup(gc.unfreeze)
        self.session: dict[str, Any] = {}
        self.addCleanup(self.end_session)
        self.environ = environment(
            PATH=f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            HOME=str(room),
            NO_PROXY="*",
            no_proxy="*",
        )
        self.addCleanup(self.end_daemons)

    def program(self, name: str, command: str) -> None:
        """Make a program of the examples."""
        path = self.folder / "bin" / name
        path.write_text(f'#!/bin/sh\nexec_in() {{ {command}\n}}\nexec_in "$@"\n')
        path.chmod(0o755)

    def end_daemons(self) -> None:
        """End what a failed example has left behind."""
        for path in self.room.glob("*.pid"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(path.read_text()), signal.SIGKILL)

    def examples(self, name: str) -> None:
        """Run the blocks of a page."""
        found = blocks(ROOT / name)
        self.assertTrue(found, name)
        self.enterContext(shared("--port", str(free_number("8000"))))
        for block in found:
            text = _PORT.sub(lambda port: str(free_number(port[0])), block.text)
            getattr(self, f"run_{block.language}")(text)

    def run_sh(self, text: str) -> None:
        """The commands succeed."""
        done = self.bash("-euo", "pipefail", "-c", text)
        self.assertEqual(done.status, 0, f"{text}\n{done.out}{done.err}")

    def bash(self, *words: str) -> Finished:
        """A shell that has ended."""
        return run("bash", *words, environ=self.environ, cwd=self.room)

    def run_console(self, text: str) -> None:
        """Each command prints what is shown after it."""
        for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
            done = self.bash("-c", f"{{ {command}\n}} 2>&1")
            out = "".join(f"{line}\n" for line in done.out.strip().splitlines())
            self.assertRegex(out, rf"\A{pattern(shown)}\Z", command)

    def run_pycon(self, text: str) -> None:
        """The lines of a session of Python print what they show, but for `...` in it."""
        wrong: list[str] = []
        flags = (
            doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
        )
        example = doctest.DocTestParser().get_doctest(text, self.session, "example", None, None)
        with (
            contextlib.chdir(self.room),
            mock.patch.dict(os.environ, NO_PROXY="*", no_proxy="*"),
            open_files_allowed(),
        ):
            runner = doctest.DocTestRunner(verbose=False, optionflags=flags)
            runner.run(example, out=wrong.append, clear_globs=False)
            self.session = example.globs
        self.assertEqual("".join(wrong), "")

    def end_session(self) -> None:
        """Close what the lines of Python leave open, as the end of a session does."""
        with open_files_allowed():
            self.session.clear()

    def run_python(self, text: str) -> None:
        """A script succeeds, and prints the comment of a line where that has one."""
        done = run(sys.executable, "-c", text, environ=self.environ, cwd=self.room)
        self.assertEqual(done.status, 0, done.err)
        for shown in re.findall(r"^ *print\(.*\)  # (.*)$", text, re.MULTILINE):
            self.assertIn(f"{shown}\n", done.out)

    def test_every(self) -> None:
        """Each page with blocks that can be run has a test here."""
        pages = {str(page.relative_to(ROOT)) for page in PAGES if blocks(page)}
        source = Path(__file__).read_text()
        self.assertEqual(pages, set(re.findall(r'self\.examples\("(.*)"\)', source)))

    def test_languages(self) -> None:
        """Each block has a language, by which it is run or shown."""
        for page in PAGES:
            for _, language, text in _BLOCK.findall(page.read_text()):
                self.assertIn(language, (*LANGUAGES, *SHOWN), f"{page}:\n{text}")

    def test_examples(self) -> None:
        """Each file and folder of examples/ is run by a test."""
        tests = "".join(path.read_text() for path in ROOT.glob("tests/test_*.py"))
        for path in (ROOT / "examples").glob("[!_]*"):
            self.assertRegex(tests, rf"examples\W+(import )?{path.stem}\b")

    @needs("bash", "curl", "nc")
    def test_readme(self) -> None:
        """The README's examples."""
        self.examples("README.md")
        # The example has ended its own daemon.
        eventually(lambda: None if (self.room / "netd.pid").exists() else True, "the end")

    @needs("bash", "openssl")
    def test_certificates(self) -> None:
        """The certificate of one's own."""
        self.examples("docs/certificates.md")

    @needs("bash")
    def test_clients(self) -> None:
        """The session of Python's clients, whose cache is the file that it shows."""
        self.examples("docs/clients.md")

    @needs("bash", "curl")
    def test_comingFromHttpbin(self) -> None:
        """The first request of a user of httpbin."""
        self.examples("docs/coming-from-httpbin.md")

    @needs("ab", "bash", "curl")
    def test_concurrency(self) -> None:
        """The measurements of a class on concurrency."""
        self.examples("docs/concurrency.md")

    @needs("bash")
    def test_containers(self) -> None:
        """The health check of a container."""
        self.examples("docs/containers.md")

    @needs("bash", "curl")
    def test_delays(self) -> None:
        """The figures of delays."""
        self.examples("docs/delays.md")

    def test_distributed(self) -> None:
        """Heavy calls on many machines."""
        self.examples("docs/distributed.md")

    @needs("bash", "curl")
    def test_files(self) -> None:
        """The downloads of the guide to files."""
        self.examples("docs/files.md")
        self.assertTrue((self.room / "hello.txt").stat().st_size)

    @needs("bash", "curl")
    def test_fiveMinutes(self) -> None:
        """The first five minutes."""
        self.examples("docs/five-minutes.md")

    @needs("bash", "curl", "haproxy")
    def test_healthCheck(self) -> None:
        """The health checks, HAProxy's too."""
        self.examples("docs/health-check.md")

    @needs("bash", "curl")
    def test_lab(self) -> None:
        """The requests of the guide to the lab."""
        self.examples("docs/lab.md")

    @needs("bash")
    def test_operations(self) -> None:
        """The commands of the guide to operations."""
        self.examples("docs/operations.md")
        for name in (
            ".local/share/bash-completion/completions/netd",
            ".zfunc/_netd",
            ".config/fish/completions/netd.fish",
        ):
            self.assertIn("max-delay", (self.room / name).read_text())

    @needs("bash", "curl")
    def test_prometheus(self) -> None:
        """The metrics of the guide to Prometheus."""
        self.examples("docs/prometheus.md")

    @needs("bash", "curl")
    def test_retries(self) -> None:
        """The retries of curl and of requests."""
        self.examples("docs/retries.md")

    def test_rpc(self) -> None:
        """The script of the guide to XML-RPC."""
        self.examples("docs/rpc.md")

    def test_scripts(self) -> None:
        """The script of a reply."""
        self.examples("docs/scripts.md")
