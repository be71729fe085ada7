"""
JSON as httpbin writes it, and what of a request stands in it.

Rules: pure.  Objects are written with keys sorted and two spaces of indent,
byte for byte as by httpbin, but faster, for the hot path of the lab.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from fnmatch import translate
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Final

from netd.lab.call import BYTES, JSON, BadCall, Call, Headers, Reply

MAX_BODY: Final = 1024 * 1024
"""Bytes of the largest body that is shown in JSON; /, /echo and /upload take larger ones."""

# What proxies add; httpbin shows it only with ?show_env=1.
_ENVIRONMENT: Final = frozenset(
    {
        *("X-Varnish", "X-Request-Start", "X-Heroku-Queue-Depth", "X-Real-Ip"),
        *("X-Forwarded-Proto", "X-Forwarded-Protocol", "X-Forwarded-Ssl", "X-Forwarded-For"),
        *("X-Heroku-Queue-Wait-Time", "X-Heroku-Dynos-In-Use", "X-Forwarded-Port"),
        *("X-Request-Id", "Via", "Total-Route-Time", "Connect-Time"),
    }
)


_quoted: Final[Callable[[str], str]] = encode_basestring_ascii
_title: Final = lru_cache(maxsize=512)(str.title)


class RawJSON(str):
    """A text that is JSON already."""

    __slots__ = ()


def dumps(members: Mapping[str, object]) -> bytes:
    """An object as httpbin writes it: sorted, indented, a newline at the end."""
    # Joined once: every copy of megabytes takes milliseconds.
    texts: list[str] = []
    _add_object(texts, members, "\n  ")
    texts.append("\n")
    return "".join(texts).encode("ascii")


def _add_object(texts: list[str], members: Mapping[str, object], indent: str) -> None:
    """Append the texts of an object whose members each follow `indent`."""
    before = "{" + indent
    for key in sorted(members):
        value = members[key]
        texts.append(f"{before}{_quoted(key)}: ")
        if type(value) is str:
            texts.append(_quoted(value))
        elif type(value) is dict:
            _add_object(texts, value, indent + "  ")
        elif type(value) is list and value and all(type(each) is str for each in value):
            # Python's indenting encoder takes three times as long.
            start = f"[{indent}  "
            for each in value:
                texts += (start, _quoted(each))
                start = f",{indent}  "
            texts.append(f"{indent}]")
        elif type(value) is RawJSON:
            texts.append(value.replace("\n", indent))
        else:
            texts.append(json_text(value).replace("\n", indent))
        before = "," + indent
    texts.append(indent[:-2] + "}" if members else "{}")


def json_text(value: object, indent: int | None = 2) -> str:
    """Any value as httpbin writes it; ValueError for a number that JSON lacks."""
    return json.dumps(value, indent=indent, sort_keys=True, allow_nan=False)


def json_reply(
    members: Mapping[str, object], status: int = 200, headers: Headers = ()
) -> Reply:
    """A reply whose body is the object."""
    return Reply(dumps(members), status, JSON, headers=headers)


Grouped = dict[str, str | list[str]]


def group(pairs: Iterable[tuple[str, str]]) -> Grouped:
    """Values by name; a list where a name comes more than once."""
    grouped: Grouped = {}
    for name, value in pairs:
        before = grouped.get(name)
        if before is None:
            grouped[name] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            grouped[name] = [before, value]
    return grouped


@lru_cache(maxsize=8)
def _excluded(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One pattern for all of `patterns`, in which `*` is any characters."""
    return re.compile("|".join(translate(each.lower()) for each in patterns) or r"(?!)")


def shown_fields(call: Call) -> Headers:
    """Every field as received, in order, except those that --exclude-header names."""
    excluded = call.config.lab.exclude_headers
    if not excluded:
        return call.headers
    pattern = _excluded(excluded)
    return tuple(field for field in call.headers if not pattern.match(field[0].lower()))


def shown_head(call: Call) -> bytes:
    """The head as received, except the lines that --exclude-header names."""
    if not call.config.lab.exclude_headers:
        return call.head.raw
    pattern = _excluded(call.config.lab.exclude_headers)
    first, *lines = call.head.raw.lstrip(b"\r\n").split(b"\r\n")[:-2]
    names = [line.partition(b":")[0].decode("latin-1").lower() for line in lines]
    shown = [line for line, name in zip(lines, names, strict=True) if not pattern.match(name)]
    return b"\r\n".join([first, *shown, b"", b""])


def shown_headers(call: Call) -> dict[str, str]:
    """The fields as httpbin shows them: Title-Case, repeated ones joined by commas."""
    headers: dict[str, str] = {}
    for name, value in shown_fields(call):
        title = _title(name)
        headers[title] = f"{headers[title]},{value}" if title in headers else value
    if "show_env" not in call.target or not any(name == "show_env" for name, _ in call.args):
        for title in [each for each in headers if each in _ENVIRONMENT]:
            del headers[title]
    return headers


def read_body(call: Call) -> bytes:
    """The whole body; BadCall, 413, when it is too large to be shown."""
    if call.length > MAX_BODY:
        raise BadCall(f"a body that is shown has at most {MAX_BODY} bytes", 413)
    return call.content.read()


def readable(content: bytes, content_type: str = BYTES) -> str:
    """`content` as text, or as a data URL (RFC 2397) when it is not UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"data:{content_type};base64,{b64encode(content).decode()}"
