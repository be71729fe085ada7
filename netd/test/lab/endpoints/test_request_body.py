"""
Request bodies.
"""

from __future__ import annotations

import contextlib
import json
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netd.lab.call import BadCall
from netd.lab.endpoints.request_body import (
    MAX_FIELDS,
    MAX_FORM,
    MAX_JSON,
    multipart,
    shown_body,
)
from netd.test.bounded import bounded
from netd.test.chance import by_chance
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
            with bounded(piece):
                reply_to("POST /post", FORM, body=body)

    def test_formLimits(self) -> None:
        """A form with too many fields or bytes is a 413."""
        for body in (b"a&" * (MAX_FIELDS + 1), b"a" * (MAX_FORM + 1)):
            error = self.assertRaises(BadCall, reply_to, "POST /post", FORM, body=body)
            self.assertEqual(error.status, 413)


KIND = "multipart/form-data; boundary=xyz"
END = b"--xyz--\r\n"
MEGABYTE = 1024 * 1024


def part(disposition: str, content: bytes = b"1", *fields: str) -> bytes:
    """One part of a multipart body."""
    head = [f"Content-Disposition: form-data; {disposition}", *fields, "", ""]
    return b"--xyz\r\n" + "\r\n".join(head).encode() + content + b"\r\n"


WHOLE = (
    part('name="a"', b"1")
    + part('name="f"; filename="x.txt"', b"text\r\n--xy", "Content-Type: text/plain")
    + part('name="g"; filename="y"', b"\xff\x00", "Content-Type: image/png")
    + part("name=b", "é".encode())
    + END
)

FIELD = part('name="a"') + END
"""A form with the field `a`."""

READ: tuple[tuple[bytes, dict[str, str], dict[str, str]], ...] = (
    (part("name=a; filename*=UTF-8''%c3%bc.txt") + END, {}, {"a": "1"}),
    (part("name*=utf-8''%C3%BC") + END, {"ü": "1"}, {}),
    (part("name*=iso-8859-1'de'%FC") + END, {"ü": "1"}, {}),
    (part("name*=koi8-r''%C3") + END, {"%C3": "1"}, {}),
    (part("name=a; name*=utf-8''%C3%BC") + END, {"ü": "1"}, {}),
    (part('name="ü"') + END, {"ü": "1"}, {}),
    (part('name="a; filename=evil"') + END, {"a; filename=evil": "1"}, {}),
    (part('x="; name=b"; name=a') + END, {"a": "1"}, {}),
    (part('\r\n\tname="a"') + END, {"a": "1"}, {}),
    (part(r'name="first\ name"') + END, {"first name": "1"}, {}),
    (part(r'name="a\\\"b"') + END, {'a\\"b': "1"}, {}),
    (part('name="a%22b%41"') + END, {'a"b%41': "1"}, {}),
    (part("name='a'") + END, {"'a'": "1"}, {}),
    (part("name=a; name=b") + END, {"b": "1"}, {}),
    (part('name=a; filename=""') + END, {}, {"a": "1"}),
    (part("name=a", b"") + END, {"a": ""}, {}),
    (
        part("name=a", b"\xfc", "Content-Type: text/plain; charset=ISO-8859-1") + END,
        {"a": "ü"},
        {},
    ),
    (
        part("name=a", b"\x82", "Content-Type: text/plain; charset=cp437") + END,
        {"a": "\ufffd"},
        {},
    ),
    (part("name=a", b"MQ==", "Content-Transfer-Encoding: base64") + END, {"a": "MQ=="}, {}),
    (part("name=a", b"1", "X: " + "x" * 9000) + END, {"a": "1"}, {}),
    (part("name=a", b"1", "x", "Content-Length: 9") + END, {"a": "1"}, {}),
    (part("name=a", b"1", "Content-Disposition: form-data; name=b") + END, {"a": "1"}, {}),
    (FIELD.replace(b": form-data", b" :attachment"), {"a": "1"}, {}),
    (FIELD.replace(b"\r", b""), {"a": "1"}, {}),
    (FIELD.replace(b"z\r", b"z \t\r", 1), {"a": "1"}, {}),
    (
        part("name=a", b"1\r\n--xyzz\r\n--xyz z\r\n") + END,
        {"a": "1\r\n--xyzz\r\n--xyz z\r\n"},
        {},
    ),
    (b"preamble\r\n" + FIELD, {"a": "1"}, {}),
    (b"preamble" + FIELD, {"a": "1"}, {}),
    (FIELD + FIELD, {"a": "1"}, {}),
    (b"--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n--xyz--", {"a": ""}, {}),
    (END, {}, {}),
)
"""Bodies, and the form and the files in them."""

