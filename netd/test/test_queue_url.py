"""
URLs of Redis and RabbitMQ.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.queue_url import AMQP, REDIS, QueueURL, masked
from netd.test.chance import by_chance

GOOD = (
    ("redis://h", "redis://h"),
    ("redis://h:6379/2", "redis://h:6379/2"),
    ("redis://:pw@h/0", "redis://***@h/0"),
    ("redis://u:p%40w@[::1]:7/", "redis://***@[::1]:7/"),
    ("redis://u:p@w@h", "redis://***@h"),
    ("rediss://:pw@h?ssl_ca_certs=/a", "rediss://***@h?ssl_ca_certs=/a"),
    ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
    ("unix://:pw@/run/redis.sock", "unix://***@/run/redis.sock"),
    ("amqp://guest:pw@h:5672/v", "amqp://***@h:5672/v"),
    ("amqps://guest:pw@h//?ssl_ca_certs=/a", "amqps://***@h//?ssl_ca_certs=/a"),
)
BAD = (
    *("", "h", "http://h", "redis:h", "redis://", "redis://h:x", "redis://u:pw", "redis://h:0"),
    *(
        "redis://h/a",
        "redis://h?db=1",
        "redis://h?password=pw",
        "rediss://h?ssl_cert_reqs=none",
    ),
    *(
        "redis://h h",
        "redis://:p#w@h",
        "redis://h\n",
        "unix://",
        "unix:///s?db=x",
        "redis://[h",
    ),
    *("redis://h?x", "redis://h:99999", "amqp://h"),
)


class QueueURLTests(SynchronousTestCase):
    """
    What is taken, and what is shown of it.
    """

    def test_good(self) -> None:
        """Every kind of URL is taken, and shown without user and password."""
        for text, shown in GOOD:
            schemes = REDIS if text.split(":")[0] in REDIS else AMQP
            url = QueueURL.parse(text, schemes)
            self.assertEqual((url.text, str(url), masked(text)), (text, shown, shown))
            self.assertNotIn("pw", repr(url))

    def test_bad(self) -> None:
        """What cannot be is refused by a text that holds nothing of it."""
        for text in BAD:
            caught = self.assertRaises(ValueError, QueueURL.parse, text)
            self.assertNotIn("pw", str(caught))
            self.assertNotIn("pw", masked(text))

    def test_parts(self) -> None:
        """The scheme, the parameters, and the password as written and decoded."""
        url = QueueURL.parse("rediss://:p%40w@h?ssl_ca_certs=/a")
        self.assertEqual(url.scheme, "rediss")
        self.assertEqual(url.parameters, {"ssl_ca_certs": "/a"})
        self.assertEqual(url.secrets, ("p%40w", "p@w"))
        self.assertEqual(QueueURL.parse("redis://h").secrets, ())

    def test_masked(self) -> None:
        """A file's name stays, of anything else at most the scheme."""
        self.assertEqual(masked("@/run/secrets/queue"), "@/run/secrets/queue")
        self.assertEqual(masked("redis://u:pw"), "redis://***")
        self.assertEqual(masked("u:pw"), "***")

    @by_chance
    @given(st.text(min_size=4), st.sampled_from((*REDIS, *AMQP)), st.booleans())
    def test_neverShown(self, secret: str, scheme: str, at: bool) -> None:
        """No password is shown, whatever it consists of."""
        marked = f"<{secret}>"
        text = f"{scheme}://:{marked}{'@h' if at else ''}"
        self.assertNotIn(marked, masked(text))
        try:
            url = QueueURL.parse(text, (*REDIS,) if scheme in REDIS else AMQP)
        except ValueError as error:
            self.assertNotIn(marked, str(error))
        else:
            self.assertNotIn(marked, f"{url} {url!r}")
