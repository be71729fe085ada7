"""
httpbin's JSON: how an answer is written down, and what of a request stands in it.

Rules: pure.  Objects are written with keys sorted and two spaces of indent, as
httpbin's are, but quickly: the hot path of the lab is here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import translate
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, Final

from netd.lab.call import JSON, BadCall, Call, Headers, Reply

MOST_BODY: Final = 1024 * 1024
"""The largest body that is shown in JSON; /, /echo and /upload take larger ones."""

# What proxies add; httpbin shows it only with ?show_env=1.
_ENVIRONMENT: Final = frozenset(
    {
        *("X-Varnish", "X-Request-Start", "X-Heroku-Queue-Depth", "X-Real-Ip"),
        *("X-Forwarded-Proto", "X-Forwarded-Protocol", "X-Forwarded-Ssl", "X-Forwarded-For"),
        *("X-Heroku-Queue-Wait-Time", "X-Heroku-Dynos-In-Use", "X-Forwarded-Port"),
        *("X-Request-Id", "Via", "Total-Route-Time", "Connect-Time"),
    }
)


class RawJSON(str):
    """A text that is JSON already."""

    __slots__ = ()


def document(said: Mapping[str, Any]) -> bytes:
    """`said` as httpbin writes it: sorted, indented, a newline at the end."""
    lines = [f"  {_quoted(key)}: {_written(said[key])}" for key in sorted(said)]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")


def _written(value: Any) -> str:
    """A member of a document, its further lines indented once."""
    if type(value) is str:
        text: str = _quoted(value)
        return text
    if type(value) is RawJSON:
        return value.replace("\n", "\n  ")
    if type(value) is dict:
        if not value:
            return "{}"
        lines = [f"    {_quoted(key)}: {_scalar(value[key])}" for key in sorted(value)]
        return "{\n" + ",\n".join(lines) + "\n  }"
    return json.dumps(value, indent=2, sort_keys=True).replace("\n", "\n  ")


def _scalar(value: Any) -> str:
    """A member of a member."""
    if type(value) is str:
        text: str = _quoted(value)
        return text
    return json.dumps(value, indent=2, sort_keys=True).replace("\n", "\n    ")


def answer(said: Mapping[str, Any], status: int = 200, headers: Headers = ()) -> Reply:
    """`said` as a reply."""
    return Reply(document(said), status, JSON, headers=headers)


def flat(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Values by name; a list where a name comes more than once."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif type(found[name]) is list:
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


@lru_cache(maxsize=512)
def _title(name: str) -> str:
    return name.title()


@lru_cache(maxsize=8)
def _excluded(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """What fits one of `patterns`, in which `*` is any characters."""
    return re.compile("|".join(translate(each.lower()) for each in patterns) or r"(?!)")


def shown(call: Call) -> Headers:
    """Every field that came, in order, but for those that --exclude-header names."""
    excluded = call.config.lab.exclude_headers
    if not excluded:
        return call.headers
    pattern = _excluded(excluded)
    return tuple(each for each in call.headers if not pattern.match(each[0].lower()))


def shown_head(call: Call) -> bytes:
    """The head as it came, without the lines that --exclude-header names."""
    if not call.config.lab.exclude_headers:
        return call.raw
    pattern = _excluded(call.config.lab.exclude_headers)
    first, *lines = call.raw.lstrip(b"\r\n").split(b"\r\n")
    names = [line.partition(b":")[0].decode("latin-1").lower() for line in lines]
    kept = [
        line
        for line, name in zip(lines, names, strict=True)
        if name and not pattern.match(name)
    ]
    return b"\r\n".join([first, *kept, b"", b""])


def headers(call: Call) -> dict[str, str]:
    """The request's fields as httpbin shows them: Title-Case, repeats joined by commas."""
    found: dict[str, str] = {}
    for name, value in shown(call):
        title = _title(name)
        found[title] = f"{found[title]},{value}" if title in found else value
    if "show_env" not in call.target or not any(name == "show_env" for name, _ in call.args):
        for title in [each for each in found if each in _ENVIRONMENT]:
            del found[title]
    return found


def args(call: Call) -> dict[str, Any]:
    """The query's arguments."""
    return flat(call.args)


def url(call: Call) -> str:
    """The URL that was asked for."""
    return call.root + call.target


def body(call: Call) -> bytes:
    """The whole body; BadCall when it is too large to be shown."""
    if call.length > MOST_BODY:
        raise BadCall(f"a body that is shown has at most {MOST_BODY} bytes", 413)
    return call.content.read()
