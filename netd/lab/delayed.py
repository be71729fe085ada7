"""
Responses that take time: scripts, and bodies that wait.

Rules: knows no route and no endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IProducer, IPushProducer, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from netd.counters import Counters
from netd.http.output import AHEAD
from netd.http.request import Request
from netd.lab.call import BadCall, Reply
from netd.player import Player, Sink
from netd.script import Script, Step, Wait
from netd.turns import Turns

_log = Logger()


@implementer(Sink)
@define(eq=False)
class ResponseSink:
    """The response to a request as a script's sink; the head leaves with the first bytes."""

    request: Request
    clock: IReactorTime
    counters: Counters | None = None
    """Where the delay before the first bytes is counted; None: nowhere."""
    raw: bool = False
    """Whether the script writes the head too, without framing, and the connection ends."""
    abort_flushes: bool = False
    """Whether an Abort closes the connection after what was written, or resets it."""
    patience: float | None = None
    """Seconds that the client may read nothing of what waits for it; None: --stall."""
    started: bool = field(init=False, default=False)
    """Whether the first bytes were written."""
    _delay: float = field(init=False, default=0.0)
    _requested_at: float = field(init=False, default=0.0)

    def perform(self, script: Script) -> Deferred[bool]:
        """Perform `script` as `Player.perform` does, until the client leaves."""
        self._requested_at = self.clock.seconds()
        if self.counters is not None:
            script = self._counted(script, self.counters)
        player = Player(script, self, self.clock)
        self.request.notifyFinish().addErrback(lambda _: player.stopProducing())
        return player.perform(Turns.of(self.clock).in_time())

    def _counted(self, script: Script, counters: Counters) -> Iterator[Step]:
        """Add up the waits before the first bytes, and count their sum once."""
        steps = iter(script)
        try:
            for step in steps:
                if isinstance(step, Wait):
                    self._delay += step.seconds
                yield step
                if self.started:
                    break
        finally:
            # Runs when the client left early, too.
            if self._delay:
                counters.delays.add(self._delay)
                self.request.notes += (("delay", self._delay),)
        yield from steps

    def write(self, data: bytes) -> None:
        if not self.started:
            self.started = True
            if self._delay and self.counters is not None:
                self.counters.lateness.add(
                    self.clock.seconds() - self._requested_at - self._delay
                )
        if self.raw:
            self.request.transport.write(data)
            self.request.sentOutside(len(data))
        else:
            self.request.write(data)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        if self.patience is not None:
            producer = _Impatient(cast(IPushProducer, producer), self, self.patience)
        self.request.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self.request.unregisterProducer()

    def finish(self) -> None:
        if self.raw:
            self.request.loseConnection()
        else:
            self.request.finish()

    def abort(self) -> None:
        if self.abort_flushes:
            self.request.loseConnection()
        else:
            self.request.transport.abortConnection()


@implementer(IPushProducer)
@define(eq=False)
class _Impatient:
    """A producer whose client is cut when the transport is full for `_seconds`."""

    _producer: IPushProducer
    _sink: ResponseSink
    _seconds: float
    _timer: IDelayedCall | None = field(init=False, default=None)

    def pauseProducing(self) -> None:
        """The client lags."""
        if self._timer is None:
            self._timer = self._sink.clock.callLater(self._seconds, self._cut)
        self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """The client has caught up."""
        self._calm()
        self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """The client is gone."""
        self._calm()
        self._producer.stopProducing()

    def _calm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _cut(self) -> None:
        self._timer = None
        self._sink.request.transport.abortConnection()


@implementer(IPushProducer)
class DelayedResponse:
    """A body that is sent whole after `delay` seconds; a 503 if too many bytes wait already."""

    __slots__ = ("_body", "_clock", "_counters", "_due", "_held", "_request", "_timer")

    def __init__(
        self,
        request: Request,
        body: bytes | Callable[[], bytes],
        delay: float,
        clock: IReactorTime,
        counters: Counters,
    ) -> None:
        self._held = len(body) if isinstance(body, bytes) and len(body) > AHEAD else 0
        if self._held and not request.channel.context.unsent.wait(self._held):
            request.refuse()
            return
        self._request = request
        self._body = body
        self._clock = clock
        self._counters = counters
        self._due = clock.seconds() + delay
        self._timer = clock.callLater(delay, self._send)
        counters.delays.add(delay)
        request.notes += (("delay", delay),)
        request.registerProducer(self, True)

    def pauseProducing(self) -> None:
        """No-op: the response is a single write."""

    def resumeProducing(self) -> None:
        """No-op: the response is a single write."""

    def stopProducing(self) -> None:
        """Cancel the response: the client left."""
        if self._timer.active():
            self._timer.cancel()
            self._release()

    def _release(self) -> None:
        if self._held:
            self._request.channel.context.unsent.waited(self._held)

    def _send(self) -> None:
        request = self._request
        request.unregisterProducer()
        self._release()
        try:
            body = self._body if isinstance(self._body, bytes) else self._body()
        except Exception:
            _log.failure("the body for {uri!r} failed", uri=request.uri)
            _send_500(request)
            return
        self._counters.lateness.add(self._clock.seconds() - self._due)
        request.respond(body)


@implementer(IPushProducer)
class LaterResponse:
    """A response that is made in a later turn of the reactor, by `render` of a Resource."""

    __slots__ = ("_render", "_request", "queued")

    def __init__(self, request: Request, render: Callable[[], bytes | int]) -> None:
        self._request = request
        self._render: Callable[[], bytes | int] | None = render
        self.queued = False
        request.registerProducer(self, True)

    def pauseProducing(self) -> None:
        """No-op: nothing is sent before its turn."""

    def resumeProducing(self) -> None:
        """No-op: it is the queue that calls."""

    def stopProducing(self) -> None:
        """Forget the request: the client left."""
        self._render = None

    def proceed(self) -> None:
        """Make the response."""
        if self._render is None:
            return
        request = self._request
        request.unregisterProducer()
        try:
            body = self._render()
        except Exception:
            request.fail(Failure())
        else:
            if isinstance(body, bytes):
                request.respond(body)


def perform(request: Request, reply: Reply, clock: IReactorTime, counters: Counters) -> None:
    """Send the script of `reply`; when it fails, a 500 or, after the head, a reset."""
    assert not isinstance(reply.body, bytes) and not callable(reply.body)  # noqa: S101, PT018
    sink = ResponseSink(request, clock, counters, reply.raw, patience=reply.patience)

    def failed(failure: Failure) -> None:
        _log.failure("the script of {uri!r} failed", failure, uri=request.uri)
        if sink.started:
            request.transport.abortConnection()
        else:
            _send_500(request)

    for name, value in reply.trailers:
        request.addTrailer(name.encode("latin-1"), value.encode("latin-1"))
    sink.perform(reply.body).addErrback(failed)


def _send_500(request: Request) -> None:
    error = BadCall("netd made a mistake; its log says which", 500).reply()
    request.setResponseCode(500)
    request.setHeader(b"Content-Type", error.type.encode())
    assert isinstance(error.body, bytes)  # noqa: S101 - for the type checker
    request.respond(error.body)
