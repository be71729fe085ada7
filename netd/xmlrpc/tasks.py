"""
Where Celery finds netd's worker: `celery -A netd.xmlrpc.tasks worker`.

Rules: reads the daemon's own options, from NETD_CONFIG and the environment; of them only
rpc, rpc-queue and rpc-broker, because other ones may name files that only the daemon has.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from celery import Celery
from twisted.python.usage import UsageError

from netd.options.build import check_queue, queue_url
from netd.options.cli import read_values
from netd.values import escape_unprintable
from netd.xmlrpc import celery_worker
from netd.xmlrpc.loading import load
from netd.xmlrpc.registry import Registry


def make_worker(environ: Mapping[str, str]) -> Celery:
    """The worker that these variables describe; SystemExit says in one line what is wrong."""
    try:
        values = read_values({}, environ)
        queue, broker = values["rpc-queue"], values["rpc-broker"]
        if not queue.texts:
            raise UsageError(
                "--rpc-queue: needed by a worker, in NETD_RPC_QUEUE or NETD_CONFIG"
            )
        check_queue(values)
        registry = Registry()
        for source in ("netd.xmlrpc.methods.lab:OFFLOADED", *values["rpc"].texts):
            try:
                registry.add_all(load(source))
            except ValueError as error:
                raise UsageError(f"--rpc {source}: {error}") from None
        return celery_worker.build(
            queue_url(queue),
            queue_url(broker) if broker.texts else None,
            registry,
        )
    except UsageError as error:
        raise SystemExit(f"netd: {escape_unprintable(str(error))}") from None


def __getattr__(name: str) -> Celery:
    """`app`, made when Celery asks for it (PEP 562), so that an import does nothing."""
    if name != "app":
        raise AttributeError(name)
    app = globals()[name] = make_worker(os.environ)
    return app
