"""
What can be called by which name, and how it describes itself.

Rules: pure.  Only registered names can be called; nothing is looked up by
attribute when a call comes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from attrs import evolve, frozen

from netd.xmlrpc.faults import NO_METHOD, Fault
from netd.xmlrpc.scalars import shown
from netd.xmlrpc.signature import Signature, TypeNames, signature_of

F = TypeVar("F", bound=Callable[..., object])

# What the specification lets a methodName be made of.
_NAME: Final = re.compile(r"[A-Za-z0-9_.:/]{1,200}")
_ATTRIBUTE: Final = "__rpc__"


@frozen
class RPCOptions:
    """What `@rpc` said of a function."""

    name: str | None = None
    offload: bool = False
    signatures: tuple[TypeNames, ...] | None = None
    timeout: float | None = None


def rpc(
    name: str | None = None,
    *,
    offload: bool = False,
    signatures: Iterable[Sequence[str]] | None = None,
    timeout: float | None = None,
) -> Callable[[F], F]:
    """
    Mark a function for publication and return it unchanged.

    `name` replaces its own.  With `offload` it runs in a process of netd's
    pool, so it may compute for seconds and must be importable.  `signatures`,
    XML-RPC type names with the result's first, replace what the hints say.
    `timeout` in seconds replaces the 30 that a call may take.
    """
    given = None if signatures is None else tuple(map(tuple, signatures))
    options = RPCOptions(name, offload, given, timeout)

    def wrap(function: F) -> F:
        setattr(function, _ATTRIBUTE, options)
        return function

    return wrap


def rpc_options(function: object) -> RPCOptions | None:
    """What `@rpc` said of `function`; None when nobody marked it."""
    found = getattr(function, _ATTRIBUTE, None)
    return found if isinstance(found, RPCOptions) else None


@frozen
class Procedure:
    """One method: its name, how it is called, and the function behind it."""

    name: str
    function: Callable[..., object]
    signature: Signature
    help: str = ""
    offload: bool = False
    timeout: float | None = None
    with_peer: bool = False
    """Whether the function gets the client's address in front of the parameters."""
    source: tuple[str, str] = ("", "")
    """For a worker: the `module:object` that brings it, and its name there."""


def procedure(
    function: Callable[..., object],
    name: str | None = None,
    *,
    with_peer: bool = False,
    signatures: Sequence[TypeNames] | None = None,
    text: str | None = None,
) -> Procedure:
    """A Procedure made of `function` and its options; ValueError when one is invalid."""
    options = rpc_options(function) or RPCOptions()
    named: str = getattr(function, "__name__", "")
    called = name or options.name or named
    if _NAME.fullmatch(called) is None:
        raise ValueError(f"{shown(called)} is no name for a method")
    if options.offload and (
        inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    ):
        raise ValueError(
            f"{called}: async functions run in the daemon, they cannot be offloaded"
        )
    if options.timeout is not None and not 0 < options.timeout <= 86_400:
        raise ValueError(
            f"{called}: a timeout of {options.timeout} s is not within 0 and a day"
        )
    try:
        found = signature_of(function, signatures or options.signatures, skip=with_peer)
    except ValueError as wrong:
        raise ValueError(f"{called}: {wrong}") from None
    help_text = inspect.getdoc(function) if text is None else text
    return Procedure(
        called, function, found, help_text or "", options.offload, options.timeout, with_peer
    )


class Registry:
    """Procedures by their names."""

    def __init__(self, procedures: Iterable[Procedure] = ()) -> None:
        self._procedures: dict[str, Procedure] = {}
        for each in procedures:
            self.add(each)

    def add(self, each: Procedure, prefix: str = "") -> None:
        """Publish one more; ValueError when its name is taken."""
        name = f"{prefix}.{each.name}" if prefix else each.name
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{shown(name)} is no name for a method")
        if name in self._procedures:
            raise ValueError(f"there are two methods {name}")
        self._procedures[name] = evolve(each, name=name)

    def publish(self, function: F, name: str | None = None) -> F:
        """Publish a function; usable as a decorator."""
        self.add(procedure(function, name))
        return function

    def get(self, name: str) -> Procedure | None:
        """The procedure `name`, if there is one."""
        return self._procedures.get(name)

    def __getitem__(self, name: str) -> Procedure:
        """The procedure `name`; a Fault with the code for an unknown method when none is."""
        try:
            return self._procedures[name]
        except KeyError:
            raise Fault(NO_METHOD, f"there is no method {shown(name)}") from None

    def __iter__(self) -> Iterator[Procedure]:
        """All of them, by name."""
        return (self._procedures[name] for name in sorted(self._procedures))

    def __len__(self) -> int:
        return len(self._procedures)
