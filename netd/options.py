"""
The command line: flags, environment and TOML file become `Settings`.

Rules: sees only `settings` and `values`.  One table names every option; its
name is the flag, `NETD_` and its capitals the environment variable, and the
name itself the TOML key.  Flag beats environment beats file beats default.
"""

from __future__ import annotations

import difflib
import os
import platform
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import evolve, fields, frozen
from twisted.python.usage import Options as _Options
from twisted.python.usage import UsageError

from netd import __version__, settings
from netd.values import (
    Duration,
    Network,
    Size,
    Where,
    delay,
    host,
    integer,
    port,
    share,
    switch,
)

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


def _count(text: str) -> int:
    return integer(text, 0, 10**15)


# For each of settings.Limits, what it limits; 0 turns it off unless said otherwise.
_LIMITS: Final = {
    "max_delay": ("60s", "longest wait that a URL may ask for"),
    "max_body": ("10MiB", "largest request body"),
    "max_head": ("16KiB", "largest request head"),
    "max_target": ("8KiB", "longest request target"),
    "max_fields": ("100", "header fields in one request"),
    "max_requests": ("1000", "requests on one connection, not on loopback"),
    "head_time": ("10s", "time for a request head, from its first byte"),
    "body_time": ("20s", "time for a request body, before its size counts"),
    "body_rate": ("1KiB", "bytes of a body for which it gets a second more"),
    "body_time_most": ("5m", "time for any request body"),
    "body_memory": ("64KiB", "of a request body in memory, the rest is in a file"),
    "spool": ("1GiB", "all request bodies held at one time"),
    "stall": ("30s", "time that an answer may make no progress"),
    "idle": ("1m", "time that a connection waits for its next request"),
    "handshake": ("10s", "time for a TLS handshake"),
    "connections": ("0", "HTTP connections in all, 0 is what the descriptors allow"),
    "client_connections": ("512", "HTTP connections of one client, not on loopback"),
    "waiting": ("20000", "answers waited for in all"),
    "client_waiting": ("1000", "answers waited for by one client, not on loopback"),
}


def _limits() -> Iterator[Option]:
    """An option for each field of settings.Limits, parsed as its type says."""
    parsers = {"Duration": Duration.parse, "Size": Size.parse, "int": _count}
    for field in fields(settings.Limits):
        default, what = _LIMITS[field.name]
        yield Option(field.name.replace("_", "-"), parsers[str(field.type)], default, what)


