"""
Every regular expression of netd takes linear time, whatever a client sends.
"""

from __future__ import annotations

import re
from fnmatch import translate
from itertools import chain
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from netd.test.worst import patterns as patterns_module
from netd.test.worst.patterns import Found, hidden, patterns, try_out

_DELIMITER: Final = rb"(--|[ \t]*+(?=\r?\n))"
_GLOBS: Final = ("x-*-y*z", "*/a*b*.css", "a?b[c-d]*")
_SAMPLES: Final = {
    # The boundary is the client's.
    "netd.lab.endpoints.request_body.multipart": [
        Found("delimiter", re.compile(rb"\n--boundary" + _DELIMITER), frozenset({"split"})),
        Found("delimiter", re.compile(rb"\n\-\-\-\-" + _DELIMITER), frozenset({"split"})),
    ],
    # The globs are the operator's.
    "netd.lab.endpoints.httpbin_json._excluded": [
        Found("globs", re.compile("|".join(map(translate, _GLOBS))), frozenset({"match"}))
    ],
    "netd.static.headers.__init__": [
        Found(glob, re.compile(translate(glob)), frozenset({"match"})) for glob in _GLOBS
    ],
}
"""Examples of the patterns that are made from what a client or the operator says."""


class PatternTests(SynchronousTestCase):
    """
    Each pattern, tried with its own letters.
    """

    def test_linear(self) -> None:
        """No pattern of a module takes more than linear time."""
        for each in patterns():
            try_out(each)

    def test_made(self) -> None:
        """Patterns stand in modules; those that functions make have linear examples here."""
        self.assertEqual(hidden(), set(_SAMPLES))
        for each in chain.from_iterable(_SAMPLES.values()):
            try_out(each)

    def test_uses(self) -> None:
        """A pattern is tried as it is used, in the module that imports it too."""
        methods = {each.name: each.methods for each in patterns()}
        self.assertEqual(methods["netd.http.body._SIZE"], {"fullmatch"})
        self.assertEqual(
            methods["netd.lab.endpoints.response_fields.FIELD_NAME"], {"fullmatch"}
        )
        self.assertIn("netd.http.dates._FORMS", methods)

    def test_quadratic(self) -> None:
        """A pattern that was quadratic is found: digest's, parameters', types', JSON's."""
        self.patch(patterns_module, "END_SECONDS", 0.2)
        for pattern, method in (
            (r'([A-Za-z]++)[ \t]*+=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"|([^\s",]++))', "findall"),
            (r'(?i);[ \t]*+name="((?:[^"\\]|\\.)*+)"|"(?:[^"\\]|\\.)*+"', "findall"),
            (r"text/plain(?:[ \t]*;[ \t]*[!#-~ \t]*)?", "fullmatch"),
            (r'"(?:[^"\\]|\\.)*+"|[^"\[\]{}]++', "sub"),
            (r"(a|a)*b", "match"),
        ):
            found = Found(pattern, re.compile(pattern), frozenset({method}))
            self.assertRaisesRegex(AssertionError, "no end within", try_out, found)
