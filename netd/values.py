"""
Text from the operator or from a URL becomes a value here, and nowhere else.

Networks and distributions have modules of their own.

Rules: pure; no Twisted, no other module of netd.  `X.parse(text)` gives the
value or raises ValueError saying what was wrong; `str(x)` gives back a text
that parses to the same value.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Final, Self

from attrs import field, frozen

TCHAR: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
"""A pattern for one character of a token (RFC 9110 5.6.2): a method, a field name."""

_NUMBER: Final = r"[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15}"

# Largest first: a duration names its units in this order.
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

_BYTES: Final = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "KiB": 1024,
    "MB": 1000**2,
    "MiB": 1024**2,
    "GB": 1000**3,
    "GiB": 1024**3,
    "TB": 1000**4,
    "TiB": 1024**4,
}
# Wide enough for 2**63-1, which has 19 digits.
_SIZE: Final = re.compile(r"([0-9]{1,19}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})([kKMGT]?i?B)?")
_LARGEST: Final = 2**63 - 1

_HOST: Final = re.compile(r"[0-9A-Za-z._:%-]{1,253}", re.ASCII)


def _decimal(value: Decimal) -> str:
    """`value` in plain digits, without an exponent or trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@frozen(order=True)
class Duration:
    """
    A length of time in whole microseconds, at most 365 days.

    Written as seconds (`3`, `0.25`) or with units in falling order (`3s`,
    `250ms`, `1m30s`, `1h`).  Signs, exponents, `nan`, `inf` and `1_0` are refused.
    """

    microseconds: int

    @property
    def seconds(self) -> float:
        """The same length in seconds, as a reactor's clock counts them."""
        return self.microseconds / 1_000_000

    @classmethod
    def of(cls, seconds: float) -> Self:
        """The duration of so many finite seconds, rounded to a microsecond."""
        return cls(round(seconds * 1_000_000))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The duration that `text` says, rounded to a microsecond."""
        if len(text) > 64 or _DURATION.fullmatch(text) is None:
            raise ValueError("not a duration such as 3, 250ms or 1m30s")
        total = Fraction(0)
        last = -1
        for number, unit in _DURATION_PART.findall(text):
            rank = _UNITS.index(unit or "s")
            if rank <= last:
                raise ValueError("units must fall, each at most once, as in 1h2m3s")
            last = rank
            total += Fraction(number) * _MICROSECONDS[unit or "s"]
        if total > _LONGEST:
            raise ValueError("longer than 365 days")
        return cls(round(total))

    def __str__(self) -> str:
        if self.microseconds < 1_000:
            return f"{self.microseconds}us" if self.microseconds else "0s"
        if self.microseconds < 1_000_000:
            return f"{_decimal(Decimal(self.microseconds) / 1_000)}ms"
        said = ""
        rest = self.microseconds
        for unit in ("d", "h", "m"):
            count, rest = divmod(rest, _MICROSECONDS[unit])
            said += f"{count}{unit}" if count else ""
        return said + (f"{_decimal(Decimal(rest) / 1_000_000)}s" if rest else "")


@frozen(order=True)
class Size:
    """
    A number of bytes, 0 to 2**63-1.

    Written bare (`1024`) or with a unit: `10MB` is ten million, `64KiB` is 65 536.
    """

    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The size that `text` says; a fraction of a byte is refused."""
        match = _SIZE.fullmatch(text)
        if match is None:
            raise ValueError("not a size such as 1024, 10MB or 64KiB")
        number, unit = match.groups()
        if unit is not None and unit not in _BYTES:
            raise ValueError(f"unknown unit {unit}, known are {', '.join(_BYTES)}")
        total = Fraction(number) * _BYTES[unit or "B"]
        if total.denominator != 1:
            raise ValueError("not a whole number of bytes")
        if total > _LARGEST:
            raise ValueError("larger than 2**63-1 bytes")
        return cls(int(total))

    def __str__(self) -> str:
        for unit in ("TiB", "GiB", "MiB", "KiB"):
            if self.count and self.count % _BYTES[unit] == 0:
                return f"{self.count // _BYTES[unit]}{unit}"
        return str(self.count)


