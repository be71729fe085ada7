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
        if not text.isprintable() or " " in text:
            raise ValueError("not printable text without a space")
        try:
            url = urlsplit(text)
            host, port = url.hostname, url.port
        except ValueError:
            # Its text would show what stands for the port, such as a password without a host.
            raise ValueError("not a URL with a valid host and port") from None
        if url.fragment or "#" in text:
            raise ValueError("not without a #, which is %23 inside a password")
        if scheme == "unix":
            if not url.path.strip("/"):
                raise ValueError("not unix:///PATH, because the path is missing")
        elif not host or port == 0:
            raise ValueError("not a URL with a valid host and port")
        elif scheme in REDIS and not (url.path.strip("/") or "0").isdecimal():
            raise ValueError("not a URL whose database is a number")
        known = _PARAMETERS.get(scheme, frozenset())
        parameters = dict(parse_qsl(url.query, keep_blank_values=True))
        if url.query and (not parameters or set(parameters) - known):
            taken = " and ".join(sorted(known)) or "none"
            raise ValueError(f"not a URL with known parameters; known here: {taken}")
        if not parameters.get("db", "0").isdecimal():
            raise ValueError("not a URL whose database is a number")
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
        return masked(self.text)


def masked(text: str) -> str:
    """
    `text` of an option for people: `redis://***@host/0`.

    What cannot be parsed is `redis://***`; a file's `@NAME` stays as it is.
    """
    if not text or text.startswith("@"):
        return text
    scheme = text.partition(":")[0]
    for schemes in (REDIS, AMQP):
        try:
            QueueURL.parse(text, schemes)
        except ValueError:
            continue
        # Not `geturl`, which writes unix:/PATH.
        place = urlsplit(text).netloc
        user, at, _ = place.rpartition("@")
        return text.replace(f"//{user}{at}", "//***@", 1) if at else text
    return f"{scheme}://***" if scheme in (*REDIS, *AMQP) else "***"
