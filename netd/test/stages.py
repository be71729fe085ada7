"""
Fakes that more than one test uses: a stage for scripts, a reactor that only notes.

Rules: they behave as the real thing does, and refuse what the real thing could
not bear, so that a test passes for the right reason.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import define, field, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProducer
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from netd.player import Sink

Reaction: TypeAlias = Callable[[Any], object]
"""What a stage does to its producer in the middle of a write or of the goodbye."""


def usage_error(
    test: SynchronousTestCase, call: Callable[..., object], *rest: Any, **named: Any
) -> str:
    """The message of the UsageError that a call raises, which is one whole line."""
    message = str(test.assertRaises(UsageError, call, *rest, **named))
    test.assertTrue(message.isprintable(), message)
    test.assertFalse(message.rstrip().endswith(":"), message)
    return message


def pause(producer: Any) -> None:
    """The buffer is full."""
    producer.pauseProducing()


def resume(producer: Any) -> None:
    """The buffer is empty."""
    producer.resumeProducing()


def stop(producer: Any) -> None:
    """The peer is gone."""
    producer.stopProducing()


def blink(producer: Any) -> None:
    """The buffer was full and is empty, before the write returns."""
    producer.pauseProducing()
    producer.resumeProducing()


@implementer(Sink)
class Stage:
    """
    Records what is performed on it, with the time of each event.

    `reactions[n]` is called with the producer inside the n-th write (from 0),
    `always` inside each of them, `at_goodbye` inside `finish` and `abort`.
    Whatever a transport would not tolerate, such as a write after the end, is
    an AssertionError.
    """

    def __init__(
        self,
        clock: Clock,
        reactions: Mapping[int, Reaction] | None = None,
        always: Reaction | None = None,
        at_goodbye: Reaction | None = None,
    ) -> None:
        self._clock = clock
        self._reactions = reactions or {}
        self._always = always
        self._at_goodbye = at_goodbye
        self._writing = False
        self.events: list[tuple[float, bytes | str]] = []
        """When and what: the bytes of a write, or the name of the method called."""
        self.writes: list[bytes] = []
        """The bytes of each write."""
        self.producer: Any = None
        """Whoever is registered; None before and after."""
        self.last: Any = None
        """Whoever was registered last; stays when it unregisters."""
        self.ended = False

    @property
    def said(self) -> bytes:
        """Everything written so far."""
        return b"".join(self.writes)

    @property
    def names(self) -> list[str]:
        """The methods called, writes left out."""
        return [event for _, event in self.events if isinstance(event, str)]

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Only a push producer, and one at a time."""
        assert streaming, "a stage takes push producers"
        assert self.producer is None, "a producer is registered already"
        self.producer = self.last = producer
        self._note("register")

    def unregisterProducer(self) -> None:
        """Only what was registered."""
        assert self.producer is not None, "no producer is registered"
        self.producer = None
        self._note("unregister")

    def write(self, data: bytes) -> None:
        """Note `data`, then react."""
        assert isinstance(data, bytes), "bytes are what a transport takes"
        assert self.producer is not None, "a write from no registered producer"
        assert not self.ended, "a write after the end"
        assert not self._writing, "a write inside a write"
        number = len(self.writes)
        self.writes.append(data)
        self._note(data)
        self._writing = True
        try:
            for reaction in (self._reactions.get(number), self._always):
                if reaction is not None:
                    reaction(self.last)
        finally:
            self._writing = False

    def finish(self) -> None:
        """The proper end."""
        self._goodbye("finish")

    def abort(self) -> None:
        """The other one."""
        self._goodbye("abort")

    def _goodbye(self, name: str) -> None:
        assert not self.ended, "a second end"
        assert self.producer is None, "an end with the producer still registered"
        self.ended = True
        self._note(name)
        if self._at_goodbye is not None:
            self._at_goodbye(self.last)

    def _note(self, event: bytes | str) -> None:
        self.events.append((self._clock.seconds(), event))


def turn(clock: Clock) -> None:
    """Make the calls that are due now, but not those that they schedule."""
    now = clock.seconds()
    for call in [each for each in clock.calls if each.getTime() <= now]:
        # One of the others may have cancelled or delayed it.
        if call.active() and call.getTime() <= now:
            clock.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)


