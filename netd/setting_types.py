"""
What a row of the settings table consists of: the option, and how its texts are written.

Rules: pure.  A parser raises ValueError that says what was wrong; types that
several rooms know are parsed in `netd.values`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from math import inf
from pathlib import Path
from sys import maxsize
from typing import Final, Generic, TypedDict, TypeVar, Unpack

from attrs import Attribute, evolve, field, frozen

from netd.addresses import Network
from netd.queue_url import AMQP, QueueURL, masked
from netd.values import (
    TCHAR,
    Duration,
    Endpoint,
    Size,
    delay,
    host,
    integer,
    port,
    share,
    switch,
)


class Group(StrEnum):
    """The headings of `--help` and of the reference, in this order."""

    LISTEN = "Where to listen"
    SERVE = "What to serve"
    TLS = "TLS"
    CLIENTS = "Who may connect"
    FAULTS = "Delays and faults"
    LIMITS = "Limits"
    OPERATIONS = "Operations"


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
TextT = TypeVar("TextT", bound=str)


@frozen
class ValueType(Generic[T_co]):
    """How the texts of an option are written."""

    placeholder: str
    """What stands for a text in `--help`; empty for a flag that takes none."""
    parse: Callable[[str], T_co]
    choices: tuple[str, ...] = ()
    """All the texts that there are, where they are few."""
    shown: Callable[[str], str] = str
    """A text as people may see it, without its secrets."""


@frozen
class Option:
    """
    A row of the settings table.

    Its name is the flag, `NETD_` and its capitals the environment variable,
    and the name itself the TOML key.
    """

    name: str
    type: ValueType[object]
    default: str
    """The text that holds when no other is given, several with spaces between; empty: none."""
    group: Group
    help: str
    common: bool = False
    """Whether `--help` shows the option; `--help-all` shows every one."""
    restart: bool = False
    """Whether only a restart changes the setting; otherwise a reload does."""
    repeatable: bool = False
    short: str = ""
    """The letter of a short flag, `p` for `-p`; empty: none."""
    spaces: bool = False
    """Whether a text may hold spaces; otherwise spaces separate the texts of a variable."""

    @property
    def flags(self) -> str:
        """The flag, after its short one, with what stands for the text: `-p, --port PORT`."""
        short = f"-{self.short}, " if self.short else ""
        return f"{short}--{self.name} {self.type.placeholder}".rstrip()

    @property
    def variable(self) -> str:
        """The environment variable of the same meaning."""
        return "NETD_" + self.name.upper().replace("-", "_")

    @property
    def doc(self) -> str:
        """The help, with the default and with whether the option is repeatable."""
        notes = [f"default: {self.default}"] if self.default else []
        notes += ["repeatable"] if self.repeatable else []
        return self.help + (f" [{'; '.join(notes)}]" if notes else "")

    def split(self, texts: str) -> tuple[str, ...]:
        """The texts that a variable's value, or a default, holds; none when it is empty."""
        if not self.repeatable:
            return (texts,) if texts else ()
        pieces = texts.split("\n") if self.spaces else texts.split()
        return tuple(piece.strip() for piece in pieces if piece.strip())


class Traits(TypedDict, total=False):
    """The fields of `Option` that most rows do without."""

    common: bool
    restart: bool
    spaces: bool


def options_of(attribute: Attribute[object]) -> tuple[Option, ...]:
    """The options that give a field its value; none for a group of settings."""
    options: tuple[Option, ...] = attribute.metadata.get("options", ())
    by_field = attribute.name.replace("_", "-")
    return tuple(each if each.name else evolve(each, name=by_field) for each in options)


def setting(default: T, *options: Option) -> T:
    """A field to which several options, or an option of another field, give its value."""
    return field(default=default, metadata={"options": options})


def option(
    name: str,
    kind: ValueType[T],
    default: str,
    group: Group,
    text: str,
    **traits: Unpack[Traits],
) -> T:
    """A field that this option sets; the arguments are the fields of `Option`."""
    return setting(kind.parse(default), Option(name, kind, default, group, text, **traits))


def optional(
    name: str, kind: ValueType[T], group: Group, text: str, **traits: Unpack[Traits]
) -> T | None:
    """The same for an option without a default."""
    return setting(None, Option(name, kind, "", group, text, **traits))


def repeatable(
    name: str,
    kind: ValueType[T],
    group: Group,
    text: str,
    default: str = "",
    **traits: Unpack[Traits],
) -> tuple[T, ...]:
    """The same for an option that can be given several times."""
    row = Option(name, kind, default, group, text, repeatable=True, **traits)
    return setting(tuple(map(kind.parse, row.split(default))), row)


