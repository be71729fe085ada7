"""
Values parsed from the text of options and URLs; IP networks are in `addresses`.

Rules: pure; no Twisted, no other module of netd.  `X.parse(text)` returns a value or
raises ValueError saying what is wrong; `str(x)` is a text that parses to the same value.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Final, Self

from attrs import Factory, field, frozen

TCHAR: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
"""A pattern for one character of a token (RFC 9110 5.6.2): a method, a field name."""

_NUMBER: Final = r"[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15}"

# In the order in which a duration names its units.
_MICROSECONDS: Final = {
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}
_UNITS: Final = tuple(_MICROSECONDS)
_DURATION: Final = re.compile(rf"(?:(?:{_NUMBER})(?:d|h|ms|m|s|us))+|(?:{_NUMBER})")
_DURATION_PART: Final = re.compile(rf"({_NUMBER})(d|h|ms|m|s|us)?")
_LONGEST: Final = 365 * _MICROSECONDS["d"]

_BYTES: Final = {"B": 1, "kB": 1000} | {
    prefix + suffix: base**power
    for power, prefix in enumerate("KMGT", 1)
    for suffix, base in (("B", 1000), ("iB", 1024))
}
# Wide enough for 2**63-1, which has 19 digits.
_SIZE: Final = re.compile(r"([0-9]{1,19}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})([kKMGT]?i?B)?")
_LARGEST: Final = 2**63 - 1

_SHARE: Final = re.compile(rf"({_NUMBER})(%?)")

_ESCAPED: Final = re.compile(r"(?s)\\(.)")
_ALL_ESCAPED: Final = re.compile(r"(?s)(?:[^\\]|\\.)*+")
_FIELD: Final = re.compile(r"(?s)((?:[^:\\]|\\.?)*+)(?::|\Z)")
_MODE: Final = re.compile("0?[0-7]{3}")
_HOST: Final = re.compile(r"[0-9A-Za-z._:%-]{1,253}", re.ASCII)


@frozen(order=True)
class Duration:
    """
    A length of time in whole microseconds, at most 365 days.

    Written as seconds (`3`, `0.25`) or with units in falling order (`3s`,
    `250ms`, `1m30s`, `1h`).  Signs, exponents, `nan`, `inf` and `1_0` are refused.
    """

    microseconds: int
    seconds: float = field(
        init=False,
        eq=False,
        repr=False,
        default=Factory(lambda self: self.microseconds / 1_000_000, True),
    )
    """The length in seconds, the unit of reactors."""

    @classmethod
    def of(cls, seconds: float) -> Self:
        """The duration of finite `seconds`, rounded to a microsecond."""
        return cls(round(seconds * 1_000_000))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The duration written as `text`, rounded to a microsecond."""
        if len(text) > 64 or _DURATION.fullmatch(text) is None:
            raise ValueError("not a duration such as 3, 250ms or 1m30s")
        total = Fraction(0)
        last = -1
        for number, unit in _DURATION_PART.findall(text):
            rank = _UNITS.index(unit or "s")
            if rank <= last:
                raise ValueError("not a duration whose units fall, such as 1h2m3s")
            last = rank
            total += Fraction(number) * _MICROSECONDS[unit or "s"]
        if total > _LONGEST:
            raise ValueError("not a duration of at most 365 days")
        return cls(round(total))

    def __str__(self) -> str:
        if self.microseconds < 1_000:
            return f"{self.microseconds}us" if self.microseconds else "0s"
        if self.microseconds < 1_000_000:
            return f"{(Decimal(self.microseconds) / 1_000).normalize():f}ms"
        text, rest = "", self.microseconds
        for unit in ("d", "h", "m"):
            count, rest = divmod(rest, _MICROSECONDS[unit])
            text += f"{count}{unit}" if count else ""
        return text + (f"{(Decimal(rest) / 1_000_000).normalize():f}s" if rest else "")


_SHAPES: Final = {
    "uniform": ("-", "uniform:1s-3s"),
    "normal": (",", "normal:1s,200ms"),
    "lognormal": (",", "lognormal:1s,200ms"),
    "exponential": ("", "exponential:1s"),
}
"""The separator of the two durations of each shape, and an example."""


