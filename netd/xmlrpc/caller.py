"""
One call: from a name and parameters to a result, now or later, or a Fault.

Rules: knows no HTTP and no XML.  An exception of a method that is no Fault is a
bug: the log gets its traceback under an id, the client gets the id.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from netd.counters import Counters
from netd.steps import Steps
from netd.turns import Turns
from netd.values import escape_unprintable
from netd.xmlrpc import awaiting, faults
from netd.xmlrpc.codec import fault_struct
from netd.xmlrpc.faults import BadParameters, Fault, as_fault
from netd.xmlrpc.registry import Procedure, Registry, procedure, rpc
from netd.xmlrpc.scalars import Value
from netd.xmlrpc.writer import Encoded

_log = Logger()

MULTICALL: Final = "system.multicall"
MOST_CALLS: Final = 100
"""Calls in one multicall."""


class Caller:
    """
    Calls the methods of a registry, to which it adds `system.multicall`.

    `run` starts an offloaded call; `waits` says of its Deferred whether it has yet to begin.
    """

    def __init__(
        self,
        registry: Registry,
        clock: IReactorTime,
        run: Callable[[Procedure, Sequence[Value]], Deferred[Encoded]],
        counters: Counters | None = None,
        waits: Callable[[Deferred[Value]], bool] = lambda _: False,
    ) -> None:
        self._registry = registry
        self.clock = clock
        self._run = run
        self.waits = waits
        self._calls = (Counters() if counters is None else counters).calls
        self._holds = awaiting.HoldLog(clock)
        self.turns = Turns.of(clock)
        registry.add(procedure(self.multicall, MULTICALL, with_peer=True))

    def start(self, peer: str, name: str, values: Sequence[Value]) -> Value:
        """The result of a call, or a Deferred of it that can be cancelled; or a Fault."""
        try:
            method = self._registry[name]
            method.signature.check(name, values)
        except Fault as fault:
            self.count_fault(fault, name)
            raise
        return self.begin(method, peer, values)

    def checked(self, name: str, values: Sequence[Value]) -> Steps[Procedure]:
        """The method that takes these parameters, for `begin`; or a Fault."""
        try:
            method = self._registry[name]
            yield from method.signature.check_in_steps(name, values)
        except Fault as fault:
            self.count_fault(fault, name)
            raise
        return method

    def count_fault(self, fault: Fault, name: str = "") -> None:
        """Count a failed call; all unknown names share one counter, and all unknown codes."""
        known = "" if fault.code == faults.NO_METHOD else name
        code = fault.code if fault.code in faults.KNOWN else faults.APPLICATION
        self._calls[known, code] += 1

    def count_end(self, result: Value, name: str) -> None:
        """Count a call that ended later, with a result or a Failure."""
        if not isinstance(result, Failure):
            self._calls[name, 0] += 1
        elif isinstance(result.value, Fault):
            self.count_fault(result.value, name)
        else:
            self._calls[name, faults.CANCELLED] += 1

    def begin(self, method: Procedure, peer: str, values: Sequence[Value]) -> Value:
        """As `start`, of a method with values that were checked."""
        result: Value
        began = self._holds.began()
        try:
            if method.offload:
                result = self._run(method, values)
            elif method.with_peer:
                result = method.function(peer, *values)
            else:
                result = method.function(*values)
        # A bug of the method is a fault of this call only, SystemExit included.
        except BaseException as error:
            fault = _method_fault(method.name, Failure(error))
            self.count_fault(fault, method.name)
            raise fault from None
        finally:
            self._holds.ended(method.name, began)
        if isinstance(result, Awaitable) and not isinstance(result, Deferred):
            result = awaiting.deferred(result, method.name, self._holds)
        if isinstance(result, Deferred):
            return _Limited(self, result, method).result
        self._calls[method.name, 0] += 1
        return result

    # Each of its calls has a timeout, so it needs none of its own.
    @rpc(timeout=86_400)
    async def multicall(self, peer: str, calls: list[Value]) -> list[Value]:
        """
        Make up to 100 calls, each a struct of methodName and params, and give all results.

        The results stand in the order of the calls: an array of the one result,
        or the struct of a fault.  Methods that wait do so at the same time.
        """
        if len(calls) > MOST_CALLS:
            raise BadParameters(f"{len(calls)} calls, at most {MOST_CALLS} are taken")
        started: list[Value] = []
        results: list[Value] = []
        try:
            await self.turns.finish(self._start_all(peer, calls, started))
            # Their results may come much later.
            del calls
            for result in started:
                try:
                    value = await result if isinstance(result, Deferred) else result
                except Fault as fault:
                    value = fault
                results.append(fault_struct(value) if isinstance(value, Fault) else [value])
        finally:
            for result in started[len(results) :]:
                if isinstance(result, Deferred):
                    result.addErrback(lambda _: None)
                    result.cancel()
        return results

    def _start_all(self, peer: str, calls: list[Value], started: list[Value]) -> Steps[None]:
        """Start the calls in order; a fault takes the place of a result."""
        for call in calls:
            try:
                name, values = _element(call)
                method = yield from self.checked(name, values)
                started.append(self.begin(method, peer, values))
            except Fault as fault:
                started.append(fault)
            yield


class _Limited:
    """
    A call with a timeout; `result` is there at once when it times out or is cancelled.

    Thousands may wait, so a call has one of these and no closures.
    """

    __slots__ = ("_caller", "_inner", "_method", "_timer", "result")

    def __init__(self, caller: Caller, inner: Deferred[Value], method: Procedure) -> None:
        self._caller = caller
        self._inner = inner
        self._method = method
        self._timer = caller.clock.callLater(method.seconds, self._time_over)
        self.result: Deferred[Value] = Deferred(self._cancelled)
        inner.addBoth(self._ended)

    def _end(self, result: Value) -> None:
        if self._timer.active():
            self._timer.cancel()
        self._caller.count_end(result, self._method.name)
        self.result.callback(result)

    def _give_up(self, error: Exception) -> None:
        self._end(Failure(error))
        self._inner.cancel()

    def _cancelled(self, _: Deferred[Value]) -> None:
        self._give_up(CancelledError())

    def _ended(self, result: Value) -> None:
        given_up = self.result.called
        if isinstance(result, Failure):
            if given_up and result.check(CancelledError, Fault):
                # Its traceback is in a cycle with frames that hold the parameters.
                result.cleanFailure()
                return
            # A bug is logged in any case.
            result = Failure(_method_fault(self._method.name, result))
        if not given_up:
            self._end(result)

    def _time_over(self) -> None:
        name, seconds = self._method.name, self._method.seconds
        text = f"{name} took longer than {seconds:g} s"
        if self._caller.waits(self._inner):
            text = f"{name} waited {seconds:g} s for a worker"
        self._give_up(Fault(faults.TIMEOUT, text))


def _element(call: Value) -> tuple[str, list[Value]]:
    """Method and parameters of an element of a multicall."""
    if type(call) is not dict or set(call) != {"methodName", "params"}:
        raise Fault(faults.NOT_XMLRPC, "a call is a struct of methodName and params")
    name, parameters = call["methodName"], call["params"]
    if type(name) is not str or type(parameters) is not list:
        raise Fault(faults.NOT_XMLRPC, "methodName is a string and params an array")
    if name == MULTICALL:
        raise Fault(faults.NOT_XMLRPC, f"{MULTICALL} inside {MULTICALL} is forbidden")
    return name, parameters


def _method_fault(name: str, failure: Failure) -> Fault:
    """The fault for an exception of a method; a bug is logged under an id."""
    fault = as_fault(failure.value) if failure.value is not None else None
    if fault is not None and not fault.trace:
        return fault
    if failure.check(CancelledError):
        return Fault(faults.CANCELLED, "cancelled")
    return internal_error(name, failure, fault.trace if fault is not None else "")


def internal_error(name: str, failure: Failure, trace: str = "") -> Fault:
    """
    The fault of a bug of the operator's, which is logged under the id in the fault's text.

    A bug is logged as an error; netd's own are critical.
    """
    key = secrets.token_hex(4)
    if trace:
        trace = escape_unprintable(trace, keep="\n\t")
        _log.error(
            "{name} failed (id {key}) in a worker:\n{trace}", name=name, key=key, trace=trace
        )
    else:
        advice = awaiting.hint(failure.value)
        text = "{name} failed (id {key}): {advice}" if advice else "{name} failed (id {key})"
        _log.failure(text, failure, LogLevel.error, name=name, key=key, advice=advice)
    return Fault(faults.APPLICATION, f"internal error (id {key})")
