"""
Request bodies.
"""

from __future__ import annotations

import json
import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.lab.endpoints.request_body import (
    MAX_FIELDS,
    MAX_FORM,
    MAX_JSON,
    Body,
    multipart,
    readable,
)
from netd.test.lab.calls import json_of, make_call, reply_to

KIND = "multipart/form-data; boundary=xyz"
FORM = "Content-Type: application/x-www-form-urlencoded"


def part(disposition: str, content: bytes, *fields: str) -> bytes:
    """One part of a multipart body."""
    head = [f"Content-Disposition: form-data; {disposition}", *fields, "", ""]
    return b"--xyz\r\n" + "\r\n".join(head).encode() + content + b"\r\n"


WHOLE = (
    part('name="a"', b"1")
    + part('name="f"; filename="x.txt"', b"text\r\n--xy", "Content-Type: text/plain")
    + part('name="g"; filename="y"', b"\xff\x00", "Content-Type: image/png")
    + part("name=b", "é".encode())
    + b"--xyz--\r\n"
)


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
        self.assertEqual(Body.of(make_call("POST /post")), Body())

    def test_json(self) -> None:
        """JSON of any type is shown as data and parsed."""
        for kind in ("application/json", "text/plain"):
            self.assertEqual(self.post(kind, b'{"a":1}'), ['{"a":1}', {}, {}, {"a": 1}])

    def test_notJSON(self) -> None:
        """Text that is not JSON, constants that JSON lacks and deepest nesting are null."""
        for body in (b"x", b"[NaN]", b"[Infinity]", b"[" * 200_000, b"[" * 5000 + b"]" * 5000):
            self.assertEqual(self.post("application/json", body), [body.decode(), {}, {}, None])

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
        """JSON above the limit is a 413; other bodies may be larger."""
        body = b"[" + b" " * MAX_JSON + b"]"
        self.assertEqual(
            self.assertRaises(BadCall, reply_to, "POST /post", body=body).status, 413
        )
        self.assertIsNone(json_of(reply_to("POST /post", body=b"x" * (MAX_JSON + 1)))["json"])

    def test_binary(self) -> None:
        """A body that is not UTF-8 is a data URL."""
        url = "data:application/octet-stream;base64,/wA="
        self.assertEqual(self.post("text/plain", b"\xff\x00"), [url, {}, {}, None])
        self.assertEqual(readable(b"\xff", "image/png"), "data:image/png;base64,/w==")

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


class MultipartTests(SynchronousTestCase):
    """
    multipart/form-data.
    """

    def test_whole(self) -> None:
        """Fields are text; files are text or data URLs of their type."""
        result = json_of(reply_to("POST /post", f"Content-Type: {KIND}", body=WHOLE))
        self.assertEqual(result["form"], {"a": "1", "b": "é"})
        files = {"f": "text\r\n--xy", "g": "data:image/png;base64,/wA="}
        self.assertEqual((result["files"], result["data"]), (files, ""))

    def test_cut(self) -> None:
        """Of a body that is cut at any byte only the complete parts are there."""
        form, files = multipart(WHOLE, KIND)
        for end in range(len(WHOLE)):
            less, fewer = multipart(WHOLE[:end], KIND)
            self.assertEqual(less, form[: len(less)])
            self.assertEqual(fewer, files[: len(fewer)])

    def test_quoted(self) -> None:
        """Boundaries and names may be quoted; a preamble and padding are skipped."""
        body = b"preamble\r\n" + part(r'name="a\"b"', b"1").replace(b"--xyz", b"--x y \t", 1)
        form, _ = multipart(body + b"--x y--", 'multipart/form-data; boundary="x y"')
        self.assertEqual(form, [('a"b', "1")])

    def test_malformed(self) -> None:
        """Parts without a name, a complete head or a clean delimiter are left out."""
        for body in (
            part("nothing", b"1"),
            b"--xyz\r\nContent-Disposition: form-data; name=a\r\n--xyz--",
            part('name="a"', b"1").replace(b"--xyz\r\n", b"--xyzzy\r\n"),
            part('name="a"', b"1", "X: " + "x" * 9000),
        ):
            self.assertEqual(multipart(body + b"--xyz--", KIND), ([], []))
        self.assertEqual(multipart(WHOLE, "multipart/form-data; charset=x"), ([], []))

    def test_tooMany(self) -> None:
        """More parts than the limit are a 413."""
        body = part('name="a"', b"") * (MAX_FIELDS + 1) + b"--xyz--"
        self.assertEqual(self.assertRaises(BadCall, multipart, body, KIND).status, 413)
        form, _ = multipart(part('name="a"', b"") * MAX_FIELDS + b"--xyz--", KIND)
        self.assertEqual(len(form), MAX_FIELDS)

    def test_linear(self) -> None:
        """Hostile bodies of megabytes take linear time."""
        hostile = (
            b"\r\n--xy" * 200_000,
            b"--xyz\r\nContent-Disposition: form-data;" + b' name="' * 100_000,
            b"--xyz\r\n" + b"\r" * 1_000_000,
            b"--xyz" + b" " * 1_000_000,
        )
        for body in hostile:
            began = time.process_time()
            multipart(body, KIND)
            # Linear: a fraction of a second.  Quadratic: minutes.
            self.assertLess(time.process_time() - began, 20)

    @given(st.binary(), st.text(st.characters(max_codepoint=255)))
    def test_anything(self, body: bytes, kind: str) -> None:
        """No body raises an exception."""
        multipart(body, kind)
        multipart(b"--xyz\r\n" + body + b"\r\n--xyz--", KIND)
