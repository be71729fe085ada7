"""
The operator's own functions: `[prefix=]module:object` becomes procedures.

Rules: no Twisted.  An object that cannot be published is a ValueError of one
line.  Workers load the same objects by the same functions.
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
"""The prefix of the methods of a `twisted.web.xmlrpc.XMLRPC`."""


def load(text: str) -> Registry:
    """
    The procedures that `[prefix=]module:object` or `[prefix=]module` publishes.

    The object is a function, an instance, a Registry, or a module with
    `__all__`.  The current directory is searched too.  ValueError says what is
    wrong, an error of the module included.
    """
    prefix, equals, source = text.rpartition("=")
    if equals and not prefix:
        raise ValueError("not PREFIX=MODULE:OBJECT, because the prefix is missing")
    registry = Registry()
    try:
        methods = list(_published(resolve(source)))
    except ValueError:
        raise
    # The operator's properties and modules may raise anything.
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    for method in methods:
        offloaded = evolve(method, source=(source, method.name))
        registry.add(offloaded if method.offload else method, prefix)
    if not len(registry):
        raise ValueError("it publishes nothing")
    return registry


def resolve(source: str) -> object:
    """The object that `module:object`, or `module` alone, names."""
    module, colon, path = source.partition(":")
    if not module or (colon and not path):
        raise ValueError("not MODULE:OBJECT")
    if "" not in sys.path and os.getcwd() not in sys.path:
        # As `python -m` does; the twistd script does not.
        sys.path.insert(0, os.getcwd())
    try:
        resolved: object = importlib.import_module(module)
    # The operator's module may raise anything, and call sys.exit.
    except (Exception, SystemExit) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    for name in path.split(".") if path else ():
        if not hasattr(resolved, name):
            raise ValueError(f"there is no {name} in {module}")
        resolved = getattr(resolved, name)
    return resolved


def _published(source: object) -> Iterator[Procedure]:
    """The procedures of an object, depending on its kind."""
    if isinstance(source, Registry):
        return iter(source)
    if isinstance(source, Procedure):
        return iter((source,))
    if isinstance(source, ModuleType):
        return _of_module(source)
    if isinstance(source, type):
        raise ValueError(f"{source.__name__} is a class; publish an instance of it")
    if inspect.isroutine(source):
        return iter((procedure(source),))
    return _of_instance(source)


def _of_module(module: ModuleType) -> Iterator[Procedure]:
    """The functions that a module names in `__all__`."""
    names = getattr(module, "__all__", None)
    if names is None:
        name = module.__name__
        raise ValueError(f"the module {name} has no __all__ that says what to publish")
    for name in names:
        function = getattr(module, name)
        if inspect.isroutine(function):
            yield procedure(function, None if rpc_options(function) else name)


def _of_instance(instance: object) -> Iterator[Procedure]:
    """
    The methods of an instance: `xmlrpc_*`, or those marked by `@rpc`, or all public ones.

    The first kind that the instance has is published, so that marking one
    method hides the others.
    """
    methods: _Methods = dict(inspect.getmembers(instance, inspect.isroutine))
    stock = {n[len(_STOCK) :]: m for n, m in methods.items() if n.startswith(_STOCK)}
    handlers = getattr(instance, "subHandlers", None)
    if stock or handlers:
        yield from _of_stock(stock)
        for prefix, handler in sorted((handlers or {}).items()):
            for method in _of_instance(handler):
                yield evolve(method, name=f"{prefix}.{method.name}")
        return
    marked = {name: method for name, method in methods.items() if rpc_options(method)}
    public = {name: method for name, method in methods.items() if not name.startswith("_")}
    for name, function in (marked or public).items():
        yield procedure(function, (rpc_options(function) or RPCOptions()).name or name)


def _of_stock(methods: _Methods) -> Iterator[Procedure]:
    """`xmlrpc_*` methods, with the `signature` and `help` that twisted.web.xmlrpc reads."""
    for name, method in methods.items():
        if getattr(method, "withRequest", False):
            raise ValueError(f"{_STOCK}{name} wants the request, which is not given here")
        yield procedure(
            method,
            (rpc_options(method) or RPCOptions()).name or name,
            signatures=getattr(method, "signature", None),
            text=getattr(method, "help", None),
        )
