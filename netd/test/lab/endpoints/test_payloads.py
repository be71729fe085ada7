"""
Bytes.
"""

from __future__ import annotations

from random import Random

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd import settings
from netd.lab.call import BYTES, BadCall
from netd.lab.endpoints.payloads import MAX_BYTES, letters, randint_bytes
from netd.script import Send, Wait
from netd.test.chance import by_chance
from netd.test.lab.calls import (
    content,
    fields,
    lab_state,
    make_call,
    reply_to,
    run,
    steps,
    waits,
)


class NoiseTests(SynchronousTestCase):
    """
    `/bytes` and `/stream-bytes`.
    """

    def test_seed(self) -> None:
        """Seed 0 gives the bytes that httpbin gives."""
        expected = bytes.fromhex("c5 d7 14 84 f8 cf 9b f4 b7 6f")
        for path in ("bytes", "stream-bytes"):
            reply = reply_to(f"GET /{path}/10?seed=0")
            self.assertEqual((content(reply), reply.type), (expected, BYTES))
        self.assertEqual(
            content(reply_to("GET /stream-bytes/10?seed=0&chunk_size=3")), expected
        )

    @by_chance
    @given(st.integers(0, 2**40), st.integers(0, 300))
    def test_asRandint(self, seed: int, count: int) -> None:
        """The bytes are those of `randint(0, 255)`."""
        random = Random(seed)
        expected = bytes(random.randint(0, 255) for _ in range(count))
        fast = Random(seed)
        self.assertEqual(randint_bytes(fast, count), expected)
        self.assertEqual(fast.random(), random.random())

    def test_limits(self) -> None:
        """There are at most 100 KiB; a negative or malformed number is a 400."""
        self.assertEqual(len(content(reply_to("GET /bytes/99999999"))), MAX_BYTES)
        self.assertEqual(len(content(reply_to("GET /stream-bytes/99999999"))), MAX_BYTES)
        self.assertEqual(content(reply_to("GET /bytes/0")), b"")
        for text in ("-1", "x", "1.5"):
            self.assertRaises(BadCall, reply_to, f"GET /bytes/{text}")

    def test_chunks(self) -> None:
        """A chunk has chunk_size bytes, and at least one."""
        sizes = [
            len(each.data)
            for each in steps(reply_to("GET /stream-bytes/10?chunk_size=4"))
            if isinstance(each, Send)
        ]
        self.assertEqual(sizes, [4, 4, 2])
        self.assertEqual(len(steps(reply_to("GET /stream-bytes/10?Chunk_Size=0"))), 10)

    def test_fast(self) -> None:
        """The largest /bytes draws its bytes in a few calls, and not one by one."""

        class Counting(Random):
            drawn = 0

            def getrandbits(self, count: int, /) -> int:
                self.drawn += 1
                return super().getrandbits(count)

        random = Counting(1)
        randint_bytes(random, MAX_BYTES)
        self.assertLess(random.drawn, 30)

    def test_chance(self) -> None:
        """Without a seed the bytes differ, and the seed of the daemon repeats them."""
        for count in (99, 9999):
            line, pairs = f"GET /bytes/{count}", []
            for seed in (1, 1, 2, None):
                state = lab_state(seed or 1)
                state.config = evolve(state.config, lab=settings.Lab(seed=seed))
                pair = [content(run(make_call(line, state=state))) for _ in range(2)]
                self.assertNotEqual(*pair)
                self.assertEqual([len(data) for data in pair], [count, count])
                pairs.append(pair)
            self.assertEqual(pairs[0], pairs[1])
            self.assertNotEqual(pairs[0], pairs[2])


