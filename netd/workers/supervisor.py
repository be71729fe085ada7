"""
The supervisor: starts workers, replaces those that end or stand still, and stops them.

Rules: serves nobody but --metrics-http, so that its reactor never stands still.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from twisted.python.usage import UsageError

from netd.lab.counts import Counts
from netd.ops.signals import limit_stop, on_signal, on_stop_signal
from netd.ops.status import Status, bounded
from netd.ops.systemd import Notifier
from netd.workers import messages, template
from netd.workers.backoff import ALONE_DELAY
from netd.workers.control import Control, reap_orphans
from netd.workers.group import Group
from netd.workers.link import Link, adopt
from netd.workers.relay import Exchange
from netd.workers.slot import Slot
from netd.workers.totals import PATIENCE_SECONDS, Totals
from netd.workers.two_phase import TwoPhase
from netd.workers.watchdog import Watchdog
from netd.workers.worker import ServedDaemon, forget_log, is_supervisors, main

_log = Logger()

_LINE: Final = "worker {worker}: {worker_text}"

SHUT_SECONDS: Final = 1.0
"""Time until listening sockets are shut down for a worker that does not close them."""
OVERTIME_SECONDS: Final = 1.0
"""Time after the grace until workers are killed."""
HURRY_SECONDS: Final = 0.5
"""Time after a second stop signal until workers are killed."""


class Supervisor(Service):
    """The service of a daemon with workers, which run the services of `daemon`."""

    name = "supervisor"
    stopping = False
    _closing = False
    """Whether the time between the announcement of a stop and the stop is over."""

    def __init__(self, daemon: ServedDaemon, group: Group) -> None:
        assert daemon.reloader is not None  # noqa: S101 - for the type checker
        parts, settings = daemon.parts, daemon.parts.settings
        self._daemon = daemon
        self._group = group
        self._parts = parts
        self._reactor = parts.reactor
        self._slots = [Slot(index) for index in range(group.workers)]
        self._totals = Totals(parts, self._slots)
        self._notifier = Notifier(
            self._reactor, daemon.listening, parts.environ, self._summary, daemon.places
        )
        self._two_phase = TwoPhase(
            daemon.reloader, parts.tls, self._slots, settings, self._reactor
        )
        self._monitoring = [each for each in daemon.listeners() if is_supervisors(each)]
        self._once = daemon.once()
        self._shared = [each for each in daemon.listeners() if not is_supervisors(each)]
        self._counts = Counts()
        self._exchange = Exchange(self._slots)
        timeout = settings.workers.timeout.seconds
        self._watchdog = Watchdog(self._slots, group.board, timeout, self._reactor)
        self._served = False
        self._reloads = 0
        self._timers: list[IDelayedCall] = []
        self._stopped: Deferred[None] | None = None
        self._template = 0
        self._control: Control
        group.role = self

    # The role

    def role_name(self) -> str:
        """`supervisor of 4 workers`."""
        return f"supervisor of {self._group.workers} workers"

    def publish(self) -> None:
        """No-op: the supervisor has no row."""

    def ask(self, message: messages.Asked, done: Callable[[object], object]) -> None:
        """Do what `message` asks for; `done` gets the response."""
        maybeDeferred(self._asked, message).addCallback(done)

    def _asked(self, message: messages.Asked) -> object:
        if isinstance(message, messages.Count):
            counts = self._counts
            return (counts.forget if message.forget else counts.count)(message.key)
        return self._totals.collect(message)

    # Start

    def setServiceParent(self, parent: object) -> None:
        """Join twistd's application, and write its log unless somebody else does."""
        Service.setServiceParent(self, parent)
        self._parts.logs.attach(parent)

    def privilegedStartService(self) -> None:
        """Bind."""
        Service.privilegedStartService(self)
        self._daemon.privilegedStartService()

    def abandon(self) -> None:
        """Close what was opened before a start that failed."""
        self._daemon.abandon()

    def startService(self) -> None:
        """Fork the template; workers are started once the reactor runs."""
        # A reactor that runs, or a thread, would be half there in a fork.
        if getattr(self._reactor, "running", False) or threading.active_count() > 1:
            raise UsageError("--workers: must be started before the reactor and any thread")
        Service.startService(self)
        descriptors = [sock.fileno() for each in self._shared for sock in each.sockets]
        plan = template.Plan(
            forget_log,
            partial(main, self._daemon, self._group),
            {*descriptors, *self._parts.logs.descriptors()},
            self._close_copies,
            self._parts.logs.reopen,
        )
        self._template, sock = template.fork(plan)
        on_signal(self._reactor, "SIGHUP", self.reload)
        on_signal(self._reactor, "SIGUSR1", self.reopen_logs)
        on_signal(self._reactor, "SIGUSR2", self._dump)
        drain = self._parts.drain
        limit_stop(self._reactor, lambda: drain.delay + drain.grace + OVERTIME_SECONDS)
        self._reactor.callWhenRunning(self._begin, sock)

    def _close_copies(self) -> None:
        """Close the template's copies of the sockets."""
        for listener in self._shared:
            for sock in listener.sockets:
                sock.close()

    def _begin(self, sock: socket.socket) -> None:
        self._control = Control(self._reactor, sock, self._received, self._template_lost)
        for listener in self._monitoring:
            # This process drains nothing, and closes the listener at the end of a stop.
            listener.after = None
            listener.startService()
        for slot in self._slots:
            self._launch(slot)
        self._watchdog.start()

    def _launch(self, slot: Slot) -> None:
        """Let the template start a worker for `slot`."""
        ours, theirs = socket.socketpair()
        slot.timer = None
        slot.link = Link(partial(self._handle, slot), partial(self._unlinked, slot))
        slot.linked = True
        slot.started = self._reactor.seconds()
        slot.generation = self._two_phase.generation
        adopt(self._reactor, ours, slot.link)
        slot.send(messages.Start(self._two_phase.settings, slot.generation))
        self._control.send(f"start {slot.index}", theirs.fileno())
        theirs.close()

    # What the template and the workers say

    def _received(self, words: list[str]) -> None:
        slot = self._slots[int(words[1])]
        slot.pid = int(words[2])
        if words[0] == "ended":
            slot.ended = int(words[3])
            slot.cpu_seconds += float(words[4])
            self._gone(slot)

    def _unlinked(self, slot: Slot) -> None:
        slot.linked = False
        self._gone(slot)

    def _handle(self, slot: Slot, message: object) -> object:
        """Take a message of the worker of `slot`; the response to it."""
        if isinstance(message, messages.Counted):
            slot.snapshot = message.snapshot
        elif isinstance(message, messages.Line):
            self._log_line(slot, message)
        elif isinstance(message, messages.Asked):
            return self._asked(message)
        elif isinstance(message, messages.Watch | messages.Seen):
            self._exchange.handle(slot, message)
        elif isinstance(message, messages.Failed):
            slot.failure = message.reason
        elif isinstance(message, messages.Closed):
            slot.closed = True
            self._close_when_closed()
        elif isinstance(message, messages.Ready):
            self._ready(slot)
        return None

    def _ready(self, slot: Slot) -> None:
        slot.ready = True
        self._exchange.ready(slot)
        Deferred.fromCoroutine(self._two_phase.update(slot)).addErrback(_bug)
        if not self._served and all(each.ready for each in self._slots):
            self._served = True
            for service in (*self._once, self._notifier):
                service.startService()
            self._daemon.show_console()

    def _log_line(self, slot: Slot, line: messages.Line) -> None:
        Logger(line.namespace).emit(
            LogLevel.lookupByName(line.level),
            f"{_LINE}\n{{worker_traceback}}" if line.traceback else _LINE,
            worker=slot.index + 1,
            worker_text=line.text,
            worker_traceback=line.traceback,
            **line.refusal,
        )

    # The end of a worker

    def _gone(self, slot: Slot) -> None:
        """A worker has ended, once the template says so and all it has sent is here."""
        if slot.ended is None or slot.linked:
            return
        self._totals.settle(slot)
        self._exchange.gone(slot)
        self._group.board.clear(slot.index)
        reap_orphans(self._template)
        lived = self._reactor.seconds() - slot.started
        why, reason, failed = slot.description(), slot.reason(), not self._served
        if not self.stopping:
            _log.warn(
                "worker {worker} (pid {pid}): {why}; {connections} connections were open",
                worker=slot.index + 1,
                pid=slot.pid,
                why=why,
                connections=slot.open_connections(),
            )
        slot.clear()
        if self.stopping:
            self._close_when_closed()
            self._end_when_ended()
        elif failed:
            self._fail(why)
        else:
            slot.restarts[reason] += 1
            delay = slot.backoff.delay(lived)
            if not any(each.ready for each in self._slots):
                delay = min(delay, ALONE_DELAY)
            slot.timer = self._reactor.callLater(delay, self._launch, slot)

    def _template_lost(self) -> None:
        """The template is gone; its workers are, too."""
        with suppress(ChildProcessError):
            os.waitpid(self._template, 0)
        if self._stopped is not None and self._stopped.called:
            return
        self._fail("the process that workers are forked from has ended")
        for slot in self._slots:
            if slot.link is not None and slot.ended is None:
                slot.ended = int(signal.SIGKILL)
                self._gone(slot)

    def _fail(self, why: str) -> None:
        """End with status 1."""
        if not self.stopping:
            self.stopping = True
            _log.critical("cannot go on: {why}", why=why)
            atexit.register(os._exit, 1)
            self._reactor.stop()

    # Signals

    def reload(self) -> None:
        """Read the configuration again and use it everywhere, unless any of it is wrong."""
        self._reloads += 1
        if self._reloads == 1 and not self.stopping:
            Deferred.fromCoroutine(self._reload_all()).addErrback(_bug)

    async def _reload_all(self) -> None:
        while self._reloads and not self.stopping:
            # All requests so far are met by one reload.
            self._reloads = 1
            self._notifier.reloading()
            self.reopen_logs()
            self._notifier.reloaded(await self._two_phase())
            self._reloads -= 1

    def reopen_logs(self) -> None:
        """Write to new log files, after a rotation."""
        self._parts.logs.reopen()
        self._control.send("reopen")
        for slot in self._slots:
            slot.send(messages.Reopen())

    def _summary(self) -> str:
        up = sum(slot.ready for slot in self._slots)
        return f"{up} of {len(self._slots)} workers. {self._status().summary()}"

    def _status(self) -> Status:
        return self._totals.status(self._daemon.listening)

    def _dump(self) -> None:
        """Log the status of all processes together, then that of each worker."""
        self._totals.refresh(self._dump_fresh)

    def _dump_fresh(self) -> None:
        pids = {f"worker {slot.name}": slot.pid or "none" for slot in self._slots}
        _log.info("state: processes: {pids}", pids=bounded(pids.items()))
        self._status().dump()
        for slot in self._slots:
            if slot.ready:
                asked = slot.ask(messages.Describe(), PATIENCE_SECONDS, self._reactor)
                asked.addCallbacks(partial(_log_status, slot.name), lambda _: None)

    # Stop

    def stopService(self) -> Deferred[None]:
        """Stop all workers; fires when the last one has ended."""
        Service.stopService(self)
        self.stopping = True
        self._stopped = Deferred()
        drain = self._parts.drain
        restore: Callable[[None], None] = on_stop_signal(
            self._reactor, self._hurry, lambda: drain.left() + OVERTIME_SECONDS
        )
        self._notifier.stopService()
        self._watchdog.stop()
        for slot in self._slots:
            if slot.timer is not None:
                slot.timer.cancel()
                slot.timer = None
            slot.send(messages.Stop())
        drain.announce().addCallback(self._begin_closing)
        self._end_when_ended()
        return self._stopped.addCallback(self._close).addBoth(restore)

    def _begin_closing(self, _: None) -> None:
        """See that the sockets close, and that the workers end."""
        if self._stopped is None or self._stopped.called:
            return
        self._closing = True
        self._control.send("close")
        self._later(SHUT_SECONDS, self._shut)
        self._later(self._parts.drain.grace + OVERTIME_SECONDS, self._kill_all)
        self._close_when_closed()

    def _later(self, seconds: float, function: Callable[[], object]) -> None:
        self._timers.append(self._reactor.callLater(seconds, function))

    def _close_when_closed(self) -> None:
        """Close the sockets when no worker accepts any more: newcomers are refused."""
        if self.stopping and all(slot.closed or slot.link is None for slot in self._slots):
            for listener in self._shared:
                listener.stopService()

    def _shut(self) -> None:
        """Refuse newcomers although a worker does not close its sockets."""
        for listener in self._shared:
            listener.shut()
            listener.stopService()

    def _hurry(self) -> None:
        """End what the stop waits for: the announcement, or else the grace."""
        for slot in self._slots:
            slot.send(messages.Hurry())
        if self._closing:
            self._later(HURRY_SECONDS, self._kill_all)
        else:
            self._parts.drain.hurry()

    def _kill_all(self) -> None:
        for slot in self._slots:
            slot.kill(signal.SIGKILL)

    def _end_when_ended(self) -> None:
        if self._stopped is None or self._stopped.called:
            return
        if all(slot.link is None for slot in self._slots):
            self._stopped.callback(None)

    def _close(self, _: None) -> Deferred[None]:
        for timer in self._timers:
            if timer.active():
                timer.cancel()
        self._control.close()
        # Nothing is left to drain; this says that it is over.
        self._parts.drain.stopService()
        others = (*self._once, *self._monitoring)
        closed = gatherResults([maybeDeferred(each.stopService) for each in others])

        def end(_: object) -> None:
            self._notifier.close()
            self._parts.logs.stop()

        return closed.addBoth(end)


def _log_status(worker: str, lines: list[str]) -> None:
    for line in lines:
        _log.info("state: worker {worker}: {line}", worker=int(worker), line=line)


def _bug(failure: Failure) -> None:
    _log.failure("a bug", failure)
