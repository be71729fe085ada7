"""The bench's command line: `python -m bench COMMAND`, one of http, c10k, idle, files and more.

Rules: options become values here and nowhere else; each command is the module of its name.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import c10k, files, http, idle, lab, rpc, soak, udp, venv
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
    """The commands and their options."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    commands = parser.add_subparsers(
        required=True, metavar="http | c10k | idle | files | rpc | udp | lab | soak"
    )
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
    files_command = commands.add_parser("files", help="CPU per file and per GiB")
    files_command.set_defaults(run=_files)
    _count(files_command, "--rounds", 5, 100)
    _count(files_command, "--seconds", 2, 60)
    _count(files_command, "--connections", 16, 10_000)
    kinds = "1k,100k,1g,tls-1k,tls-1g,beside"
    files_command.add_argument("--kinds", default="", help=f"of {kinds}; all by default")
    rpc_command = commands.add_parser("rpc", help="CPU per XML-RPC call, and who waits for one")
    rpc_command.set_defaults(run=_rpc)
    _count(rpc_command, "--rounds", 5, 100)
    _count(rpc_command, "--seconds", 2, 60)
    _count(rpc_command, "--connections", 16, 10_000)
    for command in (http_command, c10k_command, idle_command, files_command, rpc_command):
        _shared(command)
    lab_command = commands.add_parser("lab", help="CPU of /get, and how late delays leave")
    lab_command.set_defaults(run=_lab)
    _count(lab_command, "--rounds", 5, 100)
    _count(lab_command, "--seconds", 2, 60)
    _count(lab_command, "--connections", 16, 10_000)
    _shared(lab_command)
    udp_command = commands.add_parser("udp", help="CPU per datagram, and /healthz under floods")
    udp_command.set_defaults(run=_udp)
    _count(udp_command, "--rounds", 5, 100)
    _count(udp_command, "--datagrams", 100_000, 1_000_000)
    soak_command = commands.add_parser("soak", help="a mix of everything, for minutes")
    soak_command.set_defaults(run=_soak)
    soak_command.add_argument(
        "--minutes", type=_minutes, default=10.0, metavar="N", help="10 by default"
    )
    soak_command.add_argument("--netd-args", default="", metavar="ARGS", help="more for netd")
    return parser


def _minutes(text: str) -> float:
    """How long a soak takes: from a few seconds to a week."""
    number = float(text)
    if not 0.05 <= number <= 10_080:
        raise argparse.ArgumentTypeError(f"{text} is not within 0.05..10080")
    return number


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


def _files(options: argparse.Namespace) -> int:
    """The fourth command."""
    effort = (options.rounds, options.seconds, options.connections)
    return files.main(_choice(options), *effort, options.kinds)


def _rpc(options: argparse.Namespace) -> int:
    """The fifth command."""
    folder = options.venv.expanduser()
    return rpc.main(folder, options.rounds, options.seconds, options.connections)


def _lab(options: argparse.Namespace) -> int:
    """The one that is about httpbin's endpoints."""
    effort = http.Effort(options.rounds, options.seconds, options.connections)
    return lab.main(_choice(options), effort)


def _udp(options: argparse.Namespace) -> int:
    """The one that is about datagrams."""
    return udp.main(options.rounds, options.datagrams)


def _soak(options: argparse.Namespace) -> int:
    """The one that takes long."""
    return soak.main(options.minutes, tuple(shlex.split(options.netd_args)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
