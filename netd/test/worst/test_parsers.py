"""
Every parser takes linear time and bounded memory, whatever a client sends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from netd.test.bounded import bounded
from netd.test.worst.counting import peak, steps
from netd.test.worst.parsers import Parser, parsers
from netd.test.worst.patterns import patterns, units

SHORT: Final = 512
LONG: Final = 16 * SHORT
LARGE: Final = 128 * 1024
MOST_GROWTH: Final = 20
MOST_MEMORY: Final = 80
"""Bytes that are held for each byte of a text; lists of empty texts need most."""
_BASE: Final = 500
"""Steps that do not count: those for a short text may end early."""
_SLACK: Final = 64 * 1024
_END_SECONDS: Final = 2.0

_UNITS: Final = (
    *(
        "a",
        "0",
        " ",
        ",",
        ";",
        "=",
        '"',
        "\\",
        '\\"',
        "%",
        "%41",
        "&",
        "a&",
        "/",
        ".",
        ":",
        "\xff",
    ),
    *(
        "\r\n",
        "\n",
        "\r\n\r\n",
        "\n\na",
        "a: b\r\n",
        "1\r\na\r\n",
        "[",
        "<",
        "<a>",
        "<!--",
        "&lt;",
    ),
    *(
        "a=b; ",
        'a="b", ',
        "a;q=0.5, ",
        "0-0,",
        '"a",',
        "\0\0\0\1a",
        "--a\r\n",
        "--a\r\n\r\na\r\n",
    ),
)
_STARTS: Final = {
    "netd.http.request_head.parse": "GET / HTTP/1.1\r\nHost: a\r\n",
    "netd.http.request_head.examine": "GET / HTTP/1.1\r\nHost: a\r\n",
    "netd.http.ranges.parse": "bytes=",
    "netd.lab.endpoints.request_body.multipart": "--a\r\nContent-Disposition: form-data;",
    "netd.transport.proxy_header.parse": "PROXY ",
    "netd.xmlrpc.codec.call": "<methodCall><methodName>a</methodName><params><param><value>",
}
"""What lets a parser go on."""


def texts(name: str, size: int) -> Iterator[str]:
    """Texts of about `size` characters, of units and of letters of the module's patterns."""
    module = name.removesuffix(".feed").removesuffix(".parse").rpartition(".")[0]
    own = {
        unit
        for each in patterns()
        if each.name.startswith(f"{module}._") or each.name.startswith(f"{name}.")
        for unit in units(each.pattern)
    }
    for unit in (*_UNITS, *sorted(own - set(_UNITS))):
        for start in {"", _STARTS.get(name, "")}:
            yield start + unit * (size // len(unit))


def superlinear(name: str, parser: Parser) -> list[str]:
    """The texts for which the steps grow more than `MOST_GROWTH` says."""
    found = []
    for short, long in zip(texts(name, SHORT), texts(name, LONG), strict=True):
        with bounded(f"{name} of {long[:80]!r}", _END_SECONDS):
            growth = _steps(parser, long) - MOST_GROWTH * _steps(parser, short)
        if growth > _BASE:
            found.append(f"{name} of {long[:80]!r}: {growth} steps too many")
    return found


def _steps(parser: Parser, text: str) -> int:
    parse = _reading(parser, text)
    # The first time is not counted: it may import a codec.
    parse()
    return steps(parse)


def _reading(parser: Parser, text: str) -> Callable[[], None]:
    def parse() -> None:
        with contextlib.suppress(Exception):
            parser(text)

    return parse


def greedy(name: str, parser: Parser) -> list[str]:
    """The texts for which more memory is held than `MOST_MEMORY` says."""
    found = []
    for text in texts(name, LONG):
        held = peak(_reading(parser, text))
        if held > MOST_MEMORY * LONG + _SLACK:
            found.append(f"{name} of {text[:80]!r}: {held} bytes")
    return found


class ParserTests(SynchronousTestCase):
    """
    All functions of pure modules that take text.
    """

    def test_linear(self) -> None:
        """The steps grow with the text, not faster."""
        for name, parser in parsers().items():
            self.assertEqual(superlinear(name, parser), [])

    def test_memory(self) -> None:
        """No more memory is held than some times the text."""
        for name, parser in parsers().items():
            self.assertEqual(greedy(name, parser), [])

    def test_large(self) -> None:
        """Large texts end soon too, also where C code reads them."""
        for name, parser in parsers().items():
            for text in texts(name, LARGE):
                with bounded(f"{name} of {text[:80]!r}", _END_SECONDS):
                    _reading(parser, text)()

    def test_all(self) -> None:
        """The parsers of a client's bytes are found by themselves."""
        for name in (
            *("http.request_head.parse", "http.body.Chunked.feed", "http.body.Sized.feed"),
            *("http.ranges.parse", "http.conditional.evaluate", "http.negotiation.weights"),
            *("http.dates.parse", "http.fields.parameters", "http.fields.trailers"),
            *("lab.call.parse_query", "lab.endpoints.request_body.multipart"),
            *("lab.endpoints.digest.parse_credentials", "lab.endpoints.cookies.parse_cookies"),
            *("xmlrpc.codec.call", "xmlrpc.content_coding.decompressed"),
            *("transport.proxy_header.parse", "services.messages.stamp"),
        ):
            self.assertIn(f"netd.{name}", parsers())

    def test_quadratic(self) -> None:
        """A parser that compares all with all is found."""

        def bad(text: str) -> int:
            return sum(a == b for a in text[::128] for b in text[::128])

        self.assertNotEqual(superlinear("bad", bad)[:1], [])
