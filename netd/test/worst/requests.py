"""
The worst legal requests of every route, made from its line in the table.

Rules: pure.  A new route, and each of its parameters and methods, is in it by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

from attrs import frozen

from netd.lab.parameters import Parameter
from netd.lab.routes import Route
from netd.test.worst.bodies import BODIES, few_letters, noise

MAX_TARGET: Final = 8 * 1024
MAX_HEAD: Final = 16 * 1024
MAX_BODY: Final = 1024 * 1024
_TAKE_BODIES: Final = ("POST", "PUT", "PATCH", "DELETE")

UNITS: Final = ("a", "a&", "=", ";", "%c3a", "/")
"""What a query or a value in a path may consist of, again and again."""
TEXTS: Final = (
    *("200:1,", "X-A: b", "text/plain;", " ", "http://a/", "a@", "\\", '"'),
    *UNITS,
)
"""What the value of a parameter of any text may consist of."""
FIELDS: Final = (
    ("Accept", "a/b;q=0.5,"),
    ("Accept", '"\\",'),
    ("Accept-Encoding", "gzip;q=0.001,"),
    ("Authorization", "a=b,"),
    ("Authorization", "a"),
    ("Cookie", "a=b;"),
    ("Cookie", '"\\"'),
    ("Cookie", ";"),
    ("Content-Type", '"\\"'),
    ("Content-Type", "text/plain; "),
    ("If-Match", '"a",'),
    ("If-None-Match", 'W/"a",'),
    ("If-None-Match", "a "),
    ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("If-Range", '"a"'),
    ("Range", "0-0,"),
    ("Origin", "http://a"),
    ("X-Forwarded-For", "127.0.0.1,"),
)
"""Header fields that endpoints read, and what their values may consist of."""
_STARTS: Final = {"Authorization": "Digest ", "Range": "bytes=", "Content-Type": "text/plain;"}


@frozen
class Case:
    """One request, and what is bad about it."""

    route: str
    name: str
    data: bytes
    threaded: bool = False
    """Whether a daemon makes the response in a thread; here it is made at once."""

    def __str__(self) -> str:
        return f"{self.route} {self.name}"


def cases(routes: Iterable[Route], size: int) -> Iterator[Case]:
    """The worst requests of each route that have `size` bytes, or as many as are allowed."""
    seen = set()
    for route in routes:
        # Routes that differ in their paths only.
        key = (route.endpoint, len(route.names), route.parameters)
        if key not in seen:
            seen.add(key)
            yield from _of_targets(route, size)
            yield from _of_fields(route, size)
            yield from _of_bodies(route, size)


def _of_targets(route: Route, size: int) -> Iterator[Case]:
    """Each value of each parameter, alone and with a large body; queries of anything."""
    method = next(iter(route.methods or ("POST",)))
    bodies = [b"", noise(size), few_letters(size)] if _takes_body(route) else [b""]
    room = min(size, MAX_TARGET) - len(route.path) - 64
    for each in route.parameters:
        for value in _values(each, room):
            target = _target(route, {each.name: value})
            for content in bodies[: 3 if each.choices else 1]:
                yield Case(
                    route.path,
                    f"{each.name}={value[:20]} {len(content)}",
                    _request(method, target, (), content),
                )
    for name in (each for each in route.names if each not in route.by_name):
        for unit in UNITS:
            if "&" not in unit and (unit != "/" or "<path:" in route.path):
                target = _target(route, {name: unit * (room // len(unit))})
                yield Case(route.path, f"{name} of {unit}", _request(method, target))
    for unit in UNITS:
        target = f"{_target(route, {})}?{unit * (room // len(unit))}"
        yield Case(route.path, f"query of {unit}", _request(method, target))
    numbered = "".join(f"{number}&" for number in range(room // 5))
    yield Case(
        route.path, "query of names", _request(method, f"{_target(route, {})}?{numbered}")
    )


def _of_fields(route: Route, size: int) -> Iterator[Case]:
    """Each header field, as long as a head may be; and as many fields as there may be."""
    method = next(iter(route.methods or ("POST",)))
    target = _target(route, {})
    room = min(size, MAX_HEAD) - len(target) - 128
    for name, unit in FIELDS:
        value = _STARTS.get(name, "") + unit * ((room - 16) // len(unit))
        yield Case(route.path, f"{name} of {unit}", _request(method, target, [(name, value)]))
    each = room // 98
    many = [(f"X-{number}", "\xff" * (each - 8)) for number in range(98)] if each > 8 else []
    yield Case(route.path, "98 fields", _request(method, target, many))
    if route.composable:
        headers = [
            (f"X-Netd-{p.name.replace('_', '-')}", v)
            for p in route.parameters
            for v in _values(p, 64)[:1]
        ]
        yield Case(route.path, "X-Netd fields", _request(method, target, headers))


def _of_bodies(route: Route, size: int) -> Iterator[Case]:
    """Every body, for one of the methods that take one."""
    if _takes_body(route):
        method = next((each for each in route.methods if each in _TAKE_BODIES), "POST")
        for kind, bodies in BODIES.items():
            for name, make in bodies:
                body = make(min(size, MAX_BODY))
                fields = [("Content-Type", kind)]
                yield Case(
                    route.path,
                    f"{kind.partition(';')[0]}: {name}",
                    _request(method, _target(route, {}), fields, body),
                )


def _takes_body(route: Route) -> bool:
    return not route.methods or any(each in _TAKE_BODIES for each in route.methods)


_LARGEST: Final = {
    "integer": (str(10**18 - 1), "102400", "1000", "1"),
    "number": ("0", "1"),
    "duration": ("60s", "0"),
    "size": ("1GiB", "1MiB", "1"),
    "delay": ("60s", "lognormal:59s,1s", "0"),
    "switch": ("yes", "no"),
}


def _values(parameter: Parameter, room: int) -> list[str]:
    """The values of a parameter that may be expensive, percent-encoded."""
    if parameter.choices:
        return [*parameter.choices]
    if parameter.kind == "text":
        return [
            quote(unit, "%/:;,@=+") * (room // len(quote(unit, "%/:;,@=+")))
            for unit in TEXTS
            if "&" not in unit
        ] + ["200", "text/plain"]
    values = list(_LARGEST[parameter.kind])
    for limit in (parameter.most, parameter.least):
        if limit is not None:
            values.insert(0, f"{limit:.15g}")
    return list(dict.fromkeys(values))


def _target(route: Route, values: dict[str, str]) -> str:
    """A target of `route` with these values in its path or its query, the others legal."""
    segments = []
    for segment in route.segments:
        name = segment.strip("<>").removeprefix("path:")
        if not segment.startswith("<"):
            segments.append(segment)
        elif name in values:
            segments.append(values[name])
        else:
            segments.append(_legal(route.by_name.get(name)))
    query = [f"{name}={value}" for name, value in values.items() if name not in route.names]
    query += [
        f"{each.name}={_legal(each)}"
        for each in route.parameters
        if each.required and each.name not in route.names and each.name not in values
    ]
    return "/" + "/".join(segments) + ("?" + "&".join(query) if query else "")


def _legal(parameter: Parameter | None) -> str:
    """A value that the parameter takes."""
    if parameter is None:
        return "a"
    if parameter.choices:
        return parameter.choices[0]
    return "200" if parameter.kind == "text" else "1"


def _request(
    method: str, target: str, fields: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: netd"]
    lines += [f"{name}: {value.strip()}" for name, value in fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
