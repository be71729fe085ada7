"""
Every XML-RPC method of a daemon, and the pool that runs the offloaded ones.

Rules: a visible list; only this module knows the whole room.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, cast

from attrs import frozen
from twisted.internet.interfaces import IReactorProcess, IReactorTime

from netd.counters import Counters
from netd.xmlrpc.caller import Caller
from netd.xmlrpc.distributed import DistributedPool
from netd.xmlrpc.loading import load
from netd.xmlrpc.methods import arithmetic, interop, introspection, ip, lab
from netd.xmlrpc.pool import Pool
from netd.xmlrpc.registry import Registry
from netd.xmlrpc.resource import RPC

AnyPool: TypeAlias = Pool | DistributedPool
"""What runs offloaded calls: processes of netd's own, or Celery workers."""


@frozen
class RPCService:
    """The resource, which may be mounted at several places, and what is behind it."""

    resource: RPC
    pool: AnyPool
    registry: Registry


def build(
    reactor: IReactorTime,
    publish: Iterable[str] = (),
    suites: bool = True,
    origins: Iterable[str] = (),
    *,
    pool: AnyPool | None = None,
    counters: Counters | None = None,
) -> RPCService:
    """
    Netd's methods and those that each `[prefix=]module:object` publishes.

    Without a `pool` two processes run the offloaded ones.  ValueError names the
    object that cannot be published.
    """
    registry = Registry((*arithmetic.PROCEDURES, *ip.PROCEDURES, *lab.procedures(reactor)))
    registry.add_all(load("netd.xmlrpc.methods.lab:OFFLOADED"))
    registry.add_all(introspection.procedures(registry))
    registry.add_all(interop.PROCEDURES if suites else ())
    # A Clock of a test is never asked to start a process.
    pool = pool or Pool(cast(IReactorProcess, reactor), 2)
    caller = Caller(registry, reactor, pool.run, counters, pool.waits)
    for source in publish:
        try:
            registry.add_all(load(source))
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from None
    return RPCService(RPC(registry, caller, origins), pool, registry)