UNREADABLE = (
    (b"nothing", "last delimiter"),
    (part("name=a"), "last delimiter"),
    (part("name=a") + b"--xyz", "last delimiter"),
    (FIELD.replace(b"\n", b""), "last delimiter"),
    (b"--xyzz" + FIELD[5:-9] + b"\r\n--xyz--", "no delimiter"),
    (part("nothing") + END, "no name"),
    (part('name="a') + END, "no name"),
    (b"--xyz\r\nX: y\r\n\r\n1\r\n" + END, "no name"),
    (b"--xyz\r\n\r\n1\r\n" + END, "no name"),
    (b"--xyz\r\nContent-Disposition: form-data; name=a\r\n" + END, "no empty line"),
    (FIELD.replace(b'"a"', b'"\xfc"'), "not UTF-8"),
)
"""Bodies, and why each of them is a 400."""


def both(body: bytes, kind: str = KIND) -> tuple[dict[str, str], dict[str, str], str]:
    """The form, the files and the data of /post."""
    result = json_of(reply_to("POST /post", f"Content-Type: {kind}", body=body))
    return result["form"], result["files"], result["data"]


class MultipartTests(SynchronousTestCase):
    """
    The parts of a body.
    """

    def test_whole(self) -> None:
        """Fields are text; files are text or data URLs of their type."""
        files = {"f": "text\r\n--xy", "g": "data:image/png;base64,/wA="}
        self.assertEqual(both(WHOLE), ({"a": "1", "b": "é"}, files, ""))
        self.assertEqual(
            both(part('name=a; filename=""', b"\xff") + part("name=a; filename=b") + END)[1],
            {"a": ["data:application/octet-stream;base64,/w==", "1"]},
        )

    def test_read(self) -> None:
        """Every form of a name, a head and a delimiter that httpbin reads is read."""
        for body, form, files in READ:
            self.assertEqual(both(body), (form, files, ""), body)

    def test_windows(self) -> None:
        """A backslash before a letter stays, as in the paths of old browsers."""
        self.assertEqual(both(part(r'name="C:\dir"') + END)[0], {r"C:\dir": "1"})

    def test_unreadable(self) -> None:
        """A body that cannot be read is a 400 that says why."""
        for body, reason in UNREADABLE:
            error = self.assertRaises(BadCall, both, body)
            self.assertEqual(error.status, 400, body)
            self.assertIn(reason, error.detail)

    def test_encoded(self) -> None:
        """A body in a content coding is shown as it is, and not read as a form."""
        fields = (f"Content-Type: {KIND}", "Content-Encoding: deflate")
        shown = json_of(reply_to("POST /post", *fields, body=b"\x78\x9c"))
        self.assertEqual((shown["files"], shown["form"]), ({}, {}))
        self.assertIn("base64", shown["data"])

    def test_cut(self) -> None:
        """A body that is cut at any byte is a 400, up to its last delimiter."""
        whole = multipart(WHOLE, "xyz", 9)
        for end in range(len(WHOLE)):
            if end < len(WHOLE) - 2:
                self.assertRaises(BadCall, multipart, WHOLE[:end], "xyz", 9)
            else:
                self.assertEqual(multipart(WHOLE[:end], "xyz", 9), whole)

    def test_boundary(self) -> None:
        """The boundary may be quoted, and comes from no other parameter."""
        for kind in (
            'MULTIPART/form-data; x="; boundary=q"; Boundary="xyz"',
            "multipart/form-data ;boundary=xyz;charset=utf-8",
        ):
            self.assertEqual(both(FIELD, kind), ({"a": "1"}, {}, ""))
        spaced = FIELD.replace(b"xyz", b"x y")
        self.assertEqual(both(spaced, 'multipart/form-data; boundary="x y"')[0], {"a": "1"})

    def test_notForms(self) -> None:
        """Other multipart types, and forms without a boundary, are data."""
        for kind in (
            "multipart/related; boundary=xyz",
            "multipart/mixed; boundary=xyz",
            "multipart/form-data",
            'multipart/form-data; boundary=""',
            "multipart/form-data, boundary=xyz",
        ):
            self.assertEqual(both(FIELD, kind), ({}, {}, FIELD.decode()), kind)

    def test_tooMany(self) -> None:
        """More parts, or longer heads, than the limits are a 413."""
        for body in (
            part("name=a") * 1001 + END,
            part("name=a" + ";" * 200) * 1000 + END,
            part("name=a" + "\r\nX: y" * 20) + END,
        ):
            self.assertEqual(self.assertRaises(BadCall, both, body).status, 413)
        self.assertEqual(len(both(part("name=a") * 1000 + END)[0]["a"]), 1000)

    def test_largeFields(self) -> None:
        """Fields have at most 128 KiB together, a 413 else; files have what a body may have."""
        half = b"x" * (MAX_FORM // 2)
        form, _, _ = both(part("name=a", half) + part("name=b", half) + END)
        self.assertEqual([len(value) for value in form.values()], [len(half)] * 2)
        more = part("name=a", half) + part("name=b", half + b"x") + END
        self.assertEqual(self.assertRaises(BadCall, both, more).status, 413)
        _, files, _ = both(part("name=a; filename=b", b"x" * (4 * MAX_FORM)) + END)
        self.assertEqual(len(files["a"]), 4 * MAX_FORM)

    def test_linear(self) -> None:
        """Hostile bodies of a megabyte take linear time."""
        hostile = (
            part("name=a", b"\r\n--xy" * (MEGABYTE // 6)) + END,
            part("name=a", b"\r\n--xyzz" * (MEGABYTE // 8)) + END,
            part("name=a", b"\r" * MEGABYTE) + END,
            b"--xyz" + b" " * MEGABYTE,
            part('name="' * 180_000) + END,
            part('name="' + r"\"" * (MEGABYTE // 2) + '"') + END,
            part(";name=a" * 18) * 999 + END,
            part("name=a" + '""' * 40, b"\xff" * 890) * 1000 + END,
        )
        for body in hostile:
            with bounded(body[:100]), contextlib.suppress(BadCall):
                both(body[:MEGABYTE])

    @by_chance
    @given(st.binary(), st.text(min_size=1))
    def test_anything(self, body: bytes, boundary: str) -> None:
        """No body and no boundary raises anything but a BadCall."""
        for data, name in ((body, boundary), (b"--xyz\r\n" + body + b"\r\n--xyz--", "xyz")):
            with contextlib.suppress(BadCall):
                multipart(data, name, 9)


class OracleTests(SynchronousTestCase):
    """
    psf/httpbin, to which the same bytes are sent.
    """

    def setUp(self) -> None:
        if find_spec("httpbin") is None:
            raise SkipTest("httpbin is not installed; pip install httpbin")
        self.client: Any = import_module("werkzeug.test").Client(import_module("httpbin").app)

    def oracle(self, body: bytes, kind: str = KIND) -> tuple[Any, Any, Any]:
        """The form, the files and the data of httpbin's /post."""
        response = self.client.post("/post", data=body, headers={"Content-Type": kind})
        result = json.loads(response.get_data())
        return result["form"], result["files"], result["data"]

    def test_read(self) -> None:
        """httpbin reads the same in every body of `READ`, and in `WHOLE`."""
        for body in (WHOLE, *(body for body, _, _ in READ)):
            self.assertEqual(both(body), self.oracle(body), body)

    @by_chance
    @given(
        st.lists(
            st.tuples(
                st.text(st.characters(codec="utf-8", exclude_characters="\r\n\\"), min_size=1),
                st.binary(),
                st.booleans(),
            ),
            unique_by=lambda each: each[0],
        )
    )
    def test_browsers(self, entries: list[tuple[str, bytes, bool]]) -> None:
        """What browsers send is read as by httpbin, whatever names and contents are."""
        parts = []
        for name, data, file in entries:
            quoted = 'name="' + name.replace('"', "%22") + '"'
            parts.append(part(quoted + ('; filename="x"' if file else ""), data))
        body = b"".join(parts)
        self.assertEqual(both(body + END), self.oracle(body + END))
