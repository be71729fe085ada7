"""
HTTPS: OpenSSL contexts made of certificate files, and a factory behind TLS.

Rules: knows no protocol; reads files at start and on a reload, not in a handshake.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import evolve, frozen
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.interfaces import (
    IAddress,
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
from netd.settings import TEMPORARY
from netd.transport import certificates, private, temporary_certificate
from netd.transport.certificates import DEFAULT, KeyPair
from netd.transport.tcp import TCPTransport
from netd.transport.tls_connection import Connection
from netd.transport.tls_transport import TLSTransport

_log = Logger()

# Forward secret and authenticated (RFC 9325 4.2), as every cipher of TLS 1.3 is.
_CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20"
_PROTOCOL: Final = b"http/1.1"

TICKET_KEY_SECONDS: Final = 12 * 3600
"""How long tickets are encrypted with the same keys (RFC 9325 3.4)."""

ContextByName: TypeAlias = Callable[[str], SSL.Context | None]
"""The context of a server name (RFC 6066 3); None for the default."""


def context(
    pair: KeyPair, config: settings.TLS | None = None, by_name: ContextByName | None = None
) -> SSL.Context:
    """A context for TLS 1.2 and 1.3, ALPN `http/1.1`; UsageError if OpenSSL rejects `pair`."""
    server = SSL.Context(SSL.TLS_SERVER_METHOD)
    server.set_min_proto_version(SSL.TLS1_2_VERSION)
    server.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    # OpenSSL 3 refuses it from clients by default; before, a handshake could cost many.
    server.set_options(SSL.OP_NO_RENEGOTIATION)
    # A resumed session would not show the client's certificate again.
    if config is None or not config.tickets or config.client_ca is not None:
        server.set_options(SSL.OP_NO_TICKET)
    server.set_mode(SSL.MODE_RELEASE_BUFFERS)
    server.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    try:
        server.use_certificate(pair.chain[0])
        for certificate in pair.chain[1:]:
            server.add_extra_chain_cert(certificate)
        server.use_privatekey(pair.key)
        server.check_privatekey()
        if config is not None and config.client_ca is not None:
            _verify_clients(server, config.client_ca, config.client_ca_optional)
        server.set_alpn_select_callback(_select_protocol)
        if by_name is not None:
            server.set_tlsext_servername_callback(partial(_select_context, by_name))
    except MemoryError:
        # As under systemd's MemoryDenyWriteExecute=yes.
        raise UsageError(
            f"{pair.source}: TLS needs memory that is written and then run, "
            "which is forbidden here"
        ) from None
    except (SSL.Error, TypeError, ValueError) as error:
        raise UsageError(f"{pair.source}: {_message(error)}") from None
    # Last, because pyOpenSSL counts it as the first use of the context.
    server.set_cipher_list(_CIPHERS)
    return server


def _message(error: Exception) -> str:
    """OpenSSL's message of its first error, on one line."""
    queue = error.args[0] if error.args else ()
    if queue and isinstance(queue, (list, tuple)):
        return str(queue[0][-1])
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _verify_clients(server: SSL.Context, authorities: Path, optional: bool) -> None:
    store: Any = server.get_cert_store()
    for certificate in certificates.load_certificates("--client-ca", authorities):
        store.add_cert(X509.from_cryptography(certificate))
        # The names let a client choose one of its certificates (RFC 8446 4.2.4).
        server.add_client_ca(certificate)
    required = 0 if optional else SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    server.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_CLIENT_ONCE | required)


