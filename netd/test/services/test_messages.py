"""
Tests of netd.services.messages.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.script import Send, Wait
from netd.services import messages
from netd.test.chance import by_chance

# Sun Nov 22 14:20:47 2026 UTC.
NOW = 1_795_357_247


class EchoTests(SynchronousTestCase):
    """
    RFC 862.
    """

    @by_chance
    @given(st.binary())
    def test_same(self, data: bytes) -> None:
        """The response is the datagram."""
        self.assertEqual(messages.echo(data), data)


class ClockTests(SynchronousTestCase):
    """
    RFC 867 and RFC 868.
    """

    def test_daytime(self) -> None:
        """The response is a line in UTC, in which the day of the month has two columns."""
        self.assertEqual(messages.daytime(NOW), b"Sun Nov 22 14:20:47 2026\r\n")
        self.assertEqual(messages.daytime(0), b"Thu Jan  1 00:00:00 1970\r\n")

    def test_time(self) -> None:
        """The response is as in the examples of RFC 868, and wraps after 32 bits."""
        # RFC 868: 2,398,291,200 corresponds to 00:00 1 Jan 1976.
        self.assertEqual(messages.time(189_302_400), (2_398_291_200).to_bytes(4, "big"))
        self.assertEqual(messages.time(0), (2_208_988_800).to_bytes(4, "big"))
        self.assertEqual(messages.time(-2_208_988_800), bytes(4))
        self.assertEqual(messages.time(2_085_978_495.9), b"\xff" * 4)
        self.assertEqual(messages.time(2_085_978_496), bytes(4))


class QuoteTests(SynchronousTestCase):
    """
    RFC 865.
    """

    def test_days(self) -> None:
        """Each day has one quote of ASCII, below 512 bytes."""
        quotes = [messages.qotd(NOW + day * 86_400) for day in range(4)]
        self.assertEqual(len(set(quotes)), 4)
        for quote in quotes:
            self.assertLess(len(quote), 512)
            self.assertTrue(quote.isascii() and quote.endswith(b"\r\n"))
        self.assertEqual(messages.qotd(86_400), messages.qotd(86_400 * 2 - 1))


class ChargenTests(SynchronousTestCase):
    """
    RFC 864.
    """

    def test_pattern(self) -> None:
        """Each line of 72 characters begins one further in the 95 printable characters."""
        data = b"".join(step.data for step in messages.chargen() if isinstance(step, Send))
        lines = data.split(b"\r\n")
        self.assertEqual(
            lines[0],
            rb""" !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefg""",
        )
        self.assertEqual(
            lines[1],
            rb"""!"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefgh""",
        )
        self.assertEqual(lines[94][:2], b"~ ")
        self.assertEqual(lines[95], lines[0])
        self.assertEqual({len(line) for line in lines[:-1]}, {72})

    def test_bounds(self) -> None:
        """It ends after 1 MiB and takes more than 10 s."""
        steps = list(messages.chargen())
        self.assertEqual(
            sum(len(step.data) for step in steps if isinstance(step, Send)),
            messages.CHARGEN_BYTES,
        )
        seconds = sum(step.seconds for step in steps if isinstance(step, Wait))
        self.assertGreater(seconds, 10)


class StampTests(SynchronousTestCase):
    """
    The stateless reflector of RFC 8762.
    """

    TEST = b"\0\1\2\3" + b"TTTTTTTT" + b"EE" + bytes(30)

    def test_response(self) -> None:
        """The response has the fields of figure 5 of RFC 8762."""
        response = messages.stamp(self.TEST, 63, NOW * 10**9, NOW * 10**9 + 5 * 10**8)
        assert response is not None
        seconds = (NOW + 2_208_988_800).to_bytes(4, "big")
        self.assertEqual(len(response), 44)
        self.assertEqual(response[:4], b"\0\1\2\3")
        self.assertEqual(response[4:12], seconds + b"\x80\0\0\0")
        self.assertEqual(response[12:16], b"\x16\x01\0\0")
        self.assertEqual(response[16:24], seconds + bytes(4))
        self.assertEqual(response[24:28], b"\0\1\2\3")
        self.assertEqual(response[28:36], b"TTTTTTTT")
        self.assertEqual(response[36:40], b"EE\0\0")
        self.assertEqual(response[40:], b"\x3f\0\0\0")

    @by_chance
    @given(st.binary(max_size=200), st.integers(0, 255), st.integers(0, 2**62))
    def test_length(self, data: bytes, hops: int, now: int) -> None:
        """
        A response has the length and the padding of its test, and at least 44 bytes, which
        senders of TWAMP Light need not send; less than 14 bytes are no test.
        """
        response = messages.stamp(data, hops, now, now)
        if len(data) < 14:
            self.assertIsNone(response)
        else:
            assert response is not None
            self.assertEqual(len(response), max(44, len(data)))
            self.assertEqual((response[24:38], response[44:]), (data[:14], data[44:]))


class SockperfTests(SynchronousTestCase):
    """
    sockperf messages.
    """

    # As sockperf 3.7 sends them: number, flags client and pong, length, padding.
    REQUEST = bytes.fromhex("0000000000000001000300000020d4abb2cdc69b")

    def test_response(self) -> None:
        """The response is the request without the client flag."""
        expected = self.REQUEST[:9] + b"\x02" + self.REQUEST[10:]
        self.assertEqual(messages.sockperf(self.REQUEST), expected)

    def test_silence(self) -> None:
        """Other flags and a cut message get no response."""
        for flags in (0, 1, 2, 4):
            data = self.REQUEST[:9] + bytes((flags,)) + self.REQUEST[10:]
            self.assertIsNone(messages.sockperf(data), flags)
        self.assertIsNone(messages.sockperf(self.REQUEST[:13]))
