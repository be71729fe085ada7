"""
The methods that can be called, by their names, and their descriptions.

Rules: pure.  Only registered names can be called; no call looks up an attribute.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from attrs import evolve, field, frozen

from netd.xmlrpc.faults import NO_METHOD, Fault
from netd.xmlrpc.scalars import shown
from netd.xmlrpc.signature import Signature, TypeNames, signature_of

F = TypeVar("F", bound=Callable[..., object])

# The characters that the specification allows in a methodName.
_NAME: Final = re.compile(r"[A-Za-z0-9_.:/]{1,200}")
_QUEUE: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_ATTRIBUTE: Final = "__rpc__"

SECONDS: Final = 30.0
"""How long a call may take without a timeout of its own."""


def _variants(given: Iterable[Sequence[str]] | None) -> tuple[TypeNames, ...] | None:
    return None if given is None else tuple(map(tuple, given))


@frozen
class RPCOptions:
    """
    A decorator that marks a function for publication and returns it unchanged.

    `name` replaces its own.  With `offload` it runs in a process of netd's
    pool, so it may compute for seconds and must be importable.  `signatures`,
    XML-RPC type names with the result's first, replace its type hints.
    `timeout` in seconds replaces the 30 that a call may take.  With `queue`
    only Celery workers run it that take the calls of `netd.QUEUE`; netd's own
    pool runs it like every other.
    """

    name: str | None = None
    offload: bool = field(default=False, kw_only=True)
    signatures: tuple[TypeNames, ...] | None = field(
        default=None, kw_only=True, converter=_variants
    )
    timeout: float | None = field(default=None, kw_only=True)
    queue: str | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        # A mere `@rpc` would take the function for the name, and publish nothing.
        if callable(self.name):
            raise TypeError("write @rpc(), with parentheses")

    def __call__(self, function: F) -> F:
        setattr(function, _ATTRIBUTE, self)
        return function


rpc = RPCOptions


def rpc_options(function: object) -> RPCOptions | None:
    """The options of a function marked by `@rpc`; None when it is not marked."""
    options = getattr(function, _ATTRIBUTE, None)
    return options if isinstance(options, RPCOptions) else None


@frozen
class Procedure:
    """A method: its name, how it is called, and its function."""

    name: str
    function: Callable[..., object]
    signature: Signature
    help: str = ""
    offload: bool = False
    timeout: float | None = None
    with_peer: bool = False
    """Whether the client's address is passed in front of the parameters."""
    source: tuple[str, str] = ("", "")
    """For a worker: the `module:object` that publishes it, and its name there."""
    queue: str | None = None

    @property
    def seconds(self) -> float:
        """How long a call may take."""
        return SECONDS if self.timeout is None else self.timeout


def procedure(
    function: Callable[..., object],
    name: str | None = None,
    *,
    with_peer: bool = False,
    signatures: Sequence[TypeNames] | None = None,
    text: str | None = None,
) -> Procedure:
    """The Procedure of `function` and its options; ValueError when one is invalid."""
    options = rpc_options(function) or RPCOptions()
    name = name or options.name or str(getattr(function, "__name__", ""))
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{shown(name)} is no name for a method")
    asynchronous = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    if options.offload and asynchronous:
        raise ValueError(f"{name}: async functions run in the daemon, they cannot be offloaded")
    if options.timeout is not None and not 0 < options.timeout <= 86_400:
        raise ValueError(f"{name}: a timeout of {options.timeout} s is not within 0 and a day")
    if options.queue is not None:
        if not options.offload:
            raise ValueError(f"{name}: only offloaded functions have a queue")
        if _QUEUE.fullmatch(options.queue) is None:
            raise ValueError(f"{name}: {shown(options.queue)} is no name for a queue")
    try:
        signature = signature_of(function, signatures or options.signatures, skip=with_peer)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    help_text = (inspect.getdoc(function) if text is None else text) or ""
    return Procedure(
        name,
        function,
        signature,
        help_text,
        options.offload,
        options.timeout,
        with_peer,
        queue=options.queue,
    )


class Registry:
    """Procedures by their names."""

    def __init__(self, procedures: Iterable[Procedure] = ()) -> None:
        self._procedures: dict[str, Procedure] = {}
        self.add_all(procedures)

    def add(self, added: Procedure, prefix: str = "") -> None:
        """Publish a procedure; ValueError when its name is taken."""
        name = f"{prefix}.{added.name}" if prefix else added.name
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{shown(name)} is no name for a method")
        if name in self._procedures:
            raise ValueError(f"there are two methods {name}")
        self._procedures[name] = evolve(added, name=name)

    def add_all(self, procedures: Iterable[Procedure]) -> None:
        """Publish several procedures; ValueError when a name is taken."""
        for added in procedures:
            self.add(added)

    def publish(self, function: F, name: str | None = None) -> F:
        """Publish a function; usable as a decorator."""
        self.add(procedure(function, name))
        return function

    def get(self, name: str) -> Procedure | None:
        """The procedure `name`, or None."""
        return self._procedures.get(name)

    def __getitem__(self, name: str) -> Procedure:
        """The procedure `name`; the Fault of an unknown method when there is none."""
        try:
            return self._procedures[name]
        except KeyError:
            raise Fault(NO_METHOD, f"there is no method {shown(name)}") from None

    def __iter__(self) -> Iterator[Procedure]:
        """All procedures, sorted by name."""
        return (self._procedures[name] for name in sorted(self._procedures))

    def __len__(self) -> int:
        return len(self._procedures)
