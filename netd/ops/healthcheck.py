"""
`netd --healthcheck`: a request to a daemon, as containers and scripts make it.

Rules: blocks, as no daemon runs in this process.  Chains and names are always
verified (RFC 9525).
"""

from __future__ import annotations

import ssl
import sys
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from threading import Thread
from typing import Final
from urllib.parse import urlsplit

from attrs import evolve
from twisted.python.usage import UsageError

from netd.settings import Settings

SECONDS: Final = 5.0
"""Limit of one request."""
_PAUSE_SECONDS: Final = 0.1
"""Time between a failure and the next request."""

_WILDCARDS: Final = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def default(settings: Settings) -> str:
    """The URL of /healthz of a daemon with these settings; UsageError when it has none."""
    for endpoint in settings.monitoring.listen or settings.http.listen:
        if endpoint.kind.startswith("tcp") and endpoint.port:
            host = _WILDCARDS.get(endpoint.host, endpoint.host)
            return f"http://{evolve(endpoint, host=host).authority}/healthz"
    raise UsageError("--healthcheck: no listener has a port that is known; say a URL")


def _context(ca: Path | None) -> ssl.SSLContext:
    """A context that trusts the certificates of the file `ca`, or those of the system."""
    try:
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        raise UsageError(f"--ca {ca}: not a certificate in PEM") from None
    except OSError as error:
        raise UsageError(f"--ca {ca}: {error.strerror}") from None
    context.hostname_checks_common_name = False
    # On by default since Python 3.13; many private authorities lack extensions of RFC 5280.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def check(url: str, context: ssl.SSLContext) -> tuple[int, str]:
    """The exit status, 0 for a response of 200 or 1, and one line with the reason."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "https":
            connection: HTTPConnection = HTTPSConnection(host, port, context=context)
        elif parts.scheme == "http":
            connection = HTTPConnection(host, port)
        else:
            raise ValueError("not an http or https URL")
        path = parts._replace(scheme="", netloc="", fragment="").geturl()
        with closing(connection):
            connection.request("GET", path)
            code = connection.getresponse().status
    # Whatever the exception is, it is the reason why the daemon is not healthy.
    except Exception as error:
        message = " ".join(str(error).split())
        return 1, f"{url}: {type(error).__name__}{f': {message}' if message else ''}"
    return (0 if code == 200 else 1), f"{url}: {code}"


def _check_within(seconds: float, url: str, context: ssl.SSLContext) -> tuple[int, str]:
    """The same as `check`, and a failure when that takes longer than `seconds`."""
    results = [(1, f"{url}: no response within {seconds:.3g} s")]
    # No timeout of a socket covers the look-up of the name, or a response that drips.
    checking = Thread(target=lambda: results.append(check(url, context)), daemon=True)
    checking.start()
    checking.join(seconds)
    return results[-1]


def run(url: str, ca: Path | None = None, wait: float = 0.0) -> int:
    """
    Check `url`, print the line and return the status; UsageError for a bad `ca`.

    A check that fails is repeated for `wait` seconds; the line is that of the last one.
    """
    context = _context(ca)
    end = time.monotonic() + wait
    try:
        status, line = _check_within(min(SECONDS, wait or SECONDS), url, context)
        while status and (left := end - time.monotonic()) > _PAUSE_SECONDS:
            time.sleep(_PAUSE_SECONDS)
            status, line = _check_within(min(SECONDS, left), url, context)
    except KeyboardInterrupt:
        status, line = 1, f"{url}: interrupted"
    (sys.stderr if status else sys.stdout).write(f"netd: {line}\n")
    return status
