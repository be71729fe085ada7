"""
Mistakes that stop a start: one line that names option and value, and exit status 1.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import TypeAlias

from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import certificate
from tests.programs import needs
from tests.running import environment, run_netd, succeed, temporary_directory

Row: TypeAlias = tuple[str, Mapping[str, str], str]
"""Arguments with spaces between, additions to the environment, how the line goes on."""


class RefusalTests(SynchronousTestCase):
    """
    Tables of (arguments, environment, line); {folder} stands for a directory of files.
    """

    def setUp(self) -> None:
        self.folder = self.enterContext(temporary_directory())

    def file(self, name: str, text: str) -> None:
        """Write a file into the folder."""
        (self.folder / name).write_text(text)

    def refuse(self, *rows: Row) -> None:
        """Each row ends with status 1, its line on stderr and no other output."""
        runs = [self.start(row) for row in rows]
        ended = [run_netd(*words, environ=each, cwd=self.folder) for words, each in runs]
        for row, done in zip(rows, ended, strict=True):
            line = f"netd: {row[2].format(folder=self.folder)}"
            self.assertEqual((done.status, done.out), (1, ""), f"{row}: {done}")
            self.assertEqual(done.err[: len(line)], line, f"{row}: {done}")
            self.assertEqual(done.err.count("\n"), 1, f"{row}: {done}")
            self.assertTrue(done.err[:-1].isprintable(), f"{row}: {done}")

    def start(self, row: Row) -> tuple[list[str], dict[str, str]]:
        """The arguments and the environment of a row."""
        words = [word.format(folder=self.folder) for word in row[0].split(" ")]
        variables = {name: value.format(folder=self.folder) for name, value in row[1].items()}
        return list(filter(None, words)), environment(**{"NETD_PORT": "0", **variables})

    def test_hosts(self) -> None:
        """
        An address that is unknown, not this machine's or malformed is refused.
        """
        long = "x" * 64
        self.refuse(
            ("--bind nowhere.invalid", {}, "--bind nowhere.invalid: nowhere.invalid: "),
            (f"--bind {long}", {}, f"--bind {long}: {long}: not a host name"),
            ("--bind a/b", {}, "--bind a/b: not an IP address or a host name"),
            (
                "--bind 203.0.113.9",
                {},
                "--bind 203.0.113.9: cannot listen on tcp 203.0.113.9 port 0: ",
            ),
            ("--http tcp:0:interface=::1", {}, "--http tcp:0:interface=::1: "),
            ("--http tcp:0:interface=a.invalid", {}, "--http tcp:0:interface=a.invalid: "),
        )

    def test_takenPorts(self) -> None:
        """
        A TCP or UDP port of another process is refused.
        """
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            for sock in (stream, datagrams):
                sock.bind(("127.0.0.1", 0))
            stream.listen()
            tcp, udp = (str(sock.getsockname()[1]) for sock in (stream, datagrams))
            taken = "Address already in use"
            line = f"cannot listen on tcp 127.0.0.1 port {tcp}: {taken}"
            self.refuse(
                (f"--port {tcp}", {}, f"--port {tcp}: {line}"),
                ("", {"NETD_PORT": tcp}, f"--port {tcp}: {line}"),
                (f"--http {tcp}", {}, f"--http {tcp}: {line}"),
                (
                    f"--udp {udp}",
                    {},
                    f"--udp {udp}: cannot listen on udp 127.0.0.1 port {udp}: {taken}",
                ),
            )

    def test_ports(self) -> None:
        """
        A text that is not a port number or endpoint is refused.
        """
        self.refuse(
            ("--port x", {}, "--port x: not a port number from 0 to 65535"),
            ("--port 65536", {}, "--port 65536: not a port number from 0 to 65535"),
            ("--port -1", {}, "--port -1: not a port number from 0 to 65535"),
            ("--udp tcp:3", {}, "--udp tcp:3: not a port number, udp:PORT or udp6:PORT"),
            (
                "--http udp:3",
                {},
                "--http udp:3: not a port number, tcp:PORT, tcp6:PORT or unix",
            ),
            ("--http tcp:", {}, "--http tcp:: not a port number"),
            ("", {"NETD_HTTP": "0 x"}, "--http x (NETD_HTTP): not a port number"),
        )

    def test_files(self) -> None:
        """
        A files directory that is missing or not a directory is refused.
        """
        self.file("file", "")
        self.refuse(
            (
                "--files {folder}/none",
                {},
                "--files {folder}/none: No such file or directory",
            ),
            ("--files {folder}/file", {}, "--files {folder}/file: Not a directory"),
            ("", {"NETD_FILES": "{folder}/none"}, "--files {folder}/none: No such file"),
            ("--check-config --files {folder}/none", {}, "--files {folder}/none: No such file"),
        )

    @needs("openssl")
    def test_certificates(self) -> None:
        """
        A certificate or key that is missing, not PEM, encrypted or of another pair is refused.
        """
        leaf, key = certificate(self.folder)
        certificate(self.folder, "other")
        secret = self.folder / "secret.key"
        succeed("openssl", "ec", "-in", key, "-aes128", "-passout", "pass:x", "-out", secret)
        self.file("bad", "hello\n")
        https = "--https 0 --certificate"
        with_key = f"{https} {leaf} --private-key"
        self.refuse(
            ("--https 0", {}, "--https 0: needs --certificate"),
            (f"--certificate {leaf}", {}, f"--certificate {leaf}: needs --https"),
            (f"--private-key {key}", {}, f"--private-key {key}: needs --https"),
            (f"{https} {{folder}}/none", {}, "--certificate {folder}/none: No such file"),
            (f"{https} {{folder}}", {}, "--certificate {folder}: Is a directory"),
            (f"{https} {{folder}}/bad", {}, "--certificate {folder}/bad: "),
            (f"{https} {leaf}", {}, f"--certificate {leaf}: "),
            (f"{with_key} {{folder}}/none", {}, "--private-key {folder}/none: No such file"),
            (f"{with_key} {{folder}}/bad", {}, "--private-key {folder}/bad: "),
            (f"{with_key} {{folder}}/other.key", {}, "--private-key {folder}/other.key: "),
            (f"{with_key} {secret}", {}, f"--private-key {secret}: "),
        )

    def test_durations(self) -> None:
        """
        A delay that is not a finite, positive number of seconds is refused in every place.
        """
        flags, variables = ("nan", "inf", "-1", "1_0"), ("nan", "1e3", "3 s", "400d")
        self.refuse(
            *((f"--delay={text}", {}, f"--delay {text}: ") for text in flags),
            *(
                ("", {"NETD_DELAY": text}, f"--delay {text} (NETD_DELAY): ")
                for text in variables
            ),
            ("--grace nan", {}, "--grace nan: not a duration"),
            ("--max-delay -1", {}, "--max-delay -1: not a duration"),
        )

    def test_sizes(self) -> None:
        """
        A text that is not a number of bytes is refused.
        """
        self.refuse(
            ("--max-body 10XB", {}, "--max-body 10XB: "),
            ("--max-body -1", {}, "--max-body -1: "),
            ("", {"NETD_MAX_BODY": "nan"}, "--max-body nan (NETD_MAX_BODY): "),
        )

    def test_toml(self) -> None:
        """
        A configuration file that is missing, broken, or has unknown keys is refused.
        """
        self.file("unknown", "prot = 1\n")
        self.file("broken", "port =\n")
        self.file("nan", "delay = nan\n")
        self.file("list", "port = [1]\n")
        self.file("truth", "port = true\n")
        (self.folder / "latin").write_bytes(b'delay = "\xe9"\n')
        self.refuse(
            ("--config {folder}/none", {}, "--config {folder}/none: No such file or directory"),
            ("--config {folder}", {}, "--config {folder}: Is a directory"),
            (
                "--config {folder}/unknown",
                {},
                "--config {folder}/unknown: prot: not an option, did you mean port?",
            ),
            ("--config {folder}/broken", {}, "--config {folder}/broken: Invalid value"),
            ("--config {folder}/nan", {}, "--delay nan ({folder}/nan): not a duration"),
            (
                "--config {folder}/list",
                {},
                "--port [1] ({folder}/list): not a string or a number",
            ),
            (
                "--config {folder}/truth",
                {},
                "--port true ({folder}/truth): not a string or a number",
            ),
            ("--config {folder}/latin", {}, "--config {folder}/latin: "),
            ("", {"NETD_CONFIG": "{folder}/none"}, "--config {folder}/none: No such file"),
        )

    def test_commandLine(self) -> None:
        """
        An unknown flag, a flag without its value and a stray word are refused.
        """
        self.refuse(
            ("--prot 3", {}, "--prot: not an option, did you mean --port?"),
            ("--delay", {}, "--delay: not given a value, as in --delay DURATION"),
            ("extra", {}, "extra: not an option; see netd --help"),
        )

    def test_oneLine(self) -> None:
        """
        Control characters in a value do not break the line.
        """
        self.refuse(
            ("--delay=1\n2", {}, r"--delay '1\n2': "),
            ("--bind=\x1b[1m", {}, r"--bind '\x1b[1m': "),
            ("--files={folder}/\nx", {}, ""),
            ("--config={folder}/\nx", {}, ""),
            ("extra\nword", {}, ""),
        )

    def test_noneLeftOut(self) -> None:
        """
        A second listener that cannot be bound stops the daemon.
        """
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            sock.listen()
            number = sock.getsockname()[1]
            self.refuse((f"--http 0 --http {number}", {}, f"--http {number}: cannot listen"))