def _select_protocol(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """Select from the protocols that the client offers (RFC 7301)."""
    return _PROTOCOL if _PROTOCOL in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def _select_context(by_name: ContextByName, connection: SSL.Connection) -> None:
    """Continue the handshake with the context of the requested server name."""
    name = connection.get_servername()
    selected = None if name is None else by_name(name.decode("latin-1"))
    if selected is not None:
        connection.set_context(selected)


@frozen
class Contexts:
    """The contexts made of one configuration."""

    config: settings.TLS
    default: SSL.Context
    pairs: Mapping[str, KeyPair]
    """The certificates by server name, one of which is `default`."""
    by_name: ContextByName


def _load(config: settings.TLS, temporary: KeyPair | None) -> Contexts:
    """The contexts for `config`; UsageError names the file that is wrong."""
    pairs: dict[str, KeyPair] = {}
    if config.directory is not None:
        pairs |= certificates.load_directory(config.directory)
    if config.certificate == TEMPORARY:
        if temporary is None:
            raise UsageError(f"--certificate {TEMPORARY}: only a restart makes one")
        pairs[DEFAULT] = temporary
    elif config.certificate is not None:
        pairs[DEFAULT] = certificates.load_pair(config.certificate, config.private_key)
    if DEFAULT not in pairs:
        raise UsageError(
            f"--certificate-dir {config.directory}: has no {DEFAULT}.pem, "
            "and there is no --certificate"
        )
    named = {name: context(pair, config) for name, pair in pairs.items() if name != DEFAULT}
    # Without names, too: OpenSSL remembers the name for a resumption when it was looked up.
    by_name = partial(certificates.match, named)
    return Contexts(config, context(pairs[DEFAULT], config, by_name), pairs, by_name)


@implementer(IOpenSSLServerConnectionCreator)
class TLS:
    """
    The daemon's certificates; after a change, new handshakes use the new certificates.

    An expired certificate is served, with a warning: clients are tested with those, too.
    """

    def __init__(
        self,
        config: settings.TLS,
        counters: Counters | None = None,
        names: Iterable[str] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self.counters = Counters() if counters is None else counters
        self._now = now
        self.log_failure: Callable[[IAddress], object] = lambda peer: None
        """Called with the peer of each connection that ends in a TLS error."""
        self.temporary: KeyPair | None = None
        """The pair of --certificate temporary, for localhost and `names`."""
        if config.certificate == TEMPORARY:
            self.temporary = temporary_certificate.make(names, now())
        self._checked = _load(config, self.temporary)
        self.change(self._checked)

    def check(self, config: settings.TLS | None = None) -> Contexts:
        """The contexts for `config`, or for the same files read again; or UsageError."""
        fresh = self._contexts.config if config is None else config
        self._checked = _load(fresh, self.temporary)
        return self._checked

    def fingerprints(self) -> tuple[str, ...]:
        """The name and SHA-256 of each certificate that was read last, in use yet or not."""
        pairs = sorted(self._checked.pairs.items())
        return tuple(f"{name} {pair.fingerprint}" for name, pair in pairs)

    def change(self, contexts: Contexts) -> None:
        """Use `contexts` from the next handshake on."""
        self._contexts = contexts
        for pair in contexts.pairs.values():
            if pair.expiry <= self._now():
                day = datetime.fromtimestamp(pair.expiry, UTC).date()
                _log.warn("{source}: expired on {day}", source=pair.source, day=day)

    def rotate(self) -> None:
        """Use new keys for tickets from the next handshake on; old tickets are void."""
        old = self._contexts
        if old.config.tickets and old.config.client_ca is None:
            # The context that a handshake begins with encrypts the tickets of every name.
            default = context(old.pairs[DEFAULT], old.config, old.by_name)
            self._contexts = evolve(old, default=default)

    def left(self) -> dict[str, float]:
        """The seconds until each certificate expires, by name."""
        now = self._now()
        return {name: pair.expiry - now for name, pair in self._contexts.pairs.items()}

    def serverConnectionForTLS(self, protocol: object) -> Connection:
        """A connection before its handshake."""
        return Connection(self._contexts.default)

    def failed(self, peer: IAddress) -> None:
        """Count and log a connection of `peer` that ended in a TLS error."""
        self.counters.refusals["tls"] += 1
        self.log_failure(peer)


class _Transport(BufferingTLSTransport):
    """
    TLS for a server that may ask for the client's certificate.

    On a TLSTransport it only starts TLS there, behind what may come before, and steps aside.
    """

    factory: _Factory
    _below: TLSTransport | None = None

    def makeConnection(self, transport: object) -> None:
        """Connect the inner protocol, to `transport` itself where that can be."""
        if not isinstance(transport, TLSTransport):
            super().makeConnection(transport)  # type: ignore[no-untyped-call]  # Twisted has no types here
            return
        self._below = transport
        # Otherwise another protocol still holds back the first bytes.
        if transport.protocol is self:
            self._start(transport)
        self.wrappedProtocol.makeConnection(transport)

    def _start(self, below: TLSTransport) -> None:
        tls = self.factory.tls
        failed = partial(tls.failed, below.getPeer())  # type: ignore[no-untyped-call]  # no types
        below.start_tls(tls.serverConnectionForTLS(self), self.wrappedProtocol, failed)

    def dataReceived(self, data: bytes) -> None:
        """Bytes from the network; those of a TLSTransport came with what stood before."""
        if self._below is None:
            super().dataReceived(data)  # type: ignore[no-untyped-call]  # Twisted has no types here
            return
        if self._below.protocol is self:
            self._start(self._below)
        self._below.received(data)

    @property
    def identity(self) -> str | None:
        """The name in the client's verified certificate; None without a certificate."""
        return certificates.peer_identity(self.getHandle())  # type: ignore[no-untyped-call]  # Twisted has no types here

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the inner protocol."""
        if self._below is None:
            super().connectionLost(reason)
        else:
            self.wrappedProtocol.connectionLost(reason)


class _CountingTransport(_Transport):
    """Counts failed handshakes; uses what `private.TLS` lists."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Count a connection that ended in a TLS error."""
        error = self._reason
        if error is not None and error.check(SSL.Error):
            self.factory.tls.failed(self.getPeer())  # type: ignore[no-untyped-call]  # no types
        super().connectionLost(reason)
        # Twisted keeps the producer, which refers to this transport: a reference cycle.
        self._producer = None


class _Factory(TLSMemoryBIOFactory):
    tls: TLS


def wrap(factory: IProtocolFactory, tls: TLS, clock: IReactorTime) -> TLSMemoryBIOFactory:
    """`factory` behind TLS: its protocols see plain bytes and a secure transport."""
    wrapper = _Factory(tls, False, factory, clock)
    wrapper.protocol = _Transport if private.TLS.missing() else _CountingTransport
    wrapper.tls = tls
    return wrapper


def transport() -> type[TCPTransport]:
    """The transport for ports of a factory behind TLS, which uses another below its own."""
    return TCPTransport if private.TLS_TRANSPORT.missing() else TLSTransport
