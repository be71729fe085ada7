"""
Celery and Redis as netd uses them: the same settings for the daemon and for its workers.

Rules: imported only with `--rpc-queue` and by workers.  Celery carries messages and runs
processes; results, cancellations and claims are Redis's, and values are XML-RPC's.
"""

from __future__ import annotations

import ssl
from typing import Final
from urllib.parse import urlsplit

import redis
from celery import Celery
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from netd.queue_url import QueueURL
from netd.xmlrpc.in_flight import QUEUE

CONNECT_SECONDS: Final = 2.0
SOCKET_SECONDS: Final = 5.0
"""The longest that one command may take, or a wait for results."""
PAUSE_SECONDS: Final = 0.2
"""From a failure to the next attempt to reach Redis or the broker."""


def redis_client(url: QueueURL, attempts: int = 1) -> redis.Redis:
    """A client of one connection, which it makes when it is used; 0 attempts are no limit."""
    return redis.Redis.from_url(
        url.text,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=SOCKET_SECONDS,
        retry=Retry(ConstantBackoff(PAUSE_SECONDS), attempts - 1),
        retry_on_error=[redis.RedisError],
        # Version 3 has other replies, and a handshake.
        protocol=2,
        max_connections=1,
    )


def _broker_text(url: QueueURL) -> str:
    """The URL as kombu writes it."""
    if url.scheme == "unix":
        text = url.text.replace("unix://", "redis+socket://", 1)
        return text.replace("?db=", "?virtual_host=", 1)
    return url.text.partition("?")[0]


def _tls(url: QueueURL) -> dict[str, object] | None:
    """TLS that checks certificate and name, as the clients of Redis and AMQP take it."""
    if url.scheme not in ("rediss", "amqps"):
        return None
    options = {**url.parameters, "ssl_cert_reqs": ssl.CERT_REQUIRED}
    if url.scheme == "rediss":
        return {**options, "ssl_check_hostname": True}
    plain = {name.removeprefix("ssl_"): value for name, value in options.items()}
    return {**plain, "server_hostname": urlsplit(url.text).hostname}


def make_app(queue: QueueURL, broker: QueueURL | None) -> Celery:
    """The Celery application behind these URLs, connected to nothing."""
    url = broker or queue
    # The broker says that it has the message; without it a cut loses messages unseen.
    options: dict[str, object] = {
        "confirm_publish": True,
        "read_timeout": SOCKET_SECONDS,
        "write_timeout": SOCKET_SECONDS,
    }
    if broker is None:
        options = {
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": SOCKET_SECONDS,
            # netd itself sends again what was lost; this would cost two round trips a call.
            "ack_emulation": False,
        }
    app = Celery("netd", broker=_broker_text(url), set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_ignore_result=True,
        task_default_queue=QUEUE,
        broker_use_ssl=_tls(url),
        broker_transport_options=options,
        broker_connection_timeout=CONNECT_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_prefetch_multiplier=1,
        # A multiplier of one still reserves a call for each busy process.
        worker_disable_prefetch=broker is None,
        # It is about late acknowledgements, which are not used; False warns at each loss.
        worker_cancel_long_running_tasks_on_connection_loss=True,
    )
    return app
