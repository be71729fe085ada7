"""
What a worker is told by the environment and by the daemon's file.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

try:
    from celery import signals

    from netd.xmlrpc import celery_worker
except ImportError:
    raise SkipTest("celery is not installed") from None


from netd.queue_url import QueueURL
from netd.xmlrpc.registry import Registry


class TasksTests(SynchronousTestCase):
    """
    The module that Celery imports.
    """

    def setUp(self) -> None:
        for signal in (signals.task_failure, signals.worker_ready):
            self.patch(signal, "receivers", list(signal.receivers or []))
        self.methods: list[str] = []
        plain = {name: text for name, text in os.environ.items() if name[:5] != "NETD_"}
        self.patch(os, "environ", {**plain, "NETD_RPC_QUEUE": "redis://h"})
        self.tasks = importlib.import_module("netd.xmlrpc.tasks")
        build = celery_worker.build

        def noted(queue: QueueURL, broker: QueueURL | None, methods: Registry) -> object:
            self.methods = sorted(method.name for method in methods)
            return build(queue, broker, methods)

        self.patch(celery_worker, "build", noted)

    def names(self, **environ: str) -> list[str]:
        """The methods of a worker, or the line that refuses it."""
        try:
            self.tasks.make_worker(environ)
        except SystemExit as end:
            return [str(end)]
        return self.methods

    def test_app(self) -> None:
        """Celery finds the one worker of this environment, which is made once."""
        module = importlib.reload(self.tasks)
        self.addCleanup(module.__dict__.pop, "app")
        self.assertIn("netd.call", module.app.tasks)
        self.assertIs(module.app, module.app)
        self.assertFalse(hasattr(module, "celery_app"))

    def test_environment(self) -> None:
        """Methods come from the environment, with their prefix."""
        names = self.names(
            NETD_RPC_QUEUE="redis://h",
            NETD_RPC_BROKER="amqp://h",
            NETD_RPC="x=netd.test.xmlrpc.published:heavy",
        )
        self.assertIn("lab.burn", names)
        self.assertIn("x.square", names)

    def test_file(self) -> None:
        """The daemon's file will do, although it names files that only the daemon has."""
        url, path = Path(self.mktemp()), Path(self.mktemp())
        url.write_text("redis://:secret@h\n")
        path.write_text(f'rpc-queue = "@{url}"\nallow = "@/nowhere"\ncertificate = "/none"\n')
        self.assertEqual(self.names(NETD_CONFIG=str(path)), ["lab.burn"])

    def test_refused(self) -> None:
        """One line says what is wrong, without a secret."""
        (text,) = self.names()
        needed = "netd: --rpc-queue: needed by a worker, in NETD_RPC_QUEUE or NETD_CONFIG"
        self.assertEqual(text, needed)
        (text,) = self.names(NETD_RPC_QUEUE="redis://h", NETD_RPC_BROKER="amqp://:secret@h:x")
        self.assertIn("--rpc-broker amqp://*** (NETD_RPC_BROKER): not a URL with a valid", text)
        (text,) = self.names(NETD_RPC_QUEUE="redis://h", NETD_RPC="nowhere:x")
        self.assertIn("--rpc nowhere:x: ModuleNotFoundError", text)
        (text,) = self.names(NETD_RPC_QUEUE="redis://:secret@h:x")
        self.assertIn("--rpc-queue redis://*** (NETD_RPC_QUEUE): not a URL with a valid", text)
        (text,) = self.names(NETD_RPC_QUEU="redis://h")
        self.assertIn("did you mean NETD_RPC_QUEUE?", text)