def integer(text: str, least: int, most: int) -> int:
    """The decimal number that `text` says, ASCII digits only, within `least` and `most`."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError("not a whole number")
    number = int(text)
    if not least <= number <= most:
        raise ValueError(f"not within {least} and {most}")
    return number


def port(text: str) -> int:
    """A port number, 0 (the kernel chooses) to 65535."""
    try:
        return integer(text, 0, 65535)
    except ValueError:
        raise ValueError("not a port number from 0 to 65535") from None


def share(text: str) -> float:
    """A part of the whole, `0.05` or `5%`."""
    match = re.fullmatch(rf"({_NUMBER})(%?)", text)
    number = Decimal(match[1]) / (100 if match[2] else 1) if match else Decimal(2)
    if number > 1:
        raise ValueError("not a share such as 0.05 or 5%")
    return float(number)


def host(text: str) -> str:
    """A host name or IP address, not yet looked up, without brackets; `*` is all of them."""
    if text == "*":
        return text
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if _HOST.fullmatch(bare) is None:
        raise ValueError("not an IP address or a host name")
    return bare


def _fields(text: str) -> list[str]:
    r"""`text` cut at each `:` that no backslash stands before, backslashes taken off."""
    fields = [""]
    characters = iter(text)
    for character in characters:
        if character == "\\":
            escaped = next(characters, "")
            if not escaped:
                raise ValueError("ends in a lone backslash")
            fields[-1] += escaped
        elif character == ":":
            fields.append("")
        else:
            fields[-1] += character
    return fields


@frozen
class Endpoint:
    r"""
    An address to listen on, in Twisted's endpoint syntax.

    `tcp:8000`, `tcp:8000:interface=10.0.0.1`, `tcp6:8000:interface=\:\:1`,
    `tcp:8000:backlog=128`, `udp:7:interface=10.0.0.1`; colons inside a value
    wear a backslash.  A bare port number stands for the kind asked for at the
    default host, `interface=*` for every address of both families.  Where
    streams are asked for, `unix:/run/netd.sock:mode=660` is a socket in a file.
    """

    kind: str
    """`tcp`, `tcp6`, `udp`, `udp6` or `unix`; a 6 promises an IPv6 address."""
    host: str
    """The path, of a UNIX socket."""
    port: int
    backlog: int = 4096
    mode: int = 0o660
    """Of a UNIX socket: who may connect."""
    option: str = field(default="", eq=False)
    """The option and text that asked for it, for messages: `--http tcp:80`."""

    @classmethod
    def parse(cls, text: str, kind: str = "tcp", default_host: str = "127.0.0.1") -> Self:
        """The address that `text` says; `kind` (`tcp` or `udp`) is the only family allowed."""
        if text.isdigit():
            return cls(kind, default_host, port(text))
        name, *rest = _fields(text)
        if name == "unix" and kind == "tcp":
            return cls._unix(rest)
        if name not in (kind, f"{kind}6"):
            raise ValueError(f"not a port number, {kind}:PORT or {kind}6:PORT")
        if not rest:
            raise ValueError(f"no port after {name}:")
        named = _named(rest[1:], _ENDPOINT_KEYS[kind])
        fallback = "::1" if name.endswith("6") and ":" not in default_host else default_host
        return cls(
            name,
            host(named["interface"]) if "interface" in named else fallback,
            port(rest[0]),
            integer(named["backlog"], 1, 65535) if "backlog" in named else 4096,
        )

    @classmethod
    def _unix(cls, fields: list[str]) -> Self:
        if not fields or not fields[0] or "\0" in fields[0]:
            raise ValueError("no path after unix:")
        named = _named(fields[1:], _ENDPOINT_KEYS["unix"])
        mode = named.get("mode", "660")
        if re.fullmatch("0?[0-7]{3}", mode) is None:
            raise ValueError(f"mode={mode} is not three octal digits")
        backlog = integer(named.get("backlog", "4096"), 1, 65535)
        return cls("unix", fields[0], 0, backlog, int(mode, 8))

    def __str__(self) -> str:
        host = self.host.replace("\\", r"\\").replace(":", r"\:")
        if self.kind == "unix":
            said = f"unix:{host}:mode={self.mode:o}"
        else:
            said = f"{self.kind}:{self.port}:interface={host}"
        return said if self.backlog == 4096 else f"{said}:backlog={self.backlog}"


_ENDPOINT_KEYS: Final = {
    "tcp": ("interface", "backlog"),
    "udp": ("interface",),
    "unix": ("mode", "backlog"),
}


def _named(parts: list[str], known: tuple[str, ...]) -> dict[str, str]:
    """The `key=value` parts of an endpoint, each of `known` at most once."""
    named: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or key in named or key not in known:
            names = " or ".join(f"{each}=" for each in known)
            raise ValueError(f"{part!r} is not {names} (a colon inside needs a backslash)")
        named[key] = value
    return named


_SWITCH: Final = {"yes": True, "true": True, "on": True} | dict.fromkeys(
    ("no", "false", "off"), False
)


def switch(text: str) -> bool:
    """`yes` or `no`, or what else means the same."""
    if text.lower() not in _SWITCH:
        raise ValueError("neither yes nor no")
    return _SWITCH[text.lower()]
