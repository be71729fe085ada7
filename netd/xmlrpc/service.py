"""
Every XML-RPC method of a daemon, and the pool that runs the offloaded ones.

Rules: a visible list; only this module knows the whole room.
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
    """The resource, which may be mounted at several places, and the pool behind it."""

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

    An existing `pool` is used whatever its size.  ValueError names the object
    that cannot be published.
    """
    registry = Registry((*arithmetic.PROCEDURES, *ip.PROCEDURES, *lab.procedures(reactor)))
    # A Clock of a test is never asked to start a process.
    pool = pool or Pool(cast(IReactorProcess, reactor), workers)
    caller = Caller(registry, reactor, pool.run, counters=counters)
    for added in (
        load("netd.xmlrpc.methods.lab:OFFLOADED"),
        interop.PROCEDURES if suites else (),
        introspection.procedures(registry),
    ):
        for procedure in added:
            registry.add(procedure)
    for source in publish:
        try:
            for procedure in load(source):
                registry.add(procedure)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from None
    return RPCService(RPC(registry, caller, origins), pool)
