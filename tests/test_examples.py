"""
The examples of the Markdown files, as a reader types them.

Every block of a language that can be run is run: `sh` must succeed, `console`, `pycon` and
`python` must print what they show.  The blocks of one page are run in order, in one empty
directory, beside a daemon on the port that the page calls 8000.

Rules: a block that cannot be run has a comment `<!-- not run: REASON -->` before it; the
others have no language (files, configurations).
"""

from __future__ import annotations

import contextlib
import doctest
import gc
import os
import re
import shlex
import signal
import socket
import sys
import warnings
from pathlib import Path
from typing import Final

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

from tests.programs import needs
from tests.running import (
    MODULE,
    ROOT,
    TWISTD,
    Daemon,
    Finished,
    environment,
    eventually,
    run,
    temporary_directory,
)

PAGES: Final = (
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("contrib/**/*.md")),
)
LANGUAGES: Final = ("sh", "console", "pycon", "python")
_BLOCK: Final = re.compile(
    r"((?:^<!-- .* -->\n)*)^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
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


def free_number() -> int:
    """A port number that is free over TCP and over UDP."""
    while True:
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            stream.bind(("127.0.0.1", 0))
            number: int = stream.getsockname()[1]
            with contextlib.suppress(OSError):
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


class ExampleTests(SynchronousTestCase):
    """
    Every page's examples work.
    """

    def setUp(self) -> None:
        self.folder = self.enterContext(temporary_directory())
        (self.folder / "bin").mkdir()
        python, *words = MODULE
        self.program("twistd", shlex.join(TWISTD[:-2]) + ' "$@"')
        # A daemon in the foreground would run for ever, so its options are checked instead.
        checked = f"{python} {shlex.join(words)}"
        actions = "|".join(f'*" --{name} "*' for name in _ACTIONS)
        self.program(
            "netd",
            f'case " $* " in {actions}) {checked} "$@";;'
            f' *) {checked} --check-config "$@" >&2;; esac',
        )
        self.number = free_number()
        room = self.folder / "room"
        room.mkdir()
        # On a terminal curl shows no progress.
        (room / ".curlrc").write_text("silent\nshow-error\n")
        self.room = room
        self.environ = environment(
            PATH=f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            HOME=str(room),
            NO_PROXY="*",
            no_proxy="*",
        )
        self.addCleanup(self.end_daemon)

    def program(self, name: str, command: str) -> None:
        """Make a program of the examples."""
        path = self.folder / "bin" / name
        path.write_text(f'#!/bin/sh\nexec_in() {{ {command}\n}}\nexec_in "$@"\n')
        path.chmod(0o755)

    def end_daemon(self) -> None:
        """End what a failed example has left behind."""
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.room / "netd.pid").read_text()), signal.SIGKILL)

    def examples(self, name: str) -> None:
        """Run the blocks of a page."""
        found = blocks(ROOT / name)
        self.assertTrue(found, name)
        self.enterContext(Daemon("--port", str(self.number)))
        for block in found:
            text = block.text.replace("8000", str(self.number))
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
        """A session of Python prints what it shows."""
        wrong: list[str] = []
        example = doctest.DocTestParser().get_doctest(text, {}, "example", None, None)
        # What an example leaves open is closed with it, as at the end of a session.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            doctest.DocTestRunner(verbose=False).run(example, out=wrong.append)
            gc.collect()
        self.assertEqual("".join(wrong), "")

    def run_python(self, text: str) -> None:
        """A script succeeds, and prints the comment of a line where that has one."""
        done = run(sys.executable, "-c", text, environ=self.environ, cwd=self.room)
        self.assertEqual(done.status, 0, done.err)
        for shown in re.findall(r"^print\(.*\)  # (.*)$", text, re.MULTILINE):
            self.assertIn(f"{shown}\n", done.out)

    def test_distributed(self) -> None:
        """Heavy calls on many machines."""
        self.examples("docs/distributed.md")

    def test_every(self) -> None:
        """Each page with blocks that can be run has a test here."""
        pages = {str(page.relative_to(ROOT)) for page in PAGES if blocks(page)}
        self.assertEqual(
            pages,
            {
                "README.md",
                *(f"docs/{name}.md" for name in ("coming-from-httpbin", "files", "lab")),
                *(f"docs/{name}.md" for name in ("distributed", "operations", "rpc")),
            },
        )

    @needs("bash", "curl", "nc")
    def test_readme(self) -> None:
        """The README's examples."""
        self.examples("README.md")
        # The example has ended its own daemon.
        eventually(lambda: None if (self.room / "netd.pid").exists() else True, "the end")

    @needs("bash", "curl")
    def test_comingFromHttpbin(self) -> None:
        """The first request of a user of httpbin."""
        self.examples("docs/coming-from-httpbin.md")

    @needs("bash", "curl")
    def test_files(self) -> None:
        """The downloads of the guide to files."""
        self.examples("docs/files.md")
        self.assertTrue((self.room / "hello.txt").stat().st_size)

    @needs("bash", "curl")
    def test_lab(self) -> None:
        """The requests of the guide to the lab."""
        self.examples("docs/lab.md")

    @needs("bash", "openssl")
    def test_operations(self) -> None:
        """The commands of the guide to operations."""
        self.examples("docs/operations.md")
        for name in (
            ".local/share/bash-completion/completions/netd",
            ".zfunc/_netd",
            ".config/fish/completions/netd.fish",
        ):
            self.assertIn("max-delay", (self.room / name).read_text())

    def test_rpc(self) -> None:
        """The script of the guide to XML-RPC."""
        self.examples("docs/rpc.md")
