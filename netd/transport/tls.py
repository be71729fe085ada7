"""
What HTTPS needs: contexts made of files, which can be made anew, and a factory inside.

Rules: knows no protocol.  Files are read when the daemon is built, so that a
wrong one stops the start and not each handshake; a reload that meets a wrong
one changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import field, frozen
from OpenSSL import SSL
from twisted.internet.interfaces import (
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IReactorTime,
)
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from zope.interface import implementer

from netd import settings
from netd.counters import Counters
from netd.transport import certificates, private
from netd.transport.certificates import DEFAULT, Pair

_log = Logger()

# Forward secret and authenticated (RFC 9325 4.2); all of TLS 1.3 is.
_CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20"
_PROTOCOL: Final = b"http/1.1"

Named: TypeAlias = Callable[[str], SSL.Context | None]
"""The context of a server name (RFC 6066 3), if it has one of its own."""


def _reason(wrong: Exception) -> str:
    """OpenSSL's own words for the first thing it stumbled over, on one line."""
    queue = wrong.args[0] if wrong.args else ()
    if queue and isinstance(queue, (list, tuple)):
        return str(queue[0][-1])
    return str(wrong).splitlines()[0] if str(wrong) else type(wrong).__name__


@frozen
class Clients:
    """Whose certificates clients must show."""

    file: Path
    """PEM file of the authorities."""
    optional: bool = False
    """Whether a client may come without."""


def context(pair: Pair, clients: Clients | None = None, named: Named | None = None) -> Any:
    """
    The server's side of TLS 1.2 and 1.3 for `pair`, ALPN `http/1.1`.

    Nothing is ever resumed: each connection has a handshake and proves who it
    is.  UsageError for what OpenSSL does not take.
    """
    made = SSL.Context(SSL.TLS_SERVER_METHOD)
    made.set_min_proto_version(SSL.TLS1_2_VERSION)
    made.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_TICKET)
    made.set_mode(SSL.MODE_RELEASE_BUFFERS)
    made.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    try:
        made.use_certificate(pair.chain[0])
        for each in pair.chain[1:]:
            made.add_extra_chain_cert(each)
        made.use_privatekey(pair.key)
        made.check_privatekey()
        if clients is not None:
            _ask(made, clients)
        made.set_alpn_select_callback(_agree)
        if named is not None:
            made.set_tlsext_servername_callback(partial(_switch, named))
    except MemoryError:
        # As under systemd's MemoryDenyWriteExecute=yes.
        raise UsageError(
            f"{pair.source}: TLS needs memory that is written and then run, "
            "which is forbidden here"
        ) from None
    except (SSL.Error, TypeError, ValueError) as wrong:
        raise UsageError(f"{pair.source}: {_reason(wrong)}") from None
    # The last thing, for pyOpenSSL takes it for the first use of the context.
    made.set_cipher_list(_CIPHERS)
    return made


def _ask(made: SSL.Context, clients: Clients) -> None:
    """Have `made` ask clients for certificates of these authorities."""
    certificates.certificates("--client-ca", clients.file)
    made.load_verify_locations(clients.file)
    # RFC 8446 4.2.4: so that a client with several certificates knows which.
    made.load_client_ca(str(clients.file).encode())
    must = 0 if clients.optional else SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    made.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_CLIENT_ONCE | must)


