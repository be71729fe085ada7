"""
Functions published over XML-RPC by netd:

    netd --rpc shop=examples.rpc_methods

Then `xmlrpc.client.ServerProxy("http://localhost:8000").shop.price("tea", 3)`
gives 7.5, and http://localhost:8000/RPC2 describes all of them.  The functions
in `__all__` are published; their type hints become signatures and are enforced.
"""

from __future__ import annotations

from typing import TypedDict

from twisted.internet import reactor
from twisted.internet.task import deferLater

from netd.xmlrpc.faults import Fault
from netd.xmlrpc.registry import rpc

__all__ = ["largest_prime", "order", "price", "ready"]

_PRICES = {"tea": 2.5, "coffee": 3.25}


def price(article: str, count: int = 1) -> float:
    """The price of `count` pieces of an article; fault 404 when it is not sold."""
    if article not in _PRICES:
        raise Fault(404, f"there is no {article}")
    return _PRICES[article] * count


class Order(TypedDict):
    """The struct that `order` returns."""

    article: str
    count: int
    total: float


def order(article: str, count: int) -> Order:
    """An order as a struct."""
    return {"article": article, "count": count, "total": price(article, count)}


async def ready(seconds: float) -> str:
    """Wait without blocking other clients; a timeout or a lost client cancels the wait."""
    await deferLater(reactor, seconds)
    return "ready"


@rpc(offload=True, timeout=10)
def largest_prime(below: int) -> int:
    """The largest prime below a number, computed in a process of the pool."""
    for candidate in range(below - 1, 1, -1):
        if all(candidate % each for each in range(2, int(candidate**0.5) + 1)):
            return candidate
    raise Fault(1, f"there is no prime below {below}")
