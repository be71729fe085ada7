"""
What a client asked: the half of a request that is read.

Rules: everything that costs is done when it is first looked at, because most
Resources look at little.  `netd.http.request` documents the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, AnyStr, Final

from twisted.internet.interfaces import IAddress
from twisted.web.http import parse_qs
from twisted.web.http_headers import Headers

from netd.http.body_buffer import BodyBuffer
from netd.http.request_head import Head

if TYPE_CHECKING:
    from netd.http.conversation import Conversation

_NONE: Final[Mapping[bytes, tuple[bytes, ...]]] = MappingProxyType({})


class Question:
    """The asking half of `Request`."""

    __slots__ = (
        # For what Resources hang on a request; nothing is made of it before they do.
        "__dict__",
        "_args",
        "_content",
        "_requestHeaders",
        "_spool",
        "channel",
        "head",
        "method",
        "path",
        "postpath",
        "prepath",
        "trailers",
        "uri",
    )

    def __init__(self, channel: Conversation, head: Head) -> None:
        self.channel = channel
        self.head = head
        self.method = head.method
        self.uri = head.uri
        self.path = head.path
        self.prepath: list[bytes] = []
        self.postpath = head.postpath.copy()
        self.trailers = _NONE
        """The trailer fields of a body that came in chunks."""
        self._requestHeaders: Headers | None = None
        self._args: dict[bytes, list[bytes]] | None = None
        self._content: IO[bytes] | None = None
        self._spool: BodyBuffer | None = None

    @property
    def clientproto(self) -> bytes:
        """The version that the client speaks."""
        return b"HTTP/1.1" if self.head.minor else b"HTTP/1.0"

    @property
    def args(self) -> dict[bytes, list[bytes]]:
        """The query's parameters, percent-decoded."""
        if self._args is None:
            self._args = parse_qs(self.head.query, 1) if self.head.query else {}
        return self._args

    @property
    def content(self) -> IO[bytes]:
        """The body, open at its start; closed when the request is done."""
        if self._content is None:
            self._content = self._spool.whole() if self._spool is not None else BytesIO()
        return self._content

    @property
    def requestHeaders(self) -> Headers:
        """All header fields; `getHeader` is cheaper."""
        if self._requestHeaders is None:
            self._requestHeaders = headers = Headers()
            for name, values in self.head.fields.items():
                headers.setRawHeaders(name, values)
        return self._requestHeaders

    def getHeader(self, key: AnyStr) -> AnyStr | None:
        """The last value of a field, or None."""
        if self._requestHeaders is not None:
            values = self._requestHeaders.getRawHeaders(key)
            return values[-1] if values else None
        if isinstance(key, str):
            found = self.head.fields.get(key.lower().encode("iso-8859-1"))
            return found[-1].decode("utf-8") if found else None
        found = self.head.fields.get(key.lower())
        return found[-1] if found else None

    def getClientAddress(self) -> IAddress:
        """Who asks."""
        return self.channel.client_address()

    def isSecure(self) -> bool:
        """Whether it was asked over TLS."""
        return self.channel.secure()

    @property
    def transport(self) -> Any:
        """What the answer goes out on; everything written so far is on it already."""
        self.channel.flush()
        return self.channel.transport

    def loseConnection(self) -> None:
        """Close the connection after what is written so far."""
        self.transport.loseConnection()

    def spooled(self, spool: BodyBuffer, trailers: Mapping[bytes, tuple[bytes, ...]]) -> None:
        """Take over the body that was received."""
        self._spool = spool
        self.trailers = trailers

    def close(self) -> None:
        """Give the body back."""
        if self._spool is not None:
            self._content = self._spool.file
            self._spool.close()
        elif self._content is not None:
            self._content.close()
