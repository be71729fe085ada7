"""
Every method of one daemon, and the pool that runs the heavy ones.

Rules: a visible list; the one place that knows all of the room.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from attrs import frozen
from twisted.internet.interfaces import IReactorProcess, IReactorTime

from netd.counters import Counters
from netd.xmlrpc.caller import Caller
from netd.xmlrpc.loading import load
from netd.xmlrpc.methods import arithmetic, interop, introspection, ip, lab
from netd.xmlrpc.pool import Pool
from netd.xmlrpc.registry import Registry
from netd.xmlrpc.resource import RPC


@frozen
class RPCService:
    """The resource, which may be mounted at several places, and the service behind it."""

    resource: RPC
    pool: Pool


def build(
    reactor: IReactorTime,
    publish: Iterable[str] = (),
    suites: bool = True,
    workers: int = 2,
    origins: Iterable[str] = (),
    *,
    pool: Pool | None = None,
    counters: Counters | None = None,
) -> RPCService:
    """
    Netd's methods and those that each `[prefix=]module:object` publishes.

    A pool that is there already is used, whatever its size.  ValueError names
    the one that cannot be published.
    """
    registry = Registry((*arithmetic.PROCEDURES, *ip.PROCEDURES, *lab.procedures(reactor)))
    for each in load("netd.xmlrpc.methods.lab:OFFLOADED"):
        registry.add(each)
    if suites:
        for each in interop.PROCEDURES:
            registry.add(each)
    for each in introspection.procedures(registry):
        registry.add(each)
    # A Clock of a test is never asked to start a process.
    pool = pool or Pool(cast(IReactorProcess, reactor), workers)
    caller = Caller(registry, reactor, pool.run, counters=counters)
    for text in publish:
        try:
            for each in load(text):
                registry.add(each)
        except ValueError as wrong:
            raise ValueError(f"{text}: {wrong}") from None
    return RPCService(RPC(registry, caller, origins), pool)
