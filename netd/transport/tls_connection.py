"""
A TLS connection that is cut when it sends records without data.

Rules: knows no protocol above TLS.  OpenSSL derives new keys for each KeyUpdate
(RFC 8446 4.6.3), as many as a peer sends: 27 bytes cost it a quarter of a
millisecond, and a read of 64 KiB most of a second.
"""

from __future__ import annotations

from typing import Final

from OpenSSL import SSL

MAX_EMPTY_RECORDS: Final = 64
"""Records without application data on one connection; a handshake takes about three."""
_AT_ONCE: Final = 16
"""Records that OpenSSL is given at a time."""
_HEADER: Final = 5


class RecordSplitter:
    """Cuts a stream of TLS records (RFC 8446 5.1) after every few of them."""

    __slots__ = ("_header", "_left")

    def __init__(self) -> None:
        self._header = b""
        self._left = 0

    def split(self, data: bytes, most: int = _AT_ONCE) -> tuple[int, int]:
        """The length of the piece of `data` in which `most` records end, and how many do."""
        at, ended = 0, 0
        whole = int.from_bytes(data[3:5], "big") == len(data) - _HEADER
        if whole and not self._left and not self._header:
            # One record, as most requests are.
            return len(data), 1
        while at < len(data):
            if not self._left:
                header = (self._header + data[at : at + _HEADER])[:_HEADER]
                at += len(header) - len(self._header)
                if len(header) < _HEADER:
                    self._header = header
                    break
                self._header, self._left = b"", int.from_bytes(header[3:], "big")
            step = min(self._left, len(data) - at)
            at += step
            self._left -= step
            ended += not self._left
            if ended == most:
                break
        return at, ended


class Connection(SSL.Connection):
    """As pyOpenSSL's over memory BIOs; SSL.Error after too many records without data."""

    def __init__(self, context: SSL.Context) -> None:
        SSL.Connection.__init__(self, context, None)
        self._splitter = RecordSplitter()
        self._unread = b""
        self._empty = 0

    def bio_write(self, buf: bytes) -> int:  # type: ignore[override]  # Twisted gives bytes
        """Give OpenSSL the first bytes from the network, and the others when it wants more."""
        if self._unread:
            self._unread += buf
        else:
            self._feed(buf)
        return len(buf)

    def _feed(self, data: bytes) -> None:
        length, ended = self._splitter.split(data)
        self._empty += ended
        if length < len(data):
            self._unread = data[length:]
            data = data[:length]
        else:
            self._unread = b""
        SSL.Connection.bio_write(self, data)

    def fed(self) -> bool:
        """Whether OpenSSL, which has read all, gets more bytes; SSL.Error when it may not."""
        if self._empty > MAX_EMPTY_RECORDS:
            raise SSL.Error([("netd", "", "too many records without data")])
        if self._unread:
            self._feed(self._unread)
            return True
        return False

    def do_handshake(self) -> None:
        """As pyOpenSSL's."""
        while True:
            try:
                return SSL.Connection.do_handshake(self)
            except SSL.WantReadError:
                if not self.fed():
                    raise

    def recv(self, bufsiz: int, flags: int | None = None) -> bytes:
        """As pyOpenSSL's: the data of one record."""
        while True:
            try:
                data = SSL.Connection.recv(self, bufsiz, flags)
            except SSL.WantReadError:
                if not self.fed():
                    raise
            else:
                self.delivered()
                return data

    def delivered(self) -> None:
        """A record had data."""
        self._empty -= 1
