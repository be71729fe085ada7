"""
Request bodies.
"""

from __future__ import annotations

import json
import time

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.lab.endpoints.request_body import (
    MAX_FIELDS,
    MAX_FORM,
    MAX_JSON,
    shown_body,
)
from netd.test.lab.calls import content, json_of, make_call, reply_to

FORM = "Content-Type: application/x-www-form-urlencoded"


class BodyTests(SynchronousTestCase):
    """
    Data, JSON and forms.
    """

    def post(self, kind: str, body: bytes) -> object:
        """The data, form, files and json of /post."""
        result = json_of(reply_to("POST /post", f"Content-Type: {kind}", body=body))
        return [result[each] for each in ("data", "form", "files", "json")]

    def test_nothing(self) -> None:
        """Without a body the data is empty and the JSON is null."""
        empty: dict[str, object] = {"data": "", "files": {}, "form": {}, "json": None}
        self.assertEqual(shown_body(make_call("POST /post")), empty)

    def test_json(self) -> None:
        """JSON of any type is shown as data and parsed."""
        for kind in ("application/json", "text/plain"):
            self.assertEqual(self.post(kind, b'{"a":1}'), ['{"a":1}', {}, {}, {"a": 1}])

    def test_notJSON(self) -> None:
        """Text that is not JSON, constants that JSON lacks and deepest nesting are null."""
        for body in (b"x", b"[NaN]", b"[-Infinity]", b"[" * 60_000, b"[" * 5000 + b"]" * 5000):
            self.assertEqual(self.post("application/json", body), [body.decode(), {}, {}, None])

    def test_overflow(self) -> None:
        """A number beyond the range of floats is null, in every depth and at every endpoint."""
        for body, expected in (
            ("1e999", "null"),
            ("[1e999, -1E999, 1.5e308]", "[null, null, 1.5e+308]"),
            ('{"a": [{"b": [1e400]}]}', '{"a": [{"b": [null]}]}'),
            ("[" * 99 + "1e999" + "]" * 99, "[" * 99 + "null" + "]" * 99),
        ):
            for line in ("POST /post", "PUT /anything/x"):
                text = content(reply_to(line, body=body.encode())).decode()
                value = json.loads(text, parse_constant=self.fail)["json"]
                self.assertEqual(json.dumps(value), expected)

    def test_deepJSON(self) -> None:
        """Long or deeply nested JSON is shown on one line."""
        deep = b"[" * 40 + b"]" * 40
        long = json.dumps([']{\\"' * 10] * 3_000).encode()
        for body in (deep, long):
            reply = reply_to("POST /post", body=body)
            assert isinstance(reply.body, bytes)
            line = next(each for each in reply.body.split(b"\n") if b'"json"' in each)
            self.assertEqual(json.loads(line.partition(b":")[2].rstrip(b",")), json.loads(body))
        shallow = b'[{"a": "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}]'
        self.assertIn(b'"json": [\n', reply_to("POST /post", body=shallow).body)

    def test_largeJSON(self) -> None:
        """JSON above the limits is a 413; other bodies may be larger."""
        for body in (b"[" + b" " * MAX_JSON + b"]", b"[" + b"[]," * 60_000 + b"0]"):
            error = self.assertRaises(BadCall, reply_to, "POST /post", body=body)
            self.assertEqual(error.status, 413)
        self.assertIsNone(json_of(reply_to("POST /post", body=b"x" * (MAX_JSON + 1)))["json"])

    def test_binary(self) -> None:
        """A body that is not UTF-8 is a data URL."""
        url = "data:application/octet-stream;base64,/wA="
        self.assertEqual(self.post("text/plain", b"\xff\x00"), [url, {}, {}, None])

    def test_multipart(self) -> None:
        """A multipart form has fields and files; without a boundary it is data."""
        head = "Content-Disposition: form-data; name=a"
        body = f"--x\r\n{head}\r\n\r\n1\r\n--x\r\n{head}; filename=b\r\n\r\n2\r\n--x--"
        result = self.post("multipart/form-data; boundary=x", body.encode())
        self.assertEqual(result, ["", {"a": "1"}, {"a": "2"}, None])
        for kind in ("multipart/form-data", "multipart/mixed; boundary=x"):
            self.assertEqual(self.post(kind, body.encode()), [body, {}, {}, None])

    def test_form(self) -> None:
        """A form has fields, repeated ones as lists, and its data is empty."""
        result = self.post(FORM[14:], b"a=1&a=2&b=%C3%A9+x&c")
        self.assertEqual(result, ["", {"a": ["1", "2"], "b": "é x", "c": ""}, {}, None])

    def test_formNotUTF8(self) -> None:
        """Bytes of a form that are not UTF-8 stay percent-encoded."""
        self.assertEqual(
            self.post(FORM[14:], b"a=%FF&b=\xfe"), ["", {"a": "%FF", "b": "%FE"}, {}, None]
        )

    def test_hostile(self) -> None:
        """A form of bytes that are not UTF-8 takes linear time."""
        for piece in (b"\xff", b"a\xff", b"%ff", b"\xc3"):
            body = (piece * MAX_FORM)[:MAX_FORM]
            began = time.process_time()
            reply_to("POST /post", FORM, body=body)
            # Linear: a fraction of a second.  Quadratic: minutes.
            self.assertLess(time.process_time() - began, 20)

    def test_formLimits(self) -> None:
        """A form with too many fields or bytes is a 413."""
        for body in (b"a&" * (MAX_FIELDS + 1), b"a" * (MAX_FORM + 1)):
            error = self.assertRaises(BadCall, reply_to, "POST /post", FORM, body=body)
            self.assertEqual(error.status, 413)