def _agree(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """The protocol of those that the client offers (RFC 7301)."""
    return _PROTOCOL if _PROTOCOL in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def _switch(named: Named, connection: SSL.Connection) -> None:
    """Go on with the context of the name that the client asks for."""
    name = connection.get_servername()
    found = None if name is None else named(name.decode("latin-1"))
    if found is not None:
        connection.set_context(found)


@frozen
class Offer:
    """What handshakes are made with: contexts, and how long their certificates are good for."""

    asked: settings.TLS
    default: SSL.Context
    ends: Mapping[str, float]
    """When each expires, in seconds since the epoch, by name; `default` is one."""
    sources: Mapping[str, str] = field(factory=dict)
    """Where each comes from, by the same name."""


def _offer(asked: settings.TLS) -> Offer:
    """What `asked` comes to; UsageError names the file that is wrong."""
    pairs: dict[str, Pair] = {}
    if asked.directory is not None:
        pairs |= certificates.directory(asked.directory)
    if asked.certificate is not None:
        pairs[DEFAULT] = certificates.pair(asked.certificate, asked.private_key)
    if DEFAULT not in pairs:
        raise UsageError(
            f"--certificate-dir {asked.directory}: has no {DEFAULT}.pem, "
            "and there is no --certificate"
        )
    clients = None
    if asked.client_ca is not None:
        clients = Clients(asked.client_ca, asked.client_ca_optional)
    contexts = {name: context(each, clients) for name, each in pairs.items() if name != DEFAULT}
    named = partial(certificates.choose, contexts) if contexts else None
    default = context(pairs[DEFAULT], clients, named)
    return Offer(
        asked,
        default,
        {name: each.ends for name, each in pairs.items()},
        {name: each.source for name, each in pairs.items()},
    )


@implementer(IOpenSSLServerConnectionCreator)
class TLS:
    """
    The daemon's certificates, which can be read anew while it runs.

    Handshakes that begin after a change use what is new; connections keep
    what they have.  An expired certificate is served, with a warning: a client
    that should refuse it may be what is tested.
    """

    def __init__(
        self,
        asked: settings.TLS,
        counters: Counters | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.counters = Counters() if counters is None else counters
        self._asked = asked
        self._now = now
        self.change(self.check())

    def check(self, asked: settings.TLS | None = None) -> Offer:
        """What the files come to now, those of `asked` when given; UsageError in one line."""
        return _offer(self._asked if asked is None else asked)

    def change(self, offer: Offer) -> None:
        """Use `offer` from the next handshake on."""
        self._offered, self._asked = offer, offer.asked
        for name, left in self.left().items():
            if left <= 0:
                _log.warn(
                    "{source}: expired on {day}",
                    source=offer.sources[name],
                    day=datetime.fromtimestamp(offer.ends[name], UTC).date(),
                )

    def left(self) -> dict[str, float]:
        """For how many seconds each certificate is good still, by its name."""
        now = self._now()
        return {name: end - now for name, end in self._offered.ends.items()}

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """A connection that has not begun its handshake."""
        return SSL.Connection(self._offered.default, None)


class _Transport(BufferingTLSTransport):
    """TLS for a server that may ask for the client's certificate."""

    @property
    def identity(self) -> str | None:
        """The name in the client's verified certificate; None without a certificate."""
        # OpenSSL ends the handshake of a client whose certificate it cannot verify.
        handle: Any = self.getHandle()  # type: ignore[no-untyped-call]  # Twisted has no types here
        certificate = handle.get_peer_certificate(as_cryptography=True)
        return None if certificate is None else certificates.identity(certificate)


class _CountingTransport(_Transport):
    """Counts failed handshakes; uses what `private.TLS` lists."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Count a connection that ended in a TLS error."""
        error = self._reason
        if error is not None and error.check(SSL.Error):
            self.factory.counters.refusals["tls"] += 1  # type: ignore[attr-defined]  # _Factory's
        super().connectionLost(reason)
        # Twisted keeps the producer, which refers to this transport: a reference cycle.
        self._producer = None


class _Factory(TLSMemoryBIOFactory):
    """Makes the transports."""

    counters: Counters


def wrap(factory: IProtocolFactory, tls: TLS, clock: IReactorTime) -> TLSMemoryBIOFactory:
    """`factory` behind TLS: its protocols see plain bytes and a secure transport."""
    wrapper = _Factory(tls, False, factory, clock)
    wrapper.protocol = _Transport if private.TLS.missing() else _CountingTransport
    wrapper.counters = tls.counters
    return wrapper