class RangeTests(SynchronousTestCase):
    """
    `/range/<n>`.
    """

    def test_whole(self) -> None:
        """Without a Range all letters are sent, with the fields of httpbin."""
        reply = reply_to("GET /range/30")
        self.assertEqual((reply.status, reply.length), (200, 30))
        expected = {
            "etag": '"range30"',
            "accept-ranges": "bytes",
            "content-range": "bytes 0-29/30",
        }
        self.assertEqual(fields(reply), expected)
        self.assertEqual(content(reply), b"abcdefghijklmnopqrstuvwxyzabcd")

    def test_parts(self) -> None:
        """A Range selects a part, from either end."""
        for value, first, text in (
            ("bytes=1-3", 1, b"bcd"),
            ("bytes=24-27", 24, b"yzab"),
            ("bytes=28-", 28, b"cd"),
            ("bytes=-2", 28, b"cd"),
            ("Bytes=0-0", 0, b"a"),
            ("bytes=20-9999", 20, b"uvwxyzabcd"),
            ("bytes=-99", 0, b"abcdefghijklmnopqrstuvwxyzabcd"),
            ("bytes=0-4,5-6", 0, b"abcdefg"),
        ):
            reply = reply_to("GET /range/30", f"Range: {value}")
            self.assertEqual((reply.status, reply.length), (206, len(text)), value)
            self.assertEqual(
                fields(reply)["content-range"], f"bytes {first}-{first + len(text) - 1}/30"
            )
            self.assertEqual(content(reply), text)

    def test_conditions(self) -> None:
        """The entity tag decides about If-Range, If-None-Match and If-Match."""
        for field, status in (
            ('If-Range: "range30"', 206),
            ("If-Range: range30", 206),
            ('If-Range: W/"range30"', 200),
            ('If-Range: "stale"', 200),
            ("If-Range: Tue, 14 Nov 2023 22:13:20 GMT", 200),
            ('If-None-Match: "range30"', 304),
            ("If-None-Match: range30", 304),
            ('If-None-Match: "stale"', 206),
            ('If-Match: "range30"', 206),
            ('If-Match: "stale"', 412),
        ):
            reply = reply_to("GET /range/30", "Range: bytes=1-3", field)
            self.assertEqual(reply.status, status, field)

    def test_head(self) -> None:
        """HEAD ignores a Range (RFC 9110 14.2)."""
        self.assertEqual(reply_to("HEAD /range/30", "Range: bytes=1-3").length, 30)

    def test_unsatisfiable(self) -> None:
        """An unsatisfiable Range is an empty 416 with the size."""
        for value in ("bytes=30-", "bytes=30-40", "bytes=-0"):
            reply = reply_to("GET /range/30", f"Range: {value}")
            self.assertEqual((reply.status, content(reply)), (416, b""), value)
            self.assertEqual(fields(reply)["content-range"], "bytes */30")

    def test_ignored(self) -> None:
        """A malformed Range is ignored."""
        for value in ("x", "bytes=-", "bytes=a-b", "bytes=5-3", "bytes = 0-0", "lines=1-2"):
            self.assertEqual(reply_to("GET /range/30", f"Range: {value}").status, 200)
        self.assertEqual(reply_to("GET /range/30", "Range: bytes=0-1,3-4").length, 30)

    def test_exact(self) -> None:
        """With --httpbin-exact a Range that is impossible or ends beyond the end is a 416."""
        state = lab_state(httpbin_exact=True)
        for value, status in (
            *(("bytes=0-29", 206), ("bytes=20-", 206), ("bytes=-99", 206), ("x", 200)),
            *(("bytes=5-3", 416), ("bytes=0-30", 416), ("bytes=30-30", 416)),
        ):
            reply = reply_to("GET /range/30", f"Range: {value}", state=state)
            self.assertEqual((reply.status, fields(reply)["etag"]), (status, "range30"), value)

    def test_tooMany(self) -> None:
        """More than 100 KiB, or no letter, is a 404."""
        for count in (0, MAX_BYTES + 1):
            reply = reply_to(f"GET /range/{count}")
            self.assertEqual((reply.status, fields(reply)["etag"]), (404, f'"range{count}"'))

    def test_paced(self) -> None:
        """The duration lies between the chunks; a part takes its share."""
        reply = reply_to("GET /range/4?duration=4s&chunk_size=2")
        self.assertEqual(steps(reply), [Send(b"ab"), Wait(4.0), Send(b"cd")])
        for line in (
            "GET /range/5?duration=5s&chunk_size=2",
            "GET /range/5?duration=5s",
            "GET /range/100?duration=10s&chunk_size=7",
        ):
            field = "Range: bytes=50-" if "100" in line else "X: y"
            self.assertAlmostEqual(sum(waits(reply_to(line, field))), 5.0, msg=line)

    @by_chance
    @given(st.integers(0, 200), st.integers(0, 200))
    def test_letters(self, first: int, count: int) -> None:
        """A piece of the alphabet does not depend on where it is cut."""
        piece = letters(first, first + count)
        self.assertEqual(piece, letters(0, first + count)[first:])
        self.assertEqual(len(piece), count)


class Base64Tests(SynchronousTestCase):
    """
    `/base64`.
    """

    def test_decode(self) -> None:
        """Either alphabet is decoded, padded or not."""
        for path in ("SFRUUEJJTiBpcyBhd2Vzb21l", "decode/SFRUUEJJTiBpcyBhd2Vzb21l"):
            self.assertEqual(content(reply_to(f"GET /base64/{path}")), b"HTTPBIN is awesome")
        for text in ("_-8", "_-8=", "%2F%2B8="):
            self.assertEqual(content(reply_to(f"GET /base64/{text}")), b"\xff\xef")

    def test_encode(self) -> None:
        """A text is encoded."""
        self.assertEqual(
            content(reply_to("GET /base64/encode/HTTPBIN%20is%20awesome")),
            b"SFRUUEJJTiBpcyBhd2Vzb21l",
        )

    def test_bad(self) -> None:
        """A text that is not base64 is a 400."""
        self.assertRaises(BadCall, reply_to, "GET /base64/a")
        self.assertRaises(BadCall, reply_to, "GET /base64/%C3%A9")
