"""
The command line: flags, environment and TOML file become `Settings`.

Rules: sees only `settings` and `values`.  One table names every option; its
name is the flag, `NETD_` and its capitals the environment variable, and the
name itself the TOML key.  Flag beats environment beats file beats default.
"""

from __future__ import annotations

import difflib
import os
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen
from twisted.python.usage import Options as _Options
from twisted.python.usage import UsageError

from netd import __version__, settings
from netd.values import Duration, Size, Where, host, port

_PREFIX: Final = "NETD_"


@frozen
class Option:
    """One thing the operator may say."""

    name: str
    parse: Callable[[str], Any]
    default: str | None
    help: str
    repeatable: bool = False

    @property
    def doc(self) -> str:
        """The help with the default in it."""
        return self.help if self.default is None else f"{self.help} [default: {self.default}]"

    @property
    def variable(self) -> str:
        """The environment variable of the same meaning."""
        return _PREFIX + self.name.upper().replace("-", "_")


def _shown(text: str) -> str:
    """`text` as a message can hold it: on one line, and never nothing."""
    return text if text.isprintable() and text else repr(text)


def one_line(text: str) -> str:
    """`text` with whatever would break the line escaped."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def _quoted(text: str) -> str:
    """A TOML basic string."""
    return '"' + "".join(_ESCAPED.get(each) or _escaped(each) for each in text) + '"'


_ESCAPED: Final = {'"': '\\"', "\\": "\\\\"}


def _escaped(character: str) -> str:
    # What stands for bytes that are no text (PEP 383) has no TOML form; it is shown alike.
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("not a path")
    return Path(text)


OPTIONS: Final = (
    Option("port", port, "8000", "TCP and UDP port of everything; 0 lets the kernel choose"),
    Option("bind", host, "127.0.0.1", "address or host name that --port and bare ports use"),
    Option("delay", Duration.parse, "3s", "what / waits before it answers"),
    Option("files", _path, None, "directory served at /files/ [default: a sample tree]"),
    Option("udp", str, None, "port or endpoint of the UDP echo, 0 is off [default: --port]"),
    Option("http", str, None, "a further HTTP endpoint, such as tcp:8080", repeatable=True),
    Option("https", str, None, "an HTTPS port or endpoint", repeatable=True),
    Option("certificate", _path, None, "PEM file of the HTTPS certificate and its chain"),
    Option("private-key", _path, None, "PEM file of its key [default: the certificate's file]"),
    Option("max-delay", Duration.parse, "60s", "longest wait that a URL may ask for"),
    Option("max-body", Size.parse, "10MiB", "largest request body"),
    Option("grace", Duration.parse, "10s", "how long a stop waits for answers in flight"),
)
_BY_NAME: Final = {option.name: option for option in OPTIONS}


@frozen
class Said:
    """The texts that an option got (none, one, or several when repeatable) and from where."""

    option: Option
    texts: tuple[str, ...]
    origin: str

    def refuse(self, text: str, why: object) -> UsageError:
        """The one line for the operator: option, value, where it was said, what is wrong."""
        source = "" if self.origin == "flag" else f" ({self.origin})"
        return UsageError(f"--{self.option.name} {_shown(text)}{source}: {why}")

    def values(self) -> list[Any]:
        """Every text as its value."""
        found = []
        for text in self.texts:
            try:
                found.append(self.option.parse(text))
            except ValueError as wrong:
                raise self.refuse(text, wrong) from None
        return found

    def value(self) -> Any:
        """The last text as its value; None when nothing was said."""
        return self.values()[-1] if self.texts else None


def read_toml(path: str) -> dict[str, tuple[str, ...]]:
    """The texts that the TOML file `path` gives by option; UsageError names file and fault."""
    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except OSError as wrong:
        raise UsageError(f"--config {path}: {wrong.strerror}") from None
    except ValueError as wrong:
        raise UsageError(f"--config {path}: {wrong}") from None
    said = {}
    for key, value in document.items():
        option = _BY_NAME.get(key)
        if option is None:
            near = difflib.get_close_matches(key, _BY_NAME, 1)
            hint = f", did you mean {near[0]}?" if near else ""
            raise UsageError(f"--config {path}: unknown key {_shown(key)}{hint}")
        items = value if option.repeatable and isinstance(value, list) else [value]
        for item in items:
            if isinstance(item, bool) or not isinstance(item, (str, int, float)):
                raise UsageError(f"--config {path}: {key} = {item!r}: not a string or a number")
        said[key] = tuple(str(item) for item in items)
    return said


def collect(
    flags: Mapping[str, list[str]], environ: Mapping[str, str], path: str | None
) -> dict[str, Said]:
    """What was said of each option by whom comes first; an empty variable says nothing."""
    file = read_toml(path) if path else {}
    said = {}
    for option in OPTIONS:
        name, variable = option.name, environ.get(option.variable, "")
        spoken = tuple(variable.split()) if option.repeatable else (variable,) * bool(variable)
        if name in flags:
            texts, origin = tuple(flags[name]), "flag"
        elif spoken:
            texts, origin = spoken, option.variable
        elif name in file:
            texts, origin = file[name], f"{path}"
        else:
            texts, origin = () if option.default is None else (option.default,), "default"
        said[name] = Said(option, texts, origin)
    return said


def _endpoints(said: Said, kind: str, bind: str) -> tuple[Where, ...]:
    found = []
    for text in said.texts:
        try:
            where = Where.parse(text, kind, bind)
        except ValueError as wrong:
            raise said.refuse(text, wrong) from None
        found.append(evolve(where, option=f"--{said.option.name} {text}"))
    return tuple(found)


def _one_number(said: Mapping[str, Said], kind: str) -> Where:
    """The listener on --port; the message of an unknown host names --bind."""
    number, bind = said["port"].value(), said["bind"].value()
    named = "port" if said["bind"].origin == "default" else "bind"
    text = number if named == "port" else bind
    return Where(kind, bind, number, option=f"--{named} {text}")


def to_settings(said: Mapping[str, Said]) -> settings.Settings:
    """The daemon that was asked for; UsageError names the first thing that is wrong."""
    bind = said["bind"].value()
    datagrams: Where | None
    if not said["udp"].texts:
        datagrams = _one_number(said, "udp")
    elif said["udp"].texts[-1] == "0":
        datagrams = None
    else:
        datagrams = _endpoints(said["udp"], "udp", bind)[-1]
    tls = settings.TLS(
        _endpoints(said["https"], "tcp", bind),
        said["certificate"].value(),
        said["private-key"].value(),
    )
    if tls.listen and tls.certificate is None:
        raise said["https"].refuse(said["https"].texts[0], "needs --certificate")
    for name in ("certificate", "private-key"):
        if said[name].texts and not tls.listen:
            raise said[name].refuse(said[name].texts[-1], "needs --https")
    return settings.Settings(
        http=settings.HTTP(
            (_one_number(said, "tcp"), *_endpoints(said["http"], "tcp", bind)),
            said["delay"].value(),
            settings.Limits(
                max_delay=said["max-delay"].value(), max_body=said["max-body"].value()
            ),
        ),
        tls=tls,
        files=settings.Files(said["files"].value()),
        udp=settings.UDP(datagrams),
        grace=said["grace"].value(),
    )


def as_toml(said: Mapping[str, Said]) -> str:
    """Every option with its effective value and origin, as a file that --config would take."""
    lines = []
    for name, each in said.items():
        quoted = [_quoted(text) for text in each.texts]
        value = f"[{', '.join(quoted)}]" if each.option.repeatable else "".join(quoted[-1:])
        line = f"{name} = {value}" if each.texts else f"# {name} is not set"
        lines.append(f"{line}  # {one_line(each.origin)}\n" if each.texts else f"{line}\n")
    return "".join(lines)


class Options(_Options):
    """What `twistd netd` takes; after parsing `settings` holds the whole of it."""

    synopsis = "[options]"
    longdesc = (
        "A network workbench daemon: HTTP, XML-RPC, TCP and UDP on one reactor. "
        "Each option is also an environment variable (--max-delay: NETD_MAX_DELAY) and a key "
        "of the --config file (max-delay). "
        "A duration is 3, 250ms or 1m30s, a size 10MB or 64KiB."
    )
    optFlags = [  # noqa: RUF012  # Twisted reads these from the class
        ["print-config", None, "print every value and where it came from, and exit"],
        ["check-config", None, "exit 0 when the daemon could be built, 1 when not"],
    ]
    optParameters = [  # noqa: RUF012
        ["config", None, None, "TOML file of options", str],
        *(
            [option.name, None, None, option.doc, str]
            for option in OPTIONS
            if not option.repeatable
        ),
    ]
    environ: Mapping[str, str] = os.environ
    settings: settings.Settings
    said: dict[str, Said]

    def __init__(self) -> None:
        _Options.__init__(self)
        self._repeated: dict[str, list[str]] = {}

    def opt_http(self, endpoint: str) -> None:
        """a further HTTP endpoint, such as tcp:8080, repeatable"""
        self._repeated.setdefault("http", []).append(endpoint)

    def opt_https(self, endpoint: str) -> None:
        """an HTTPS port or endpoint, repeatable"""
        self._repeated.setdefault("https", []).append(endpoint)

    def opt_version(self) -> None:
        """print the version of netd and exit"""
        sys.stdout.write(f"netd {__version__}\n")
        raise SystemExit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse `options`, sys.argv when None; UsageError says in one line what is wrong."""
        try:
            _Options.parseOptions(self, options)
        except UsageError as wrong:
            raise UsageError(one_line(str(wrong))) from None

    def parseArgs(self, *rest: str) -> None:
        """Refuse what is no option."""
        if rest:
            raise UsageError(f"{rest[0]}: not an option; see netd --help")

    def postOptions(self) -> None:
        """Settle what was said by whom, and make the settings of it."""
        flags = {name: [self[name]] for name in _BY_NAME if self.get(name) is not None}
        path = self["config"] or self.environ.get(f"{_PREFIX}CONFIG") or None
        self.said = collect({**flags, **self._repeated}, self.environ, path)
        self.settings = to_settings(self.said)