class TurningClock(Clock):
    """
    A clock on which a turn is a turn, as on a real reactor.

    `Clock.advance` also runs what the calls of this turn schedule for at once,
    and so never returns from a script without an end.
    """

    def advance(self, amount: float) -> None:
        """Let `amount` seconds pass, then run once what was due by then."""
        self.rightNow += amount
        self._sortCalls()
        turn(self)


@define
class Adopted:
    """A stream port as `Reactor.adoptStreamPort` gives it; it accepts nobody."""

    family: int
    factory: Any
    listening: bool = True

    def stopListening(self) -> Deferred[None]:
        """Closed at once."""
        assert self.listening, "stopped twice"
        self.listening = False
        self.factory.doStop()
        return succeed(None)


@define
class Signals:
    """What a reactor was told to do from another thread or a signal handler."""

    calls: list[Callable[[], object]] = field(factory=list)

    def run(self) -> None:
        """Do all of it."""
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Reactor(TurningClock):
    """A clock that also takes sockets and readers, and touches none of them."""

    def __init__(self) -> None:
        super().__init__()
        self.adopted: list[Adopted] = []
        self.readers: list[Any] = []
        self.signals: Final = Signals()
        self.stops = 0
        """How often it was told to stop."""

    def stop(self) -> None:
        """Count it."""
        self.stops += 1

    def adoptStreamPort(self, fileDescriptor: int, family: int, factory: Factory) -> Adopted:
        """Note it; the descriptor stays the caller's, as with the real one."""
        assert fileDescriptor >= 0
        factory.doStart()
        self.adopted.append(Adopted(family, factory))
        return self.adopted[-1]

    def callFromThread(self, call: Callable[..., object], *rest: Any, **named: Any) -> None:
        """Note it; `signals.run` does it."""
        self.signals.calls.append(lambda: call(*rest, **named))

    def callWhenRunning(self, call: Callable[..., object], *rest: Any, **named: Any) -> None:
        """It runs."""
        call(*rest, **named)

    def addReader(self, reader: Any) -> None:
        """Note it."""
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """Forget it, when it is known."""
        if reader in self.readers:
            self.readers.remove(reader)

    def addWriter(self, writer: Any) -> None:
        """Nobody writes here."""
        raise AssertionError("nothing is ever written to this reactor's descriptors")

    def removeWriter(self, writer: Any) -> None:
        """There is none."""


class NotRunning(Reactor):
    """A reactor that does not run before `run`."""

    def __init__(self) -> None:
        super().__init__()
        self._later: list[Callable[[], object]] = []

    def callWhenRunning(self, call: Callable[..., object], *rest: Any, **named: Any) -> None:
        """Keep it for later."""
        self._later.append(lambda: call(*rest, **named))

    def run(self) -> None:
        """Do what was kept."""
        calls, self._later = self._later, []
        for call in calls:
            call()


@frozen
class Identity:
    """A certificate and its key, made for one test."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as a PEM file holds it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key as a PEM file holds it."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def write(self, directory: Path, name: str = "server") -> tuple[Path, Path]:
        """The paths of both in PEM files of their own, in `directory`."""
        directory.mkdir(parents=True, exist_ok=True)
        certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
        certificate.write_bytes(self.certificate_pem)
        key.write_bytes(self.key_pem)
        return certificate, key


def identity(
    name: str = "localhost",
    issuer: Identity | None = None,
    *,
    authority: bool = False,
    ends: datetime.datetime = datetime.datetime(2119, 12, 8, tzinfo=datetime.UTC),
    common: bool = True,
    sans: tuple[x509.GeneralName, ...] | None = None,
) -> Identity:
    """
    A fresh key with a certificate for `name`, signed by `issuer` or by itself.

    An `authority` may sign others; without `common` the subject is empty;
    `sans` are its alternative names, `name` unless said.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)] if common else [])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(ends)
    )
    if sans != ():
        names = x509.SubjectAlternativeName(sans or [x509.DNSName(name)])
        builder = builder.add_extension(names, critical=False)
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
    return Identity(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)
