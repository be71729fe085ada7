"""Bodies by length and in chunks, rule by rule and cut by cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.http.body import MAX_EXTENSIONS, Chunked, Sized
from netd.http.errors import RequestError
from netd.test.chance import by_chance


def read(body: Sized | Chunked, data: bytes, *cuts: int) -> tuple[bytes, bytes | None] | str:
    """The bytes that `body` reads from `data` and the rest, or the key of an error."""
    taken = b""
    stops = [*cuts, len(data)]
    for start, stop in zip([0, *cuts], stops, strict=True):
        try:
            piece, rest = body.feed(data[start:stop])
        except RequestError as refused:
            return refused.key
        taken += piece
        if rest is not None:
            return taken, rest + data[stop:]
    return taken, None


def chunked(max_bytes: int = 1000) -> Chunked:
    """A decoder with small limits."""
    return Chunked(max_bytes, max_trailers=60, max_fields=3)


# Each row: the rule, the bytes, and the key of the error or the body and the rest.
CHUNKS: list[tuple[str, bytes, tuple[bytes, bytes | None] | str]] = [
    ("the empty body", b"0\r\n\r\n", (b"", b"")),
    ("what follows is left", b"0\r\n\r\nGET", (b"", b"GET")),
    ("one chunk", b"3\r\nabc\r\n0\r\n\r\n", (b"abc", b"")),
    ("two chunks", b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", (b"abc", b"")),
    (
        "hexadecimal in both cases",
        b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
        (b"0123456789" * 2, b""),
    ),
    ("leading zeros", b"003\r\nabc\r\n000\r\n\r\n", (b"abc", b"")),
    ("CRLF inside a chunk", b"4\r\n\r\n\r\n\r\n0\r\n\r\n", (b"\r\n\r\n", b"")),
    ("an extension", b"1;a\r\nx\r\n0\r\n\r\n", (b"x", b"")),
    ("an extension with a value", b"1;a=b\r\nx\r\n0\r\n\r\n", (b"x", b"")),
    ("an extension in quotes", b'1;a="b;\\"c"\r\nx\r\n0;z\r\n\r\n', (b"x", b"")),
    ("bad whitespace in an extension", b"1 ; a = b\r\nx\r\n0\r\n\r\n", (b"x", b"")),
    ("256 bytes of extensions", b"1;%b\r\nx\r\n0\r\n\r\n" % (b"a" * 255), (b"x", b"")),
    ("trailers", b"0\r\na: b\r\nc: d\r\n\r\nGET", (b"", b"GET")),
    ("not whole: a size", b"3", (b"", None)),
    ("not whole: a chunk", b"3\r\nab", (b"ab", None)),
    ("not whole: its end", b"3\r\nabc\r", (b"abc", None)),
    ("not whole: the last line", b"0\r\n", (b"", None)),
    ("not whole: a trailer", b"0\r\na: b\r\n", (b"", None)),
    ("no size", b"\r\n", "chunk"),
    ("no number", b"x\r\n", "chunk"),
    ("no sign", b"+1\r\na\r\n", "chunk"),
    ("no prefix", b"0x1\r\na\r\n", "chunk"),
    ("no underscore", b"1_0\r\n", "chunk"),
    ("no space before", b" 1\r\na\r\n", "chunk"),
    ("no space after", b"1 \r\na\r\n", "chunk"),
    ("17 digits", b"0" * 17 + b"\r\n", "chunk"),
    ("a bare LF after the size", b"1\na\r\n0\r\n\r\n", "chunk"),
    ("a bare CR after the size", b"1\ra\r\n", "chunk"),
    ("a bare LF after a chunk", b"1\r\na\n0\r\n\r\n", "chunk"),
    ("too long a chunk", b"1\r\nab\r\n0\r\n\r\n", "chunk"),
    ("an extension without a name", b"1;\r\na\r\n", "chunk"),
    ("an extension without a value", b"1;a=\r\na\r\n", "chunk"),
    ("quotes that do not close", b'1;a="b\r\na\r\n', "chunk"),
    ("quotes with a control character", b'1;a="\x01"\r\na\r\n', "chunk"),
    ("257 bytes of extensions", b"1;%b\r\nx\r\n0\r\n\r\n" % (b"a" * 256), "chunk"),
    ("257 bytes over many chunks", b"1;abc\r\nx\r\n" * 65, "chunk"),
    ("an endless size line", b"1;" + b"a" * 300, "chunk"),
    ("too much", b"3e9\r\n", "large-body"),
    ("too much in all", b"3e8\r\n" + bytes(1000) + b"\r\n1\r\n", "large-body"),
    ("a bad trailer", b"0\r\na b\r\n\r\n", "trailer"),
    ("a folded trailer", b"0\r\na: b\r\n c\r\n\r\n", "trailer"),
    ("a bare LF in a trailer", b"0\r\na: b\n", "trailer"),
    ("too many trailers", b"0\r\n" + b"a: b\r\n" * 4 + b"\r\n", "fields"),
    ("too long a trailer", b"0\r\na: " + b"b" * 100, "large-head"),
    ("too long a trailer section", b"0\r\na: " + b"b" * 100 + b"\r\n\r\n", "large-head"),
]


class ChunkedTests(SynchronousTestCase):
    """RFC 9112 7.1."""

    def test_rules(self) -> None:
        """Each rule of the RFC is enforced."""
        for rule, data, verdict in CHUNKS:
            self.assertEqual(read(chunked(), data), verdict, rule)

    def test_cuts(self) -> None:
        """A body cut anywhere, or everywhere, is read like the whole."""
        for rule, data, verdict in CHUNKS:
            for at in range(1, len(data)):
                self.assertEqual(read(chunked(), data, at), verdict, f"{rule} cut at {at}")
            self.assertEqual(read(chunked(), data, *range(1, len(data))), verdict, rule)

    def test_trailers(self) -> None:
        """The trailer fields are available once the body is complete."""
        body = chunked()
        body.feed(b"0\r\nA: b")
        self.assertEqual(body.trailers, {})
        body.feed(b"\r\n\r\n")
        self.assertEqual(body.trailers, {b"a": (b"b",)})

    def test_keepsNothing(self) -> None:
        """The decoder keeps no byte of the body."""
        body = Chunked(10**9, 1000, 10)
        body.feed(b"fffffff\r\n")
        for _ in range(100):
            self.assertEqual(len(body.feed(bytes(100_000))[0]), 100_000)
        self.assertEqual(body._buffer, b"")

    def test_extensionsAllowance(self) -> None:
        """The limit on chunk extensions is exact."""
        self.assertEqual(MAX_EXTENSIONS, 256)

    @by_chance
    @given(
        st.lists(st.binary(min_size=1, max_size=30), max_size=6),
        st.lists(st.integers(1, 200), max_size=5),
    )
    def test_roundTrip(self, chunks: list[bytes], cuts: list[int]) -> None:
        """Chunks are decoded to the original bytes, however they arrive."""
        data = (
            b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
            + b"0\r\n\r\nrest"
        )
        pieces = sorted({cut for cut in cuts if cut < len(data)})
        self.assertEqual(read(chunked(), data, *pieces), (b"".join(chunks), b"rest"))

    @by_chance
    @given(st.binary(max_size=40), st.integers(0, 20), st.lists(st.integers(1, 60), max_size=5))
    def test_noise(self, noise: bytes, at: int, cuts: list[int]) -> None:
        """Cutting a body with any noise in it does not change the result."""
        data = b"3;a=b\r\nabc\r\n0\r\nc: d\r\n\r\n"
        data = data[:at] + noise + data[at:]
        pieces = sorted({cut for cut in cuts if cut < len(data)})
        self.assertEqual(read(chunked(), data), read(chunked(), data, *pieces))


class SizedTests(SynchronousTestCase):
    """RFC 9112 6.2."""

    def test_cuts(self) -> None:
        """The body has exactly its length, however it arrives."""
        for at in range(8):
            self.assertEqual(read(Sized(5), b"abcdefg", at), (b"abcde", b"fg"))

    def test_short(self) -> None:
        """A body that is too short is not complete."""
        self.assertEqual(read(Sized(5), b"abcd", 2), (b"abcd", None))

    def test_noTrailers(self) -> None:
        """A sized body has no trailer section."""
        self.assertEqual(Sized(1).trailers, {})
