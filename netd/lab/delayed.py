"""
Replies that take their time, as an answer to a request.

Rules: knows no route and no endpoint; runs on whatever offers the part of
IRequest that it uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import define
from twisted.internet.interfaces import IProducer, IPushProducer, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from netd.counters import Counters
from netd.lab.call import BadCall, Reply
from netd.player import Player, Sink
from netd.script import Script, Step, Wait

_log = Logger()


@implementer(Sink)
@define
class _Stage:
    """
    An HTTP answer as a stage: nothing is sent, the head included, before the first bytes.

    With `wire` the script says the head as well, past the engine's framing.
    """

    request: Any
    clock: IReactorTime
    counters: Counters
    wire: bool
    asked_at: float
    delay: float = 0.0
    """Seconds that the script waited before its first bytes, so far."""
    begun: bool = False

    def watched(self, script: Script) -> Iterator[Step]:
        """The script; what it waits before its first bytes is added up, and counted."""
        steps = iter(script)
        try:
            for step in steps:
                if isinstance(step, Wait):
                    self.delay += step.seconds
                yield step
                if self.begun:
                    break
        finally:
            # Here too when the client left before.
            if self.delay:
                self.counters.delayed(self.delay)
        yield from steps

    def write(self, data: bytes) -> None:
        if not self.begun:
            self.begun = True
            if self.delay:
                self.counters.late(self.clock.seconds() - self.asked_at - self.delay)
        if self.wire:
            self.request.transport.write(data)
        else:
            self.request.write(data)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        self.request.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self.request.unregisterProducer()

    def finish(self) -> None:
        if self.wire:
            self.request.loseConnection()
        else:
            self.request.finish()

    def abort(self) -> None:
        self.request.transport.abortConnection()


@implementer(IPushProducer)
class DelayedResponse:
    """An answer that is whole and waits for its moment; thousands may do so at once."""

    __slots__ = ("_body", "_clock", "_counters", "_due", "_request", "_timer")

    def __init__(
        self, request: Any, reply: Reply, clock: IReactorTime, counters: Counters
    ) -> None:
        self._request = request
        self._body = reply.body
        self._clock = clock
        self._counters = counters
        self._due = clock.seconds() + reply.after
        self._timer = clock.callLater(reply.after, self._leave)
        counters.delayed(reply.after)
        request.registerProducer(self, True)

    def pauseProducing(self) -> None:
        """One write cannot be held up."""

    def resumeProducing(self) -> None:
        """Nor go on."""

    def stopProducing(self) -> None:
        """Nobody waits for it any more."""
        if self._timer.active():
            self._timer.cancel()

    def _leave(self) -> None:
        request = self._request
        request.unregisterProducer()
        try:
            body = ready(self._body)
        except Exception:
            _log.failure("the body for {uri!r} failed", uri=request.uri)
            _apologise(request)
            return
        self._counters.late(self._clock.seconds() - self._due)
        _finish(request, body)


def perform(request: Any, reply: Reply, clock: IReactorTime, counters: Counters) -> None:
    """Say the script of `reply`; when it fails, 500 or, too late for that, a cut connection."""
    stage = _Stage(request, clock, counters, reply.wire, clock.seconds())
    assert not isinstance(reply.body, bytes) and not callable(reply.body)  # noqa: S101, PT018
    player = Player(stage.watched(reply.body), stage, clock)

    def left(_: Failure) -> None:
        player.stopProducing()

    def broke(failure: Failure) -> None:
        _log.failure("the script of {uri!r} failed", failure, uri=request.uri)
        if stage.begun:
            request.transport.abortConnection()
        else:
            _apologise(request)

    add_trailer = getattr(request, "addTrailer", None)
    if add_trailer is not None:
        for name, value in reply.trailers:
            add_trailer(name.encode("latin-1"), value.encode("latin-1"))
    request.notifyFinish().addErrback(left)
    player.perform().addErrback(broke)


def ready(body: Any) -> bytes:
    """A body that is ready, or made now."""
    made: bytes = body() if callable(body) else body
    return made


def _finish(request: Any, body: bytes) -> None:
    """Answer with `body` and the fields that are set, as one write where the engine can."""
    respond = getattr(request, "respond", None)
    if respond is not None:
        respond(body)
        return
    request.setHeader(b"Content-Length", b"%d" % len(body))
    if request.method != b"HEAD":
        request.write(body)
    request.finish()


def _apologise(request: Any) -> None:
    """Answer 500 in JSON."""
    sorry = BadCall("netd made a mistake; its log says which", 500).reply()
    request.setResponseCode(500)
    request.setHeader(b"Content-Type", sorry.type.encode())
    _finish(request, ready(sorry.body))
