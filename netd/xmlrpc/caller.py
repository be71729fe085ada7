"""
One call: from a name and parameters to a result, now or later, or a Fault.

Rules: knows no HTTP and no XML.  Whatever a method raises that is no Fault is a
bug: its traceback goes to the log under an id, and the client gets the id.
"""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from netd.counters import Counters
from netd.xmlrpc.codec import member
from netd.xmlrpc.cooperative import Cooperative
from netd.xmlrpc.faults import (
    APPLICATION,
    CANCELLED,
    KNOWN,
    NO_METHOD,
    NOT_XMLRPC,
    TIMEOUT,
    BadParameters,
    Fault,
    as_fault,
)
from netd.xmlrpc.registry import Procedure, Registry, procedure, rpc
from netd.xmlrpc.scalars import Value
from netd.xmlrpc.steps import Steps
from netd.xmlrpc.writer import Encoded

_log = Logger()

MULTICALL: Final = "system.multicall"
MOST_CALLS: Final = 100
"""The calls in one multicall."""

SECONDS: Final = 30.0
"""How long a call may take that says nothing else."""


class Caller:
    """Calls what a registry holds, and adds `system.multicall` to it."""

    def __init__(
        self,
        registry: Registry,
        clock: IReactorTime,
        run: Callable[[Procedure, Sequence[Value]], Deferred[Encoded]],
        seconds: float = SECONDS,
        counters: Counters | None = None,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._run = run
        self._seconds = seconds
        self._calls = (Counters() if counters is None else counters).calls
        self.cooperative = Cooperative(clock)
        registry.add(procedure(self.multicall, MULTICALL, with_peer=True))

    def start(self, peer: str, name: str, parameters: Sequence[Value]) -> Value:
        """The result of a call, or a Deferred of it that can be cancelled; or a Fault."""
        try:
            result = self._start(peer, name, parameters)
        except Fault as wrong:
            self.count_fault(wrong, name)
            raise
        return self._counted(result, name)

    def start_in_steps(self, peer: str, name: str, parameters: Sequence[Value]) -> Steps[Value]:
        """The same as `start`, the parameters looked at in turns."""
        try:
            found = self._registry[name]
            yield from found.signature.check_in_steps(name, parameters)
            result = self._started(found, peer, parameters)
        except Fault as wrong:
            self.count_fault(wrong, name)
            raise
        return self._counted(result, name)

    def count_fault(self, wrong: Fault, name: str = "") -> None:
        """Count a call that came to nothing; clients may make names and methods codes up."""
        known = "" if wrong.code == NO_METHOD else name
        self._calls[known, wrong.code if wrong.code in KNOWN else APPLICATION] += 1

    def _counted(self, result: Value, name: str) -> Value:
        if isinstance(result, Deferred):
            return result.addBoth(self._ended, name)
        self._calls[name, 0] += 1
        return result

    def _ended(self, result: Value, name: str) -> Value:
        if not isinstance(result, Failure):
            self._calls[name, 0] += 1
        elif isinstance(result.value, Fault):
            self.count_fault(result.value, name)
        else:
            self._calls[name, CANCELLED] += 1
        return result

    def _start(self, peer: str, name: str, parameters: Sequence[Value]) -> Value:
        found = self._registry[name]
        found.signature.check(name, parameters)
        return self._started(found, peer, parameters)

    def _started(self, found: Procedure, peer: str, parameters: Sequence[Value]) -> Value:
        try:
            result = self._begin(found, peer, parameters)
        # A method's own mistake must not become the daemon's.
        except Exception as wrong:
            raise _fault(found.name, Failure(wrong)) from None
        if isinstance(result, Deferred):
            return self._limited(result, found)
        return result

    def _begin(self, found: Procedure, peer: str, parameters: Sequence[Value]) -> Value:
        if found.offload:
            return self._run(found, parameters)
        if found.with_peer:
            result = found.function(peer, *parameters)
        else:
            result = found.function(*parameters)
        return Deferred.fromCoroutine(result) if inspect.iscoroutine(result) else result

    def _limited(self, inner: Deferred[Value], found: Procedure) -> Deferred[Value]:
        """`inner`, but a Fault when it takes too long, and never later than it is cancelled."""
        seconds = self._seconds if found.timeout is None else found.timeout
        outer: Deferred[Value] = Deferred(lambda _: given_up(CancelledError()))

        def given_up(why: Exception) -> None:
            if timer.active():
                timer.cancel()
            outer.errback(why)
            inner.cancel()

        def ended(result: Value) -> None:
            if timer.active():
                timer.cancel()
            if isinstance(result, Failure):
                if outer.called and result.check(CancelledError, Fault):
                    return
                result = Failure(_fault(found.name, result))
            if not outer.called:
                outer.callback(result)

        late = Fault(TIMEOUT, f"{found.name} took longer than {seconds:g} s")
        timer = self._clock.callLater(seconds, given_up, late)
        inner.addBoth(ended)
        return outer

    # Each of its calls has a limit, so that it needs none of its own.
    @rpc(timeout=86_400)
    async def multicall(self, peer: str, calls: list[Value]) -> list[Value]:
        """
        Make up to 100 calls, each a struct of methodName and params, and give all results.

        The answers stand in the order of the calls: an array of the one result,
        or the struct of a fault.  Methods that wait do so at the same time.
        """
        if len(calls) > MOST_CALLS:
            raise BadParameters(f"{len(calls)} calls, at most {MOST_CALLS} are taken")
        started: list[Value] = []
        results: list[Value] = []
        try:
            await self.cooperative.finish(self._start_all(peer, calls, started))
            for each in started:
                try:
                    result = await each if isinstance(each, Deferred) else each
                except Fault as wrong:
                    result = wrong
                results.append(member(result) if isinstance(result, Fault) else [result])
        finally:
            for each in started[len(results) :]:
                if isinstance(each, Deferred):
                    each.addErrback(lambda _: None)
                    each.cancel()
        return results

    def _start_all(self, peer: str, calls: list[Value], started: list[Value]) -> Steps[None]:
        """Start one call after the other; a fault stands in the place of a result."""
        for each in calls:
            try:
                started.append((yield from self.start_in_steps(peer, *_element(each))))
            except Fault as wrong:
                started.append(wrong)
            yield


def _element(each: Value) -> tuple[str, list[Value]]:
    """Method and parameters of one element of a multicall."""
    if type(each) is not dict or set(each) != {"methodName", "params"}:
        raise Fault(NOT_XMLRPC, "a call is a struct of methodName and params")
    name, parameters = each["methodName"], each["params"]
    if type(name) is not str or type(parameters) is not list:
        raise Fault(NOT_XMLRPC, "methodName is a string and params an array")
    if name == MULTICALL:
        raise Fault(NOT_XMLRPC, f"{MULTICALL} inside {MULTICALL} is forbidden")
    return name, parameters


def _fault(name: str, failure: Failure) -> Fault:
    """The fault that a method's exception comes to; a bug is logged under an id."""
    wrong = failure.value
    known = as_fault(wrong) if wrong is not None else None
    if known is not None and not known.trace:
        return known
    if isinstance(wrong, CancelledError):
        return Fault(CANCELLED, "cancelled")
    return internal_error(name, failure, known.trace if known is not None else "")


def internal_error(name: str, failure: Failure, trace: str = "") -> Fault:
    """The fault of a bug, which is logged under the id that the fault's text names."""
    key = secrets.token_hex(4)
    if trace:
        _log.error(
            "{name} failed (id {key}) in a worker:\n{trace}", name=name, key=key, trace=trace
        )
    else:
        _log.failure("{name} failed (id {key})", failure, name=name, key=key)
    return Fault(APPLICATION, f"internal error (id {key})")
