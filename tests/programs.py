"""
The programs that the tests run, and the Debian packages that have them.

`python3 tests/programs.py` prints the packages of the programs that are missing here.

Rules: needs only the standard library; a test that needs a program which is missing is
skipped; a program that is not in the table is an error.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar
from unittest import SkipTest

T = TypeVar("T")


@dataclass(frozen=True)
class Program:
    """How a program is installed and recognized."""

    packages: str
    """The words after `apt-get install`."""
    probe: tuple[str, ...] = ()
    """Arguments on which the right program exits with 0 or prints `prints`."""
    prints: str = ""
    """A regular expression."""
    what: str = ""
    """What the program must be or have, where the name alone does not say it."""


PROGRAMS: Final = {
    "ab": Program("apache2-utils"),
    "apache2": Program("apache2-bin"),
    "bash": Program("bash"),
    "chromedriver": Program("chromium-driver"),
    "chromium": Program("chromium fonts-dejavu-core"),
    "curl": Program("ca-certificates curl"),
    "epmd": Program("rabbitmq-server"),
    "fish": Program("fish"),
    "haproxy": Program("haproxy"),
    "ip": Program("iproute2", ("-V",), "iproute2", "iproute2"),
    "mandoc": Program("mandoc"),
    "mount": Program("mount"),
    "nc": Program("netcat-openbsd", ("-h",), "OpenBSD|Ncat", "OpenBSD's nc or ncat"),
    "ncat": Program("ncat"),
    "nginx": Program("nginx"),
    "nmap": Program("nmap"),
    "node": Program("nodejs", ("-e", "fetch"), what="Node 18 or newer"),
    "nping": Program("nmap"),
    "nsenter": Program("util-linux"),
    "openssl": Program("openssl", ("version",), "OpenSSL", "OpenSSL"),
    "perl": Program("perl librpc-xml-perl", ("-MRPC::XML", "-e1"), what="Perl with RPC::XML"),
    "php": Program(
        "php-cli php-xmlrpc",
        ("-r", "exit(function_exists('xmlrpc_encode_request') ? 0 : 1);"),
        what="PHP with xmlrpc",
    ),
    "prlimit": Program("util-linux"),
    "promtool": Program("prometheus"),
    "rabbitmq-server": Program("rabbitmq-server"),
    "redis-cli": Program("redis-tools"),
    "redis-server": Program("redis-server"),
    "ruby": Program("ruby ruby-xmlrpc", ("-rxmlrpc/client", "-e0"), what="Ruby with xmlrpc"),
    "socat": Program("socat"),
    "sockperf": Program("sockperf"),
    "systemd-analyze": Program("systemd"),
    "systemd-nspawn": Program("systemd-container"),
    "systemd-socket-activate": Program("systemd"),
    "taskset": Program("util-linux"),
    "testssl": Program("testssl.sh"),
    "umount": Program("mount"),
    "xmlrpc": Program("xmlrpc-api-utils"),
    "zsh": Program("zsh"),
}


@functools.cache
def find(name: str) -> str | None:
    """The path of a program of the table; None where it, or what it must have, is missing."""
    program = PROGRAMS[name]
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    # Some programs live where only root's search path looks.
    more = [place.replace("bin", "sbin") for place in places if place.endswith("/bin")]
    path = shutil.which(name, path=os.pathsep.join(places + more))
    return path if path and _recognized(path, program) else None


def _recognized(path: str, program: Program) -> bool:
    if not program.probe:
        return True
    done = subprocess.run(
        [path, *program.probe],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=60,
    )
    if program.prints:
        return bool(re.search(program.prints, done.stdout.decode(errors="replace")))
    return not done.returncode


def lacking(*names: str) -> str | None:
    """Why a test that needs these programs is skipped; None where all are installed."""
    for name in names:
        if find(name) is None:
            return _reason(name)
    return None


def _reason(name: str) -> str:
    program = PROGRAMS[name]
    return f"{program.what or name} is not installed (Debian: {program.packages})"


def need(name: str) -> str:
    """The path of a program; SkipTest where it is missing."""
    path = find(name)
    if path is None:
        raise SkipTest(_reason(name))
    return path


def needs(*names: str) -> Callable[[T], T]:
    """Mark a test, or a class of tests, that is skipped without these programs."""

    def mark(item: T) -> T:
        reason = lacking(*names)
        if reason is not None:
            setattr(item, "skip", reason)  # noqa: B010  # trial's attribute, which T lacks
        return item

    return mark


def packages() -> str:
    """The packages of all missing programs, with spaces between."""
    missing = [PROGRAMS[name].packages.split() for name in PROGRAMS if find(name) is None]
    return " ".join(sorted({package for each in missing for package in each}))


def report() -> None:
    """Print what is missing, and the line that installs it; nothing where nothing is."""
    missing = [name for name in PROGRAMS if find(name) is None]
    if missing:
        sys.stdout.write(
            f"Tests of programs that are not installed were skipped: {', '.join(missing)}.\n"
            f"sudo apt-get install --no-install-recommends {packages()}\n"
        )


if __name__ == "__main__":
    sys.stdout.write(f"{packages()}\n")
