"""Asks a server on this machine over HTTP, once or again and again.

Rules: knows no peer; raises OSError or HTTPException where there is no response.
"""

import http.client
import ssl
import time
from collections.abc import Callable
from contextlib import closing

_TIMEOUT_SECONDS = 60.0


def ask(
    port: int,
    path: str,
    call: bytes | str | None = None,
    *,
    tls: bool = False,
    timeout: float = _TIMEOUT_SECONDS,
) -> tuple[int, bytes]:
    """The status and the body for a GET, or an XML-RPC `call`, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    if tls:
        # The certificate is self-signed; this only checks that TLS works.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=timeout, context=context
        )
    fields = {"Connection": "close"} | ({} if call is None else {"Content-Type": "text/xml"})
    with closing(connection):
        connection.request("GET" if call is None else "POST", path, call, fields)
        response = connection.getresponse()
        return response.status, response.read()


def waits(
    port: int, over: Callable[[], bool], every: float = 0.005, *, kept: bool = True
) -> list[float]:
    """
    The seconds that each response of `/healthz` took, asked for `every` so many seconds.

    Ends with the first one after which it is `over`. All are asked for on one connection that
    is `kept`, or each on a new one.
    """
    took = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    with closing(connection):
        while True:
            begun = time.perf_counter()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            took.append(time.perf_counter() - begun)
            if not kept:
                connection.close()
            if over():
                return took
            time.sleep(every)
