"""
A worker, seen from inside: from the fork to its end.

Rules: owns nothing that is the supervisor's: no socket's file, pid file, log or signal but
SIGTERM.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import struct
import traceback
from collections.abc import Callable
from math import inf
from typing import Any, Final, Protocol

from attrs import fields
from twisted.application.service import IService
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from zope.interface import implementer

from netd.ops.logging import log_fields
from netd.ops.logging.log_fields import MAX_CHARACTERS, level_name
from netd.ops.metrics import Gauges
from netd.ops.reload import Plan, Reload
from netd.ops.status import Status
from netd.ops.systemd import Notifier
from netd.parts import Parts
from netd.settings import Settings
from netd.transport.listener import Listener
from netd.transport.tls import TICKET_KEY_SECONDS
from netd.workers import messages
from netd.workers.group import Group
from netd.workers.link import Link, adopt
from netd.workers.messages import Prepared, Snapshot
from netd.workers.relay import Relay
from netd.workers.scoreboard import Column

BEAT_SECONDS: Final = 0.05
"""Interval of heartbeats, without which no other worker sees that this one is live."""
SNAPSHOT_SECONDS: Final = 1.0
"""Interval of snapshots: what is counted since the last one is lost with the process."""
_LENGTH: Final = struct.Struct("!I")
_STDERR: Final = 2


class ServedDaemon(Protocol):
    """What a worker and the supervisor need of the daemon."""

    parts: Parts
    reloader: Reload | None
    status: Status
    notifier: Notifier

    def privilegedStartService(self) -> None:
        """Bind every listener."""

    def abandon(self) -> None:
        """Close what was opened before a start that failed."""

    def listeners(self) -> list[Listener]:
        """Every listener, in starting order."""

    def once(self) -> list[IService]:
        """The services of the whole daemon, which one of its processes has."""

    def show_console(self) -> None:
        """Log where the console is."""

    def listening(self) -> dict[str, str]:
        """The text of the endpoint of each bound listener, by its name."""

    def places(self) -> str:
        """Every bound listener for people."""

    def serve(self) -> None:
        """Start every service, without a look at signals."""

    def withdraw(self, service: IService) -> None:
        """Do without `service`."""

    def stopService(self) -> Deferred[Any]:
        """Stop; fires when the last response is sent or the grace is over."""


def is_supervisors(listener: Listener) -> bool:
    """Whether only the supervisor serves `listener`."""
    return str(listener.name).startswith("metrics-http")


def snapshot(parts: Parts) -> Snapshot:
    """What a process has counted so far, and its gauges."""
    gauges = {each.name: getattr(parts.gauges, each.name)() for each in fields(Gauges)}
    return Snapshot(parts.counters, **gauges)


def forget_log() -> None:
    """Log nothing from now on: the observers write to the supervisor's files."""
    for observer in tuple(globalLogPublisher._observers):
        globalLogPublisher.removeObserver(observer)


def main(daemon: ServedDaemon, group: Group, index: int, sock: socket.socket) -> None:
    """Be the worker `index`, which counts from 0; returns at its end.  It has no log yet."""
    try:
        start = _first(sock)
        # The parts know the reactor, so it has to be the same object: a new one inside.
        reactor = daemon.parts.reactor
        reactor.__init__()
        worker = Worker(daemon, group, index)
        worker.prepare(start)
    except UsageError as error:
        _last(sock, messages.Failed(" ".join(str(error).split())))
    except Exception:
        _last(sock, messages.Failed(traceback.format_exc()))
    else:
        worker.run(sock)


def _first(sock: socket.socket) -> messages.Start:
    """The first message, for which there is nothing to do but wait."""
    (length,) = _LENGTH.unpack(_receive(sock, _LENGTH.size))
    envelope = messages.unpack(_receive(sock, length))
    assert isinstance(envelope, messages.Envelope)  # noqa: S101 - for the type checker
    start = envelope.message
    assert isinstance(start, messages.Start)  # noqa: S101 - for the type checker
    return start