@frozen
class Distribution:
    """
    A random length of time.

    `uniform:1s-3s` has a minimum and a maximum, `exponential:1s` a mean, `normal:1s,200ms`
    and `lognormal:1s,200ms` a mean and a standard deviation.  Negative lengths become zero.
    """

    shape: str
    first: Duration
    second: Duration | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The distribution written as `text`."""
        shape, _, durations = text.partition(":")
        if shape not in _SHAPES:
            raise ValueError(f"not one of {', '.join(_SHAPES)}")
        separator, example = _SHAPES[shape]
        parts = durations.split(separator) if separator else [durations]
        try:
            first, *rest = map(Duration.parse, parts)
        except ValueError:
            raise ValueError(f"not a distribution such as {example}") from None
        if len(rest) != bool(separator):
            raise ValueError(f"not a distribution such as {example}")
        if shape == "uniform" and rest[0] < first:
            raise ValueError(f"not a distribution such as {example}, the longer duration last")
        if shape == "lognormal" and not first.microseconds:
            raise ValueError(f"not a distribution such as {example}, with a mean above zero")
        return cls(shape, first, *rest)

    def draw(self, random: Random) -> float:
        """A length in seconds, drawn from `random`; at least zero, without an upper bound."""
        first = self.first.seconds
        second = self.second.seconds if self.second is not None else 0.0
        if self.shape == "uniform":
            return random.uniform(first, second)
        if self.shape == "normal":
            return max(0.0, random.gauss(first, second))
        if self.shape == "lognormal":
            # lognormvariate takes the mean and the standard deviation of the logarithm.
            variance = math.log1p((second / first) ** 2)
            return random.lognormvariate(math.log(first) - variance / 2, math.sqrt(variance))
        return random.expovariate(1 / first) if first else 0.0

    def __str__(self) -> str:
        separator, _ = _SHAPES[self.shape]
        second = "" if self.second is None else f"{separator}{self.second}"
        return f"{self.shape}:{self.first}{second}"


def delay(text: str) -> Duration | Distribution:
    """The duration or the distribution written as `text`."""
    return Distribution.parse(text) if ":" in text else Duration.parse(text)


@frozen(order=True)
class Size:
    """A number of bytes, 0 to 2**63-1: `1024`, `10MB` (ten million), `64KiB` (65 536)."""

    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The size written as `text`; a fraction of a byte is refused."""
        match = _SIZE.fullmatch(text)
        if match is None:
            raise ValueError("not a size such as 1024, 10MB or 64KiB")
        number, unit = match.groups()
        if unit is not None and unit not in _BYTES:
            raise ValueError(f"not a size in one of the units {', '.join(_BYTES)}")
        total = Fraction(number) * _BYTES[unit or "B"]
        if total.denominator != 1:
            raise ValueError("not a whole number of bytes")
        if total > _LARGEST:
            raise ValueError("not a size of at most 2**63-1 bytes")
        return cls(int(total))

    def __str__(self) -> str:
        for unit in ("TiB", "GiB", "MiB", "KiB"):
            if self.count and self.count % _BYTES[unit] == 0:
                return f"{self.count // _BYTES[unit]}{unit}"
        return str(self.count)


def integer(text: str, least: int, most: int) -> int:
    """The decimal number `text`, ASCII digits only, from `least` to `most`."""
    digits = text.isascii() and text.isdigit() and len(text) <= 18
    if not digits or not least <= int(text) <= most:
        raise ValueError(f"not a whole number from {least} to {most}")
    return int(text)


def port(text: str) -> int:
    """A port number, 0 (the kernel chooses) to 65535."""
    try:
        return integer(text, 0, 65535)
    except ValueError:
        raise ValueError("not a port number from 0 to 65535") from None


def share(text: str) -> float:
    """A share from 0 to 1, written `0.05` or `5%`."""
    match = _SHARE.fullmatch(text)
    number = Decimal(match[1]) / (100 if match[2] else 1) if match else Decimal(2)
    if number > 1:
        raise ValueError("not a share from 0 to 1, such as 0.05 or 5%")
    return float(number)


