"""
Celery and Redis as netd uses them: the same settings for the daemon and for its workers.

Rules: imported only with `--rpc-queue` and by workers.  Celery carries messages and runs
processes; results, cancellations and claims are Redis's, and values are XML-RPC's.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Final
from urllib.parse import quote, urlsplit

import redis
from celery import Celery
from redis.backoff import NoBackoff
from redis.retry import Retry

from netd.queue_url import QueueURL
from netd.xmlrpc.in_flight import QUEUE

CONNECT_SECONDS: Final = 2.0
SOCKET_SECONDS: Final = 5.0
"""The longest that one command may take, or a wait for results."""


def pauses() -> Iterator[float]:
    """Seconds to wait before each further attempt to reach Redis or the broker, without end."""
    return chain((0.05, 0.1, 0.2, 0.4, 0.8), repeat(1.0))


def redis_client(url: QueueURL) -> redis.Redis:
    """A client of one connection, which it makes when it is used; it repeats nothing."""
    return redis.Redis.from_url(
        url.text,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=SOCKET_SECONDS,
        retry=Retry(NoBackoff(), 0),
        # Version 3 has other replies, and a handshake.
        protocol=2,
        max_connections=1,
    )


def _broker_text(url: QueueURL) -> str:
    """The URL as kombu writes it."""
    parts = urlsplit(url.text)
    if url.scheme == "unix":
        user = parts.netloc.rpartition("@")
        database = url.parameters.get("db", "0")
        return f"redis+socket://{user[0]}{user[1]}{quote(parts.path)}?virtual_host={database}"
    return parts._replace(query="").geturl()


def _tls(url: QueueURL) -> dict[str, object] | None:
    """TLS that checks certificate and name, as the clients of Redis and AMQP take it."""
    if url.scheme not in ("rediss", "amqps"):
        return None
    files = url.parameters
    if url.scheme == "rediss":
        return {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True, **files}
    options: dict[str, object] = {
        name.removeprefix("ssl_"): file for name, file in files.items()
    }
    host = urlsplit(url.text).hostname
    return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": host, **options}


def make_app(queue: QueueURL, broker: QueueURL | None) -> Celery:
    """The Celery application behind these URLs, connected to nothing."""
    url = broker or queue
    on_redis = broker is None
    plain = {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": SOCKET_SECONDS,
        # netd itself sends again what was lost; this would cost two round trips a call.
        "ack_emulation": False,
    }
    # The broker says that it has the message; without it a cut loses messages unseen.
    confirm = {
        "confirm_publish": True,
        "read_timeout": SOCKET_SECONDS,
        "write_timeout": SOCKET_SECONDS,
    }
    app = Celery("netd", broker=_broker_text(url), set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_default_queue=QUEUE,
        task_acks_late=False,
        broker_use_ssl=_tls(url),
        broker_transport_options=plain if on_redis else confirm,
        broker_connection_timeout=CONNECT_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_prefetch_multiplier=1,
        # Celery 6 would kill what runs when the broker is away.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # A multiplier of one still reserves a call for each busy process.
        worker_disable_prefetch=on_redis,
    )
    return app
