"""The table of errors."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from netd.http.body import Chunked
from netd.http.errors import REQUEST_ERRORS, RequestError
from netd.http.request_head import examine, parse

_GET: Final = b"GET / HTTP/1.1\r\nHost: a\r\n"
_BYTE: Final = "the target has a #, a control character or a byte outside ASCII"
_LINE: Final = "malformed request line; it must be METHOD TARGET HTTP/1.1"
_TARGET: Final = "the target must be a path or an http(s) URL without a user name"
_FIELD: Final = "a header field is folded, has a control character, or is not NAME: VALUE"
_HOST: Final = "Host is missing, repeated or malformed"
_VERSION: Final = "the request line must end with HTTP/1.1 or HTTP/1.0"
_LENGTH: Final = "Content-Length is repeated, or is not 1 to 18 digits"
_FRAMING: Final = "Transfer-Encoding must be chunked, without Content-Length, in HTTP/1.1"
_CONNECT: Final = "CONNECT is not supported, because netd is no proxy"
_CHUNK: Final = "malformed chunk, or more than 256 bytes of chunk extensions"

HEADS: Final = (
    ("GET /höhe HTTP/1.1\r\n".encode(), _BYTE),
    (b"GET /?q=\xe4", _BYTE),
    (b"GET /a#b HTTP/1.1\r\n\r\n", _BYTE),
    (b"GET /a\tb HTTP/1.1\r\n\r\n", _BYTE),
    (b"GET /a b HTTP/1.1\r\n\r\n", _LINE),
    (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", _LINE),
    (b"SSH-2.0-OpenSSH_9.2\r\n", _LINE),
    (b"GET / HTTP/1.1\nHost: a\n\n", "the request line does not end with CR LF"),
    (b"GET / HTTP/1.1\rHost: a\r\r", "the request line does not end with CR LF"),
    (_GET + b"a: b\nc: d\r\n\r\n", "a header field has a CR or LF alone; lines end with CR LF"),
    (_GET + b"a: b\r\n c\r\n\r\n", _FIELD),
    (_GET + b"a : b\r\n\r\n", _FIELD),
    (_GET + b"a: \0\r\n\r\n", _FIELD),
    (b"GET a HTTP/1.1\r\n\r\n", _TARGET),
    (b"GET * HTTP/1.1\r\n\r\n", _TARGET),
    (b"GET http://me@a/ HTTP/1.1\r\n\r\n", _TARGET),
    (b"GET / HTTP/1.1\r\n\r\n", _HOST),
    (_GET + b"Host: a\r\n\r\n", _HOST),
    (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", _HOST),
    (b"CONNECT a:443 HTTP/1.1\r\n\r\n", _CONNECT),
    (b"CONNECT / HTTP/1.1\r\n\r\n", _CONNECT),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", _VERSION),
    (b"GET /\r\n", _VERSION),
    (_GET + b"Expect: a\r\n\r\n", "the only supported value of Expect is 100-continue"),
    (_GET + b"Content-Length: -1\r\n\r\n", _LENGTH),
    (_GET + b"Content-Length: 1\r\n" * 2 + b"\r\n", _LENGTH),
    (_GET + b"Transfer-Encoding: gzip, chunked\r\n\r\n", _FRAMING),
    (_GET + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n", _FRAMING),
    (b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", _FRAMING),
    (
        _GET + b"Transfer-Encoding: gzip\r\n\r\n",
        "the only supported transfer coding is chunked",
    ),
    (b"GET /" + bytes(b"a" * 300), "request target too long"),
    (b"A" * 300, "request head or trailer section too large"),
    (_GET + b"a: " + b"b" * 300, "request head or trailer section too large"),
    (_GET + b"a: b\r\n" * 9 + b"\r\n", "too many header or trailer fields"),
)
BODIES: Final = (
    (b"x\r\n", _CHUNK),
    (b"1\r\nab", _CHUNK),
    (b"1;a=" + b"b" * 300, _CHUNK),
    (b"999\r\n", "request body too large"),
    (b"0\r\na : b\r\n\r\n", "malformed trailer section"),
    (b"0\r\na: b\n", "malformed trailer section"),
    (b"0\r\na: " + b"b" * 300, "request head or trailer section too large"),
    (b"0\r\n" + b"a: b\r\n" * 9 + b"\r\n", "too many header or trailer fields"),
)


class RequestErrorTests(SynchronousTestCase):
    """Each error, once."""

    def test_statuses(self) -> None:
        """Every error has a registered status from 400 on."""
        for key, (code, _) in REQUEST_ERRORS.items():
            self.assertTrue(HTTPStatus(code).phrase)
            self.assertGreaterEqual(code, 400, key)

    def test_sentences(self) -> None:
        """Every sentence is printable and belongs to one error."""
        sentences = [sentence for _, sentence in REQUEST_ERRORS.values()]
        self.assertEqual(len(set(sentences)), len(sentences))
        for sentence in sentences:
            self.assertTrue(sentence.isascii() and sentence.isprintable())

    def test_inputs(self) -> None:
        """The sentence for each kind of input says what is wrong with it."""
        for data, sentence in HEADS:
            with self.subTest(data=data), self.assertRaises(RequestError) as caught:
                examine(data, 200, 100)
                parse(data, 100, 5)
            self.assertEqual(caught.exception.sentence, sentence, data)
        for data, sentence in BODIES:
            with self.subTest(data=data), self.assertRaises(RequestError) as caught:
                Chunked(10, 200, 5).feed(data)
            self.assertEqual(caught.exception.sentence, sentence, data)

    def test_exception(self) -> None:
        """The exception has the whole row."""
        error = RequestError("host")
        self.assertEqual((error.key, error.code), ("host", 400))
        self.assertEqual(error.sentence, REQUEST_ERRORS["host"][1])
        self.assertRaises(KeyError, RequestError, "nonsense")
