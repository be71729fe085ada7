"""
Celery's settings and Redis's clients, which connect to nothing here.
"""

from __future__ import annotations

import ssl
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

try:
    import redis

    from netd.xmlrpc.celery_app import (
        CONNECT_SECONDS,
        PAUSE_SECONDS,
        SOCKET_SECONDS,
        make_app,
        redis_client,
    )
except ImportError:
    raise SkipTest("celery is not installed") from None

from netd.queue_url import AMQP, QueueURL


class AppTests(SynchronousTestCase):
    """
    The application behind URLs.
    """

    def broker(self, text: str, broker: str = "") -> tuple[str, object]:
        """Celery's broker URL, and its TLS."""
        other = QueueURL.parse(broker, AMQP) if broker else None
        app = make_app(QueueURL.parse(text), other)
        return app.conf.broker_write_url, app.conf.broker_use_ssl

    def test_redis(self) -> None:
        """Redis is the broker where there is no other one; a socket's path is kombu's."""
        self.assertEqual(self.broker("redis://:p@h:1/2"), ("redis://:p@h:1/2", None))
        unix = "redis+socket://:p@/run/r?virtual_host=3"
        self.assertEqual(self.broker("unix://:p@/run/r?db=3"), (unix, None))
        self.assertEqual(self.broker("unix:///run/r%20r"), ("redis+socket:///run/r%20r", None))

    def test_tls(self) -> None:
        """TLS checks the certificate and its name, with the files of the URL."""
        url, tls = self.broker("rediss://h?ssl_ca_certs=/a")
        self.assertEqual(url, "rediss://h")
        expected = {
            "ssl_cert_reqs": ssl.CERT_REQUIRED,
            "ssl_check_hostname": True,
            "ssl_ca_certs": "/a",
        }
        self.assertEqual(tls, expected)
        url, tls = self.broker("redis://h", "amqps://h/v?ssl_ca_certs=/a")
        self.assertEqual(url, "amqps://h/v")
        expected = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "h", "ca_certs": "/a"}
        self.assertEqual(tls, expected)

    def test_safe(self) -> None:
        """JSON only, no results, no late acknowledgement, one call for each process."""
        conf = make_app(QueueURL.parse("redis://h"), None).conf
        self.assertEqual(conf.accept_content, ["json"])
        self.assertTrue(conf.task_ignore_result)
        self.assertFalse(conf.task_acks_late)
        self.assertIsNone(conf.result_backend)
        self.assertTrue(conf.worker_disable_prefetch)
        amqp = make_app(QueueURL.parse("redis://h"), QueueURL.parse("amqp://h", AMQP)).conf
        self.assertFalse(amqp.worker_disable_prefetch)
        self.assertTrue(amqp.broker_transport_options["confirm_publish"])

    def test_client(self) -> None:
        """A client of Redis waits for seconds at most, and checks TLS."""
        client = redis_client(QueueURL.parse("rediss://:p@h:7/2?ssl_ca_certs=/a"))
        settings = client.connection_pool.connection_kwargs
        self.assertEqual((settings["host"], settings["port"], settings["db"]), ("h", 7, 2))
        self.assertEqual(settings["socket_timeout"], SOCKET_SECONDS)
        self.assertEqual(settings["socket_connect_timeout"], CONNECT_SECONDS)
        self.assertEqual(settings["ssl_ca_certs"], "/a")

    def test_attempts(self) -> None:
        """A client gives up at once, or never: whatever the error and however often."""
        pauses: list[float] = []
        errors: list[Exception] = []

        def action() -> str:
            if errors:
                raise errors.pop()
            return "done"

        self.patch(redis.retry, "sleep", pauses.append)
        for attempts, count in ((1, 1), (0, 2000)):
            client: Any = redis_client(QueueURL.parse("redis://h"), attempts)
            retry = client.connection_pool.make_connection().retry
            errors += [redis.ResponseError("OOM"), redis.ConnectionError()] * count
            if attempts:
                self.assertRaises(redis.ConnectionError, retry.call_with_retry, action, repr)
            else:
                self.assertEqual(retry.call_with_retry(action, repr), "done")
        self.assertEqual(set(pauses), {PAUSE_SECONDS})
        self.assertEqual(len(pauses), 4001)
