"""
URLs of Redis and RabbitMQ, whose passwords are never shown.

Rules: pure.  `str` and `repr` of a value and the texts of errors hold no secret; only
`text` does.
"""

from __future__ import annotations

from typing import Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from attrs import field, frozen

REDIS: Final = ("redis", "rediss", "unix")
"""The schemes of --rpc-queue; rediss is TLS."""
AMQP: Final = ("amqp", "amqps")
"""The schemes of --rpc-broker; amqps is TLS."""

_EXAMPLES: Final = {
    REDIS: "redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix:///PATH",
    AMQP: "amqp://HOST:PORT/VHOST or amqps://HOST:PORT/VHOST",
}
_TLS: Final = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
"""The parameters of URLs with TLS: PEM files."""
_PARAMETERS: Final = {"rediss": _TLS, "amqps": _TLS, "unix": frozenset({"db"})}


@frozen
class QueueURL:
    """A URL that is known to be usable; `str` masks the user and the password."""

    text: str = field(repr=False)

    @classmethod
    def parse(cls, text: str, schemes: tuple[str, ...] = REDIS) -> Self:
        """The URL in `text`; the ValueError says what is wrong and shows no part of it."""
        scheme = text.partition(":")[0]
        if scheme not in schemes:
            raise ValueError(f"not {_EXAMPLES[schemes]}")
        try:
            url = urlsplit(text)
            host = bool(url.hostname and url.port != 0)
        except ValueError:
            # Its text would show what stands for the port, such as a password without a host.
            raise ValueError("not a URL with a valid host and port") from None
        known = _PARAMETERS.get(scheme, frozenset())
        names = " and ".join(sorted(known)) or "none"
        parameters = dict(parse_qsl(url.query, keep_blank_values=True))
        database, path = parameters.get("db", "0"), url.path.strip("/")
        if scheme in ("redis", "rediss"):
            database = path or "0"
        for right, what in (
            (text.isprintable() and " " not in text, "printable text without a space"),
            ("#" not in text, "without a #, which is %23 inside a password"),
            (path or scheme != "unix", "unix:///PATH, because the path is missing"),
            (host or scheme == "unix", "a URL with a valid host and port"),
            (database.isdecimal(), "a URL whose database is a number"),
            (
                bool(parameters) == bool(url.query) and known.issuperset(parameters),
                f"a URL with known parameters; known here: {names}",
            ),
        ):
            if not right:
                raise ValueError(f"not {what}")
        return cls(text)

    @property
    def scheme(self) -> str:
        """`redis`, `rediss`, `unix`, `amqp` or `amqps`."""
        return urlsplit(self.text).scheme

    @property
    def parameters(self) -> dict[str, str]:
        """What stands behind the `?`, by name."""
        return dict(parse_qsl(urlsplit(self.text).query))

    @property
    def secrets(self) -> tuple[str, ...]:
        """The password as it stands in the URL and decoded; empty without one."""
        password = urlsplit(self.text).password
        return (password, unquote(password)) if password else ()

    def __str__(self) -> str:
        # Not `geturl`, which writes unix:/PATH.
        user, at, _ = urlsplit(self.text).netloc.rpartition("@")
        return self.text.replace(f"//{user}{at}", "//***@", 1) if at else self.text


def masked(text: str) -> str:
    """
    `text` of an option for people: `redis://***@host/0`.

    What cannot be parsed is `redis://***`; a file's `@NAME` stays as it is.
    """
    if not text or text.startswith("@"):
        return text
    scheme = text.partition(":")[0]
    try:
        return str(QueueURL.parse(text, AMQP if scheme in AMQP else REDIS))
    except ValueError:
        return f"{scheme}://***" if scheme in (*REDIS, *AMQP) else "***"
