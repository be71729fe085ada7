"""
httpbin's JSON.
"""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BYTES, BadCall
from netd.lab.endpoints.httpbin_json import (
    MAX_BODY,
    RawJSON,
    dumps,
    group,
    read_body,
    readable,
    shown_head,
)
from netd.test.chance import by_chance
from netd.test.lab.calls import content, json_of, lab_state, make_call, reply_to

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


class DocumentTests(SynchronousTestCase):
    """
    Objects as JSON.
    """

    @by_chance
    @given(st.dictionaries(st.text(), _JSON, max_size=3))
    def test_asJSON(self, value: dict[str, object]) -> None:
        """The JSON is that of json.dumps with an indent of 2 and sorted keys, and a newline."""
        expected = json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"
        self.assertEqual(dumps(value), expected)

    def test_texts(self) -> None:
        """A list of texts alone is written as json.dumps does, at any depth."""
        value = {"a": {"b": ["\x01", '"', "é"]}, "c": [], "d": ["x"], "e": ["x", 1]}
        expected = json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"
        self.assertEqual(dumps(value), expected)

    def test_noNumber(self) -> None:
        """What JSON has no number for is an error of the daemon, never a response."""
        for value in (float("inf"), [float("nan")]):
            self.assertRaises(ValueError, dumps, {"a": {"b": value}})

    def test_written(self) -> None:
        """Raw JSON is only indented."""
        inner = RawJSON(json.dumps({"a": [1]}, indent=2))
        self.assertEqual(
            dumps({"json": inner}), b'{\n  "json": {\n    "a": [\n      1\n    ]\n  }\n}\n'
        )

    def test_readable(self) -> None:
        """Bytes are text, or a data URL of their type when they are not UTF-8."""
        self.assertEqual(readable("é".encode()), "é")
        self.assertEqual(readable(b"\xff"), f"data:{BYTES};base64,/w==")
        self.assertEqual(readable(b"\xff", "image/png"), "data:image/png;base64,/w==")

    def test_flat(self) -> None:
        """Only a name that comes more than once has a list."""
        pairs = [("a", "1"), ("b", ""), ("a", "2"), ("a", "3")]
        self.assertEqual(group(pairs), {"a": ["1", "2", "3"], "b": ""})


class HeaderTests(SynchronousTestCase):
    """
    The headers that are shown.
    """

    def test_titles(self) -> None:
        """Names are in Title-Case, and repeats are joined by a comma without a space."""
        seen = json_of(reply_to("GET /headers", "x-a: 1", "X-A: 2", "dnt: 1"))["headers"]
        self.assertEqual(seen, {"Host": "netd", "X-A": "1,2", "Dnt": "1"})

    def test_environment(self) -> None:
        """Headers of proxies are shown only with show_env."""
        fields = ("X-Forwarded-For: 9.9.9.9", "Via: x", "X-Request-Id: 1")
        self.assertEqual(
            json_of(reply_to("GET /headers", *fields))["headers"], {"Host": "netd"}
        )
        seen = json_of(reply_to("GET /headers?show_env=1", *fields))["headers"]
        self.assertEqual(seen["Via"], "x")
        hidden = json_of(reply_to("GET /headers?x=show_env", *fields))["headers"]
        self.assertEqual(hidden, {"Host": "netd"})

    def test_excluded(self) -> None:
        """No response shows a header that --exclude-header names, in any case."""
        closed = lab_state(exclude_headers=("x-secret-*", "cookie", "authorization"))
        fields = ("X-Secret-A: hush", "COOKIE: a=hush", "Authorization: Bearer hush", "X-Ok: 1")
        for path in (
            "/headers",
            "/get",
            "/anything",
            "/raw",
            "/dump/request",
            "/stream/1",
            "/gzip",
            "/cookies",
            "/bearer",
            "/trailers",
            "/cache",
            "/upload",
            "/delay/0",
        ):
            reply = reply_to(f"GET {path}", *fields, state=closed)
            self.assertNotIn(b"hush", content(reply), path)
        self.assertIn(b"X-Ok", content(reply_to("GET /raw", *fields, state=closed)))

    def test_excludedAll(self) -> None:
        """A head without its fields still ends with an empty line."""
        call = make_call("GET /raw", state=lab_state(exclude_headers=("*",)))
        self.assertEqual(shown_head(call), b"GET /raw HTTP/1.1\r\n\r\n")


class BodyTests(SynchronousTestCase):
    """
    The bodies that are shown.
    """

    def test_tooLarge(self) -> None:
        """A body beyond the limit is not read."""
        call = make_call("POST /post", body=b"x")
        call.length = MAX_BODY + 1
        self.assertEqual(self.assertRaises(BadCall, read_body, call).status, 413)
        self.assertEqual(call.content.tell(), 0)
