"""
The operator's own functions: `[prefix=]module:object` becomes procedures.

Rules: no Twisted.  Whatever cannot be published is a ValueError in one line.
The worker processes find by the same way what the daemon found.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Final, TypeAlias

from attrs import evolve

from netd.xmlrpc.registry import Procedure, Registry, RPCOptions, procedure, rpc_options

_Methods: TypeAlias = dict[str, Callable[..., object]]

_STOCK: Final = "xmlrpc_"
"""How methods of a `twisted.web.xmlrpc.XMLRPC` are named."""


def load(text: str) -> Registry:
    """
    The procedures that `[prefix=]module:object` or `[prefix=]module` publishes.

    The object is a function, an instance, a Registry, or a module with
    `__all__`.  The current directory is looked in too.  ValueError says what
    is wrong; an error of the module itself is named in it.
    """
    prefix, equals, source = text.rpartition("=")
    if equals and not prefix:
        raise ValueError("there is no prefix in front of the =")
    registry = Registry()
    for each in _published(resolve(source)):
        offloaded = evolve(each, source=(source, each.name))
        registry.add(offloaded if each.offload else each, prefix)
    if not len(registry):
        raise ValueError("it publishes nothing")
    return registry


def resolve(source: str) -> object:
    """The object that `module:object`, or `module` alone, names."""
    module, colon, path = source.partition(":")
    if not module or (colon and not path):
        raise ValueError("not a module:object")
    if "" not in sys.path and os.getcwd() not in sys.path:
        # As `python -m` does; the twistd script does not.
        sys.path.insert(0, os.getcwd())
    try:
        found: object = importlib.import_module(module)
    # The module is the operator's, and anything may go wrong in it.
    except Exception as wrong:
        raise ValueError(f"{type(wrong).__name__}: {wrong}") from wrong
    for name in path.split(".") if path else ():
        if not hasattr(found, name):
            raise ValueError(f"there is no {name} in {module}")
        found = getattr(found, name)
    return found


def _published(found: object) -> Iterator[Procedure]:
    """What an object publishes, by the kind of object that it is."""
    if isinstance(found, Registry):
        return iter(found)
    if isinstance(found, Procedure):
        return iter((found,))
    if isinstance(found, ModuleType):
        return _of_module(found)
    if isinstance(found, type):
        raise ValueError(f"{found.__name__} is a class; publish an instance of it")
    if inspect.isroutine(found):
        return iter((procedure(found),))
    return _of_instance(found)


def _of_module(module: ModuleType) -> Iterator[Procedure]:
    """The functions that a module names in `__all__`."""
    names = getattr(module, "__all__", None)
    if names is None:
        raise ValueError(
            f"the module {module.__name__} has no __all__ that says what to publish"
        )
    for name in names:
        each = getattr(module, name)
        if inspect.isroutine(each):
            yield procedure(each, None if rpc_options(each) else name)


def _of_instance(found: object) -> Iterator[Procedure]:
    """
    The methods of an instance: `xmlrpc_*`, or those marked, or all public ones.

    The first that there are any of decides, so that marking one method hides
    the others.
    """
    methods: _Methods = dict(inspect.getmembers(found, inspect.isroutine))
    stock = {n[len(_STOCK) :]: each for n, each in methods.items() if n.startswith(_STOCK)}
    handlers = getattr(found, "subHandlers", None)
    if stock or handlers:
        yield from _of_stock(stock)
        for prefix, each in sorted((handlers or {}).items()):
            yield from (evolve(one, name=f"{prefix}.{one.name}") for one in _of_instance(each))
        return
    marked = {name: each for name, each in methods.items() if rpc_options(each)}
    public = {name: each for name, each in methods.items() if not name.startswith("_")}
    for name, each in (marked or public).items():
        yield procedure(each, (rpc_options(each) or RPCOptions()).name or name)


def _of_stock(methods: _Methods) -> Iterator[Procedure]:
    """`xmlrpc_*` methods, with the `signature` and `help` that twisted.web.xmlrpc reads."""
    for name, each in methods.items():
        if getattr(each, "withRequest", False):
            raise ValueError(f"{_STOCK}{name} wants the request, which is not given here")
        said = getattr(each, "signature", None)
        yield procedure(
            each,
            (rpc_options(each) or RPCOptions()).name or name,
            signatures=None if said is None else [tuple(one) for one in said],
            text=getattr(each, "help", None),
        )