def _pattern(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("not a name, in which * stands for any characters")
    return text.lower()


def _revealed(text: str) -> str:
    if text not in ("hostname", "version"):
        raise ValueError("neither hostname nor version")
    return text


def _cache(text: str) -> tuple[str, str]:
    glob, equals, said = text.partition("=")
    if not glob or not equals or not said.isascii() or not said.strip().isprintable():
        raise ValueError("not GLOB=VALUE such as *.css=max-age=3600")
    return glob, said.strip()


# What the server says itself, and what would break the answer around a file.
_OURS: Final = frozenset(
    {
        *("connection", "content-encoding", "content-length", "content-range", "content-type"),
        *("date", "etag", "last-modified", "transfer-encoding", "vary"),
    }
)


def _header(text: str) -> tuple[str, str]:
    name, colon, said = text.partition(":")
    if not colon or re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", name) is None:
        raise ValueError("not NAME:VALUE")
    if not said.isascii() or not said.strip().isprintable():
        raise ValueError("the value is not printable ASCII")
    if name.lower() in _OURS:
        raise ValueError(f"{name} is not the operator's to say")
    return name, said.strip()


def _origin(text: str) -> str:
    if text != "*" and re.fullmatch(r"[a-z][a-z0-9+.-]*://[!-.0-~]+|null", text) is None:
        raise ValueError("neither * nor an origin such as https://example.org")
    return text


def _page(text: str) -> str:
    if not text or "\0" in text or any(not name or name[0] == "." for name in text.split("/")):
        raise ValueError("not a file of the tree such as app/index.html")
    return text


def _workers(text: str) -> int:
    return integer(text, 1, 64)


def _symlinks(text: str) -> str:
    if text not in ("inside", "all", "none"):
        raise ValueError("not one of inside, all, none")
    return text


OPTIONS: Final = (
    Option("port", port, "8000", "TCP and UDP port of everything; 0 lets the kernel choose"),
    Option("bind", host, "127.0.0.1", "address or host name that --port and bare ports use"),
    Option("delay", delay, "3s", "what / waits before it answers, or uniform:1s-3s and such"),
    Option("files", _path, None, "directory served at /files/ [default: a sample tree]"),
    Option("files-http", str, None, "an HTTP endpoint whose / is the files", repeatable=True),
    Option("files-symlinks", _symlinks, "inside", "links followed: inside the tree, all, none"),
    Option(
        "files-cache",
        _cache,
        None,
        "GLOB=VALUE: Cache-Control of these files [default: no-cache]",
        repeatable=True,
    ),
    Option("files-header", _header, None, "NAME:VALUE for every file", repeatable=True),
    Option("files-cors", _origin, None, "origin whose scripts may read the files, * is any"),
    Option("files-spa", _page, None, "page of the tree for whatever is not there"),
    Option("files-404", _page, None, "page of the tree that goes with a 404"),
    Option("files-faults", switch, "no", "let ?netd.delay=, rate= and truncate= spoil files"),
    Option("files-sendfile", switch, "yes", "let the kernel send files where it can"),
    Option("udp", str, None, "port or endpoint of the UDP echo, 0 is off [default: --port]"),
    Option("http", str, None, "a further HTTP endpoint, such as tcp:8080", repeatable=True),
    Option("https", str, None, "an HTTPS port or endpoint", repeatable=True),
    Option("certificate", _path, None, "PEM file of the HTTPS certificate and its chain"),
    Option("private-key", _path, None, "PEM file of its key [default: the certificate's file]"),
    Option("access-log", str, "-", "file of HTTP answers, - is standard output, off is none"),
    Option("head-memo", switch, "no", "remember each connection's last request head"),
    Option("lean-dispatch", switch, "yes", "spare the epoll reactor its context of each event"),
    *_limits(),
    Option(
        "seed", _count, None, "of what HTTP answers leave to chance; the same one repeats it"
    ),
    Option(
        "trust-forwarded",
        Network.parse,
        None,
        "a network whose X-Forwarded-* is believed [default: loopback]",
        repeatable=True,
    ),
    Option(
        "redirect-allow",
        _pattern,
        None,
        "a host that /redirect-to may lead to",
        repeatable=True,
    ),
    Option(
        "exclude-header",
        _pattern,
        None,
        "a request header that no answer shows, such as x-internal-*",
        repeatable=True,
    ),
    Option("reveal", _revealed, None, "hostname or version: what may be told", repeatable=True),
    Option("unsafe-responses", switch, "no", "let clients choose types that browsers run"),
    Option("service", str, None, "a small service, such as echo=tcp:7", repeatable=True),
    Option("allow", str, None, "a network that may speak, or @FILE of them", repeatable=True),
    Option("deny", str, None, "a network that may not, or @FILE of them", repeatable=True),
    Option("proxy-from", str, None, "proxies that send PROXY headers", repeatable=True),
    Option(
        "connect-rate", _count, "0", "connections a second from one client, 0 is any number"
    ),
    Option("udp-delay", delay, "0s", "how long each UDP answer waits"),
    Option("udp-loss", share, "0", "share of UDP answers that are lost, 0.05 or 5%"),
    Option("udp-duplicate", share, "0", "share that is sent twice"),
    Option("udp-reorder", share, "0", "share that is overtaken by later ones"),
    Option("udp-corrupt", share, "0", "share with one bit wrong"),
    Option("udp-seed", _count, None, "of these; the same one gives the same faults again"),
    Option("udp-any-source", switch, "no", "answer privileged and often forged ports too"),
    Option("rpc", str, None, "[PREFIX=]MODULE:OBJECT to publish", repeatable=True),
    Option("rpc-http", str, None, "an HTTP endpoint whose / takes calls", repeatable=True),
    Option("rpc-interop", switch, "yes", "have the methods of the interoperability suites"),
    Option("rpc-workers", _workers, "2", "processes that offloaded calls may run in"),
    Option(
        "rpc-cors", _origin, None, "an origin whose scripts may call, * is any", repeatable=True
    ),
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


def _services(said: Said, bind: str) -> tuple[settings.Service, ...]:
    found = []
    for text in said.texts:
        name, _, endpoint = text.partition("=")
        kind = "udp" if endpoint.startswith("udp") else "tcp"
        try:
            if name not in settings.SERVICES:
                raise ValueError(f"not one of {', '.join(settings.SERVICES)}, and =ENDPOINT")
            if endpoint.isdigit():
                raise ValueError("tcp: or udp: must stand before the port")
            where = Where.parse(endpoint, kind, bind)
            if kind not in settings.SERVICES[name]:
                raise ValueError(f"{name} is not offered over {kind}")
        except ValueError as wrong:
            raise said.refuse(text, wrong) from None
        found.append(settings.Service(name, evolve(where, option=f"--service {text}")))
    return tuple(found)


def _networks(said: Said) -> tuple[Network, ...]:
    found = []
    for text in said.texts:
        try:
            items = _listed(text[1:]) if text.startswith("@") else [("", text)]
            for place, item in items:
                try:
                    found.append(Network.parse(item))
                except ValueError as wrong:
                    raise ValueError(f"{place}{wrong}") from None
        except OSError as wrong:
            raise said.refuse(text, wrong.strerror) from None
        except ValueError as wrong:
            raise said.refuse(text, wrong) from None
    return tuple(found)


def _listed(path: str) -> list[tuple[str, str]]:
    """The networks that a file lists, one a line, `#` before comments; each with its place."""
    lines = Path(path).read_text("utf-8").splitlines()
    words = ((number, line.partition("#")[0].strip()) for number, line in enumerate(lines, 1))
    return [(f"line {number}: {word}: ", word) for number, word in words if word]


def _impairment(said: Mapping[str, Said]) -> settings.Impairment:
    names = ("delay", "loss", "duplicate", "reorder", "corrupt", "seed")
    return settings.Impairment(**{name: said[f"udp-{name}"].value() for name in names})


def _lab(said: Mapping[str, Said]) -> settings.Lab:
    trusted = tuple(said["trust-forwarded"].values())
    revealed = said["reveal"].values()
    return settings.Lab(
        seed=said["seed"].value(),
        unsafe_responses=said["unsafe-responses"].value(),
        redirect_allow=tuple(said["redirect-allow"].values()),
        trust_forwarded=trusted or settings.Lab().trust_forwarded,
        exclude_headers=tuple(said["exclude-header"].values()),
        hostname=platform.node() if "hostname" in revealed else None,
        version=__version__ if "version" in revealed else None,
    )


def _files(said: Mapping[str, Said], bind: str) -> settings.Files:
    return settings.Files(
        said["files"].value(),
        _endpoints(said["files-http"], "tcp", bind),
        said["files-symlinks"].value(),
        tuple(said["files-cache"].values()),
        tuple(said["files-header"].values()),
        said["files-cors"].value(),
        said["files-spa"].value(),
        said["files-404"].value(),
        said["files-faults"].value(),
        said["files-sendfile"].value(),
    )


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
                **{
                    field.name: said[field.name.replace("_", "-")].value()
                    for field in fields(settings.Limits)
                }
            ),
            _lab(said),
            None if said["access-log"].value() == "off" else said["access-log"].value(),
            said["head-memo"].value(),
            said["lean-dispatch"].value(),
        ),
        tls=tls,
        files=_files(said, bind),
        udp=settings.UDP(datagrams, _impairment(said), said["udp-any-source"].value()),
        services=_services(said["service"], bind),
        access=settings.Access(
            _networks(said["allow"]),
            _networks(said["deny"]),
            _networks(said["proxy-from"]),
            said["connect-rate"].value(),
        ),
        rpc=settings.RPC(
            _endpoints(said["rpc-http"], "tcp", bind),
            tuple(said["rpc"].values()),
            said["rpc-interop"].value(),
            said["rpc-workers"].value(),
            tuple(said["rpc-cors"].values()),
        ),
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

    def opt_files_http(self, endpoint: str) -> None:
        """an HTTP endpoint whose / is the file tree, repeatable"""
        self._repeated.setdefault("files-http", []).append(endpoint)

    def opt_rpc(self, source: str) -> None:
        """[PREFIX=]MODULE:OBJECT to publish, such as math:sqrt or shop=mine.rpc, repeatable"""
        self._repeated.setdefault("rpc", []).append(source)

    def opt_rpc_http(self, endpoint: str) -> None:
        """an HTTP endpoint whose / takes calls, and nothing else is there, repeatable"""
        self._repeated.setdefault("rpc-http", []).append(endpoint)

    def opt_rpc_cors(self, origin: str) -> None:
        """an origin whose scripts may call, * is any, repeatable"""
        self._repeated.setdefault("rpc-cors", []).append(origin)

    def opt_files_cache(self, rule: str) -> None:
        """GLOB=VALUE: Cache-Control of these files, such as *.css=max-age=3600, repeatable"""
        self._repeated.setdefault("files-cache", []).append(rule)

    def opt_files_header(self, field: str) -> None:
        """NAME:VALUE: a header field of every file, repeatable"""
        self._repeated.setdefault("files-header", []).append(field)

    def opt_service(self, service: str) -> None:
        """a small service: NAME=ENDPOINT, such as echo=tcp:7 or daytime=udp:13, repeatable"""
        self._repeated.setdefault("service", []).append(service)

    def opt_allow(self, network: str) -> None:
        """a network that may speak, then no other may, or @FILE of them, repeatable"""
        self._repeated.setdefault("allow", []).append(network)

    def opt_deny(self, network: str) -> None:
        """a network that may not speak, or @FILE of them, repeatable"""
        self._repeated.setdefault("deny", []).append(network)

    def opt_proxy_from(self, network: str) -> None:
        """a network of proxies that begin with a PROXY header, or @FILE of them, repeatable"""
        self._repeated.setdefault("proxy-from", []).append(network)

    def opt_trust_forwarded(self, network: str) -> None:
        """a network whose X-Forwarded-* is believed, loopback by default, repeatable"""
        self._repeated.setdefault("trust-forwarded", []).append(network)

    def opt_redirect_allow(self, host: str) -> None:
        """a host that /redirect-to may lead to, such as *.example.org, repeatable"""
        self._repeated.setdefault("redirect-allow", []).append(host)

    def opt_exclude_header(self, name: str) -> None:
        """a request header that no answer shows, such as x-internal-*, repeatable"""
        self._repeated.setdefault("exclude-header", []).append(name)

    def opt_reveal(self, what: str) -> None:
        """hostname or version: what /hostname and /version may tell, repeatable"""
        self._repeated.setdefault("reveal", []).append(what)

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
