"""The bench's command line: `python -m bench COMMAND`, one of http, c10k, idle, files and more.

Rules: options become values here and nowhere else; each command is the module of its name.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from bench import (
    c10k,
    console,
    everything,
    files,
    hostile,
    http,
    idle,
    lab,
    models,
    queue,
    rpc,
    soak,
    udp,
    venv,
    workers,
    worst,
)
from bench.herd import HerdError
from bench.load import WORKLOADS
from bench.peers import Choice, labels, named
from bench.process import StartError
from bench.rounds import Effort

Number = TypeVar("Number", int, float)


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
    commands = parser.add_subparsers(required=True, metavar=" | ".join(_COMMANDS))

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text)
        added.set_defaults(run=_COMMANDS[name])
        return added

    added = command("http", "CPU per request and requests per second")
    _effort(added)
    names = ",".join(workload.name for workload in WORKLOADS)
    added.add_argument("--workloads", default="", help=f"of {names}; all by default")
    _pythons(added)
    _shared(added, labels("http"))
    added = command("c10k", "10 000 connections that ask for 3 s at once")
    _count(added, "--rounds", 3, 20)
    _count(added, "--connections", 10_000, 50_000)
    _shared(added, labels("c10k"))
    added = command("idle", "memory of an idle connection")
    _count(added, "--connections", 5000, 25_000)
    _shared(added, labels("idle"))
    added = command("files", "CPU per file and per GiB")
    _effort(added)
    added.add_argument(
        "--kinds", default="", help=f"of {','.join(files.KINDS)}; all by default"
    )
    _shared(added, labels("files"))
    added = command("rpc", "CPU per XML-RPC call, and who waits for one")
    _effort(added)
    _shared(added, labels("rpc"))
    added = command("lab", "CPU of /get, and how late delayed responses leave")
    _effort(added)
    _shared(added, labels("lab"))
    added = command("udp", "CPU per datagram, and /healthz under floods")
    _count(added, "--rounds", 5, 100)
    _count(added, "--datagrams", 100_000, 1_000_000)
    added = command("hostile", "/healthz and memory under attack")
    added.add_argument("--reactor", default="epoll", metavar="NAME", help="as twistd has it")
    _netd_args(added)
    added = command("workers", "CPU, losses and balance with several processes")
    _count(added, "--rounds", 5, 100)
    _count(added, "--seconds", 2, 60)
    _count(command("console", "the console's budgets"), "--seconds", 60, 3600)
    command("queue", "calls on Celery workers: latency, rates, lag, outages")
    _count(command("worst", "CPU of the worst legal request of each route"), "--rows", 20, 1000)
    added = command("soak", "a mix of everything, for minutes")
    added.add_argument(
        "--minutes",
        type=_within(float, 0.05, 10_080),
        default=10.0,
        metavar="N",
        help="10 by default",
    )
    _netd_args(added)
    _models(command("models", "one server in many ways, under ever more clients"))
    _all(command("all", "all tables of docs/benchmarks.md, in half an hour"))
    return parser


def _all(command: argparse.ArgumentParser) -> None:
    """The options of `all`."""
    _count(command, "--rounds", 5, 100)
    _pythons(command)
    command.add_argument("--go-httpbin", default="", metavar="PATH", help="its binary")
    known = ",".join(everything.COMMANDS)
    command.add_argument(
        "--only", default="", metavar="COMMANDS", help=f"of {known}; the rest of the page stays"
    )
    command.add_argument("--busy", action="store_true", help="measure although others work")


def _pythons(command: argparse.ArgumentParser) -> None:
    """The option that names more interpreters."""
    text = "netd on another interpreter too; repeatable"
    command.add_argument(
        "--python", action="append", default=[], metavar="NAME=PATH", help=text
    )


def _within(
    convert: Callable[[str], Number], least: float, most: float
) -> Callable[[str], Number]:
    """Numbers within these bounds: every load here is bounded."""

    def number(text: str) -> Number:
        value = convert(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not within {least}..{most}")
        return value

    return number


def _models(command: argparse.ArgumentParser) -> None:
    """The options of `models`."""
    known = ",".join(models.LABELS)
    command.add_argument("--models", default="", metavar="MODELS", help=f"of {known}")
    text = "seconds each response takes (%(default)s)"
    command.add_argument(
        "--delay", type=_within(float, 0.05, 30), default=3.0, metavar="SECONDS", help=text
    )
    text = "how many clients at once (%(default)s)"
    rungs = ",".join(map(str, models.RUNGS))
    command.add_argument("--rungs", type=_rungs, default=rungs, metavar="NUMBERS", help=text)
    text = "the folder for models.md and its pictures; without it the page goes to stdout"
    command.add_argument("--to", type=Path, metavar="DIR", help=text)


def _rungs(text: str) -> list[int]:
    """Numbers of clients, the least first."""
    numbers = sorted({int(number) for number in text.split(",")})
    if not 1 <= numbers[0] <= numbers[-1] <= 20_000:
        raise argparse.ArgumentTypeError(f"{text} is not within 1..20000")
    return numbers


def _effort(command: argparse.ArgumentParser) -> None:
    """The options of a command that loads servers in rounds."""
    _count(command, "--rounds", 5, 100)
    _count(command, "--seconds", 2, 60)
    _count(command, "--connections", 16, 10_000)


def _shared(command: argparse.ArgumentParser, servers: Iterable[str]) -> None:
    """The options of a command that compares servers."""
    known = ",".join(servers)
    command.add_argument("--only", default="", metavar="SERVERS", help=f"of {known}")
    command.add_argument("--go-httpbin", default="", metavar="PATH", help="its binary")
    _netd_args(command)
    command.add_argument(
        "--venv",
        type=Path,
        default=venv.default_folder(),
        metavar="DIR",
        help="the peers' environment, made when it is missing (%(default)s)",
    )


def _netd_args(command: argparse.ArgumentParser) -> None:
    """The option that gives netd options."""
    command.add_argument(
        "--netd-args",
        type=lambda text: tuple(shlex.split(text)),
        default=(),
        metavar="ARGS",
        help="more options for netd, given as --netd-args='--one --two 2'",
    )


def _count(command: argparse.ArgumentParser, flag: str, default: int, largest: int) -> None:
    """An option that is a whole number of at least 1."""
    text = f"{default} by default"
    convert = _within(int, 1, largest)
    command.add_argument(flag, type=convert, default=default, metavar="N", help=text)


def _choice(options: argparse.Namespace) -> Choice:
    """The servers to run, of the options that most commands have."""
    binary = str(Path(options.go_httpbin).resolve()) if options.go_httpbin else ""
    pythons = tuple(getattr(options, "python", ()))
    return Choice(options.only, binary, options.netd_args, options.venv.expanduser(), pythons)


def _effort_of(options: argparse.Namespace) -> Effort:
    """The load, of the options that `_effort` has added."""
    return Effort(options.rounds, options.seconds, options.connections)


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "http": lambda o: http.main(_choice(o), _effort_of(o), o.workloads),
    "c10k": lambda o: c10k.main(_choice(o), o.connections, o.rounds),
    "idle": lambda o: idle.main(_choice(o), o.connections),
    "files": lambda o: files.main(_choice(o), _effort_of(o), o.kinds),
    "rpc": lambda o: rpc.main(_choice(o), _effort_of(o)),
    "lab": lambda o: lab.main(_choice(o), _effort_of(o)),
    "udp": lambda o: udp.main(o.rounds, o.datagrams),
    "hostile": lambda o: hostile.main(o.netd_args, o.reactor),
    "console": lambda o: console.main(o.seconds),
    "queue": lambda _: queue.main(),
    "workers": lambda o: workers.main(o.rounds, o.seconds),
    "models": lambda o: models.main(o.models, o.delay, o.rungs, o.to),
    "all": lambda o: everything.main(
        o.rounds, o.python, o.go_httpbin, o.busy, named("--only", o.only, everything.COMMANDS)
    ),
    "worst": lambda o: worst.main(o.rows),
    "soak": lambda o: soak.main(o.minutes, o.netd_args),
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
