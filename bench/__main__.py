"""The bench's command line: `python -m bench http | c10k | idle`.

Rules: options become values here and nowhere else; each command is the module of its name.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import c10k, http, idle, venv
from bench.herd import HerdError
from bench.load import WORKLOADS
from bench.peers import PEERS, Choice
from bench.process import StartError


def main(words: Sequence[str]) -> int:
    """Run one command; 0 when all went well, 1 when a row is an error, 2 when it cannot run."""
    options = _parser().parse_args(words)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (ValueError, HerdError, StartError, venv.VenvError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    """The three commands and their options."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    commands = parser.add_subparsers(required=True, metavar="http | c10k | idle")
    http_command = commands.add_parser("http", help="CPU per request and requests per second")
    http_command.set_defaults(run=_http)
    _count(http_command, "--rounds", 5, 100)
    _count(http_command, "--seconds", 2, 60)
    _count(http_command, "--connections", 16, 10_000)
    names = ",".join(workload.name for workload in WORKLOADS)
    http_command.add_argument("--workloads", default="", help=f"of {names}; all by default")
    c10k_command = commands.add_parser("c10k", help="10 000 connections asking 3 s at once")
    c10k_command.set_defaults(run=_c10k)
    _count(c10k_command, "--rounds", 3, 20)
    _count(c10k_command, "--connections", 10_000, 50_000)
    idle_command = commands.add_parser("idle", help="memory of an idle connection")
    idle_command.set_defaults(run=_idle)
    _count(idle_command, "--connections", 5000, 25_000)
    for command in (http_command, c10k_command, idle_command):
        _shared(command)
    return parser


def _shared(command: argparse.ArgumentParser) -> None:
    """The options every command has."""
    labels = ",".join(peer.label for peer in PEERS)
    command.add_argument("--only", default="", metavar="SERVERS", help=f"of {labels}")
    command.add_argument("--go-httpbin", default="", metavar="PATH", help="its binary")
    more = "more options for netd, given as --netd-args='--one --two 2'"
    command.add_argument("--netd-args", default="", metavar="ARGS", help=more)
    command.add_argument(
        "--venv",
        type=Path,
        default=venv.default_folder(),
        metavar="DIR",
        help="the peers' environment, made when it is missing (%(default)s)",
    )


def _count(command: argparse.ArgumentParser, flag: str, default: int, largest: int) -> None:
    """An option that is a number of at least 1: every load here is bounded."""

    def convert(text: str) -> int:
        if not 1 <= (number := int(text)) <= largest:
            raise argparse.ArgumentTypeError(f"{text} is not within 1..{largest}")
        return number

    command.add_argument(
        flag, type=convert, default=default, metavar="N", help=f"{default} by default"
    )


def _choice(options: argparse.Namespace) -> Choice:
    """Who runs, of the options every command has."""
    netd_args = tuple(shlex.split(options.netd_args))
    return Choice(options.only, options.go_httpbin, netd_args, options.venv.expanduser())


def _http(options: argparse.Namespace) -> int:
    """The first command."""
    effort = http.Effort(options.rounds, options.seconds, options.connections)
    return http.main(_choice(options), effort, options.workloads)


def _c10k(options: argparse.Namespace) -> int:
    """The second command."""
    return c10k.main(_choice(options), options.connections, options.rounds)


def _idle(options: argparse.Namespace) -> int:
    """The third command."""
    return idle.main(_choice(options), options.connections)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