def _receive(sock: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = sock.recv(length - len(data))
        if not more:
            raise ConnectionError("the supervisor is gone")
        data += more
    return data


def _last(sock: socket.socket, message: object) -> None:
    """Send the only message of a worker that does not start."""
    data = messages.pack(messages.Envelope(message))
    sock.sendall(_LENGTH.pack(len(data)) + data)


@implementer(ILogObserver)
class _LineObserver:
    """Sends the events of this process to the supervisor, which has the log."""

    def __init__(self, link: Link, lost: Callable[[], None]) -> None:
        self._link = link
        self._lost = lost

    def __call__(self, event: LogEvent) -> None:
        failure = event.get("log_failure")
        line = messages.Line(
            level_name(event),
            str(event.get("log_namespace", "-")),
            formatEvent(event)[:MAX_CHARACTERS],
            "" if failure is None else failure.getTraceback()[:MAX_CHARACTERS],
            log_fields.refusal_fields(event),
        )
        if (line.text or line.traceback) and not self._link.offer(line):
            self._lost()


class Worker:
    """One worker; `Group.role` of its process."""

    stopping = False
    _ending = False

    def __init__(self, daemon: ServedDaemon, group: Group, index: int) -> None:
        self._daemon = daemon
        self._parts = daemon.parts
        self._reactor = daemon.parts.reactor
        self._group = group
        self._plan: Plan | None = None
        self._calls: list[LoopingCall] = []
        self._gone: Deferred[None] = Deferred()
        self._link = Link(self._handle, self._lost)
        self._relay = Relay(daemon.parts.watchers, self._link.offer, self._reactor)
        group.role, group.index = self, index

    # The role

    def role_name(self) -> str:
        """`worker 2 of 4`."""
        return f"worker {self._group.index + 1} of {self._group.workers}"

    def publish(self) -> None:
        """Bring the row of the scoreboard up to date."""
        board, index = self._group.board, self._group.index
        http = sum(len(site.connections) for site in self._parts.sites.values())
        streams = sum(len(each.connections) for each in self._parts.streams.values())
        board.set(index, Column.HTTP, http)
        # Who stops shall not be taken for one that has room.
        board.set(index, Column.LOAD, inf if self.stopping else http + streams)
        waiting = sum(site.in_flight for site in self._parts.sites.values())
        board.set(index, Column.WAITING, waiting)

    def ask(self, message: messages.Asked, done: Callable[[object], object]) -> None:
        """Let the supervisor do what `message` asks for."""
        self._link.ask(message).addCallbacks(done, _ended)

    # From the start to the end

    def prepare(self, start: messages.Start) -> None:
        """Serve what is this worker's; UsageError when the settings cannot be met."""
        observer = _LineObserver(self._link, self._count_lost_line)
        globalLogPublisher.addObserver(observer)
        self._withdraw()
        reloader = self._daemon.reloader
        if start.generation and reloader is not None:
            reloader.apply(reloader.plan(start.settings))
        age = self._reactor.seconds() - self._group.made
        if self._parts.tls is not None and age >= TICKET_KEY_SECONDS:
            # Until then all workers have the keys of the daemon that they were forked from,
            # and a client resumes its session with any of them.
            self._parts.tls.rotate()
        self._daemon.serve()

    def _count_lost_line(self) -> None:
        self._parts.counters.log_drops += 1

    def _withdraw(self) -> None:
        """Do without what the supervisor or another worker serves; lend the rest."""
        ports = self._parts.own_ports()
        self._parts.own_ports.find = lambda: ports
        for service in (self._daemon.notifier, *self._daemon.once()):
            self._daemon.withdraw(service)
        datagrams = 0
        for listener in self._daemon.listeners():
            listener.lend()
            ours = not is_supervisors(listener)
            if listener.kind is socket.SOCK_DGRAM:
                # One reader keeps the datagrams of a socket in order.
                ours = datagrams % self._group.workers == self._group.index
                datagrams += 1
            if not ours:
                listener.stopService()
                self._daemon.withdraw(listener)
            elif listener.kind is socket.SOCK_STREAM:
                listener.crowded = self._group.crowded

    def run(self, sock: socket.socket) -> None:
        """Serve until the end."""
        faulthandler.register(signal.SIGQUIT, _STDERR, all_threads=True)
        adopt(self._reactor, sock, self._link)
        self._reactor.callWhenRunning(self._ready)
        self._reactor.addSystemEventTrigger("before", "shutdown", self._stop)
        self._reactor.run()

    def _ready(self) -> None:
        # Twisted's handler would stop the reactor a second time, after the supervisor.
        signal.signal(signal.SIGTERM, lambda *_: self._reactor.callFromThread(self._end))
        self._repeat(BEAT_SECONDS, self._beat)
        self._repeat(SNAPSHOT_SECONDS, self._push)
        self._link.send(messages.Ready())

    def _repeat(self, seconds: float, function: Callable[[], None]) -> None:
        call = LoopingCall(function)
        call.clock = self._reactor
        call.start(seconds)
        self._calls.append(call)

    def _beat(self) -> None:
        self.publish()
        now = self._reactor.seconds()
        self._group.board.set(self._group.index, Column.HEARTBEAT, now)

    def _push(self) -> None:
        self._link.send(messages.Counted(snapshot(self._parts)))

    def _stop(self) -> Deferred[None]:
        """Stop serving; fires when everything that was counted has been sent."""
        self._ending = True
        # Before the daemon does anything else.
        closed = self._parts.drain.begins().addCallback(self._close)

        def end(_: object) -> Deferred[None]:
            for call in self._calls:
                call.stop()
            self._push()
            self._link.transport.loseConnection()
            return self._gone

        stopped = self._daemon.stopService()
        # The daemon would take a signal for the second one, which is to hurry.  One for the
        # whole service may come after the supervisor's message.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        # Neither fails: both log what goes wrong.
        return gatherResults([closed, stopped]).addBoth(end)

    def _close(self, _: None) -> Deferred[None]:
        """Close the listeners, and say so."""
        self.stopping = True
        closed = gatherResults([each.stopService() for each in self._daemon.listeners()])
        return closed.addBoth(lambda _: self._link.send(messages.Closed()))

    def _lost(self) -> None:
        if not self._ending:
            # The supervisor is gone, and nobody else wants this process.
            os._exit(1)
        self._gone.callback(None)

    # Messages

    def _handle(self, message: object) -> object:
        if isinstance(message, messages.Prepare):
            return self._prepare(message.settings)
        if isinstance(message, messages.Watch | messages.Seen):
            self._relay.handle(message)
            return None
        return self._HANDLERS[type(message)](self)

    def _end_with_all(self) -> None:
        # Alone, a worker is no reason to send clients elsewhere while it serves.
        self.stopping = True
        self._end()

    def _end(self) -> None:
        if not self._ending:
            self._ending = True
            self._reactor.stop()

    def _prepare(self, settings: Settings) -> Prepared:
        """Check `settings` and keep the plan."""
        tls = self._parts.tls
        assert self._daemon.reloader is not None  # noqa: S101 - the supervisor has read them
        try:
            self._plan = self._daemon.reloader.plan(settings)
        except UsageError as error:
            return Prepared(" ".join(str(error).split()))
        return Prepared(certificates=() if tls is None else tls.fingerprints())

    def _commit(self) -> None:
        plan, self._plan = self._plan, None
        if plan is not None and self._daemon.reloader is not None:
            self._daemon.reloader.apply(plan)

    def _abort(self) -> None:
        self._plan = None

    _HANDLERS: Final[dict[type[object], Callable[[Worker], object]]] = {
        messages.Stop: _end_with_all,
        messages.Hurry: lambda self: self._parts.drain.hurry(),
        messages.Reopen: lambda self: self._parts.logs.reopen(),
        messages.TakeSnapshot: lambda self: snapshot(self._parts),
        messages.Describe: lambda self: list(self._daemon.status.lines()),
        messages.Commit: _commit,
        messages.Abort: _abort,
    }


def _ended(reason: Failure) -> None:
    """The supervisor is gone, and this process soon will be."""