def host(text: str) -> str:
    """A host name or IP address without brackets; `*` stands for every address."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if text != "*" and _HOST.fullmatch(bare) is None:
        raise ValueError("not an IP address or a host name")
    return bare


def _fields(text: str) -> list[str]:
    """`text` split at each `:` without a backslash before it, backslashes removed."""
    if _ALL_ESCAPED.fullmatch(text) is None:
        raise ValueError("not an endpoint, because it ends in a lone backslash")
    fields = _FIELD.findall(text + ":")[:-1]
    return [_ESCAPED.sub(r"\1", field) for field in fields]


@frozen
class Endpoint:
    r"""
    An address to listen on, in Twisted's endpoint syntax.

    `tcp:8000`, `tcp:8000:interface=10.0.0.1`, `tcp6:8000:interface=\:\:1`,
    `tcp:8000:backlog=128`, `udp:7:interface=10.0.0.1`, `unix:/run/netd.sock:mode=660`;
    a colon inside a value needs a backslash.  A bare port number is at the default
    host; `interface=*` is every address of both families.
    """

    kind: str
    """`tcp`, `tcp6`, `udp`, `udp6` or `unix`; with a 6 the address is IPv6."""
    host: str
    """For a UNIX socket, its path."""
    port: int
    backlog: int = 4096
    mode: int = 0o660
    """For a UNIX socket, the mode of its file."""
    option: str = field(default="", eq=False)
    """The option and its text, for messages: `--http tcp:80`."""

    @classmethod
    def parse(cls, text: str, kind: str = "tcp", default_host: str = "127.0.0.1") -> Self:
        """The endpoint written as `text`, for `kind`: `tcp` (UNIX sockets, too) or `udp`."""
        if text.isdigit():
            return cls(kind, default_host, port(text))
        name, *rest = _fields(text)
        if name == "unix" and kind == "tcp":
            return cls._unix(rest)
        if name not in (kind, f"{kind}6"):
            raise ValueError(f"not a port number, {_ENDPOINT_FORMS[kind]}")
        if not rest:
            raise ValueError(f"not {name}:PORT, because the port is missing")
        values = _key_values(rest[1:], _ENDPOINT_KEYS[kind])
        fallback = "::1" if name.endswith("6") and ":" not in default_host else default_host
        return cls(
            name,
            host(values["interface"]) if "interface" in values else fallback,
            port(rest[0]),
            _backlog(values),
        )

    @property
    def authority(self) -> str:
        """Host and port as in a URL: `127.0.0.1:8000`, `[::1]:8000` (RFC 3986, RFC 6874)."""
        host = f"[{self.host.replace('%', '%25')}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def _unix(cls, fields: list[str]) -> Self:
        if not fields or not fields[0] or "\0" in fields[0]:
            raise ValueError("not unix:PATH, because the path is missing")
        values = _key_values(fields[1:], _ENDPOINT_KEYS["unix"])
        mode = values.get("mode", "660")
        if _MODE.fullmatch(mode) is None:
            raise ValueError(f"not an endpoint, because mode={mode} is not three octal digits")
        return cls("unix", fields[0], 0, _backlog(values), int(mode, 8))

    def __str__(self) -> str:
        host = self.host.replace("\\", r"\\").replace(":", r"\:")
        if self.kind == "unix":
            text = f"unix:{host}:mode={self.mode:o}"
        else:
            text = f"{self.kind}:{self.port}:interface={host}"
        return text if self.backlog == 4096 else f"{text}:backlog={self.backlog}"


_ENDPOINT_FORMS: Final = {
    "tcp": "tcp:PORT, tcp6:PORT or unix:PATH",
    "udp": "udp:PORT or udp6:PORT",
}
_ENDPOINT_KEYS: Final = {
    "tcp": ("interface", "backlog"),
    "udp": ("interface",),
    "unix": ("mode", "backlog"),
}


def _key_values(parts: list[str], keys: tuple[str, ...]) -> dict[str, str]:
    """The `key=value` parts of an endpoint, each of `keys` at most once."""
    values: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or key in values or key not in keys:
            expected = " or ".join(f"{key}=" for key in keys)
            raise ValueError(
                f"not an endpoint, because {part!r} is not {expected} "
                "(a colon inside needs a backslash)"
            )
        values[key] = value
    return values


def _backlog(values: dict[str, str]) -> int:
    text = values.get("backlog", "4096")
    try:
        return integer(text, 1, 65535)
    except ValueError as error:
        raise ValueError(f"not an endpoint, because backlog={text} is {error}") from None


_SWITCH: Final = {"yes": True, "true": True, "on": True} | dict.fromkeys(
    ("no", "false", "off"), False
)


def switch(text: str) -> bool:
    """Whether `text` is `yes`, `true` or `on`, and not `no`, `false` or `off`."""
    if text.lower() not in _SWITCH:
        raise ValueError("not yes or no")
    return _SWITCH[text.lower()]


def quote_unprintable(text: str) -> str:
    """`text`, quoted as in Python where it is empty or would break or hide in the line."""
    return text if text.isprintable() and text else repr(text)


def escape_unprintable(text: str, keep: str = "") -> str:
    """`text` with each character escaped that would break the line or control a terminal."""
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)