def limit(kind: ValueType[T], default: str, text: str, **traits: Unpack[Traits]) -> T:
    """The same for a limit, which 0 turns off; its option has the name of the field."""
    return option("", kind, default, Group.LIMITS, f"{text}; 0 is no limit.", **traits)


# Parsers


def number(least: int, most: int) -> ValueType[int]:
    """Whole numbers within these bounds."""
    return ValueType("NUMBER", lambda text: integer(text, least, most))


def choice(*texts: TextT) -> ValueType[TextT]:
    """One of these texts."""

    def parse(text: str) -> TextT:
        for each in texts:
            if text == each:
                return each
        raise ValueError(f"not one of {', '.join(texts)}")

    return ValueType("|".join(texts), parse, texts)


def _workers(text: str) -> int:
    return 0 if text == "auto" else integer(text, 1, 256)


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("not a path")
    return Path(text)


def _cache(text: str) -> tuple[str, str]:
    glob, equals, value = text.partition("=")
    if not glob or not equals or not value.isascii() or not value.strip().isprintable():
        raise ValueError("not GLOB=VALUE such as *.css=max-age=3600")
    return glob, value.strip()


# What the server sets itself, and what would break the response around a file.
_SERVER_FIELDS: Final = (
    *("connection", "content-encoding", "content-length", "content-range", "content-type"),
    *("date", "etag", "last-modified", "transfer-encoding", "vary"),
)

_NAME: Final = re.compile(f"{TCHAR}+")
_ORIGIN: Final = re.compile(r"\*|[a-z][a-z0-9+.-]*://[!-.0-~]+|null")


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or _NAME.fullmatch(name) is None:
        raise ValueError("not NAME:VALUE such as X-Frame-Options:DENY")
    if not value.isascii() or not value.strip().isprintable():
        raise ValueError("not NAME:VALUE, because VALUE is not printable ASCII")
    if name.lower() in _SERVER_FIELDS:
        raise ValueError(f"not NAME:VALUE, because only netd sets {name}")
    return name, value.strip()


def _pattern(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("not a name, in which * stands for any characters")
    return text.lower()


def _origin(text: str) -> str:
    if _ORIGIN.fullmatch(text) is None:
        raise ValueError("not * or an origin such as https://example.org")
    return text


def _page(text: str) -> str:
    if "\0" in text or any(not name or name[0] == "." for name in text.split("/")):
        raise ValueError("not a file of the tree such as app/index.html")
    return text


FLAG: Final = ValueType("", str)
PORT: Final = ValueType("PORT", port)
HOST: Final = ValueType("HOST", host)
ENDPOINT: Final = ValueType("ENDPOINT", Endpoint.parse)
UDP_ENDPOINT: Final = ValueType("ENDPOINT", partial(Endpoint.parse, kind="udp"))
"""Endpoints get the host of `--bind` when settings are built."""
NETWORK: Final = ValueType("NETWORK", Network.parse)
NETWORKS: Final = ValueType("NETWORK|@FILE", Network.parse)
"""Files of networks are read when settings are built."""
FILE: Final = ValueType("FILE", _path)
DIRECTORY: Final = ValueType("DIR", _path)
LOG_FILE: Final = ValueType("FILE", lambda text: None if text == "off" else text)
NUMBER: Final = number(0, 10**15)
WORKERS: Final = ValueType("NUMBER|auto", _workers)
"""0 stands for `auto`."""
SHARE: Final = ValueType("SHARE", share)
SWITCH: Final = ValueType("yes|no", switch, ("yes", "no"))
DURATION: Final = ValueType("DURATION", Duration.parse)
DELAY: Final = ValueType("DURATION", delay)
PATTERN: Final = ValueType("PATTERN", _pattern)
ORIGIN: Final = ValueType("ORIGIN", _origin)
PAGE: Final = ValueType("PAGE", _page)
CACHE: Final = ValueType("GLOB=VALUE", _cache)
HEADER: Final = ValueType("NAME:VALUE", _header)
QUEUE: Final = ValueType("URL|@FILE", QueueURL.parse, shown=masked)
BROKER: Final = ValueType("URL|@FILE", partial(QueueURL.parse, schemes=AMQP), shown=masked)
"""Files of URLs are read when settings are built."""
OBJECT: Final = ValueType("[PREFIX=]MODULE:OBJECT", str)

# Limits, which are infinite when they are off.
SECONDS: Final = ValueType("DURATION", lambda text: Duration.parse(text).seconds or inf)
BYTES: Final = ValueType("SIZE", lambda text: Size.parse(text).count or maxsize)
COUNT: Final = ValueType("NUMBER", lambda text: NUMBER.parse(text) or maxsize)
