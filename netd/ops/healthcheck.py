"""
`netd --healthcheck`: one request to a daemon, as containers and scripts make it.

Rules: knows the settings only to find out where a daemon with them would be.
Names and chains are verified (service-identity, RFC 9525), always.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import Deferred, TimeoutError, ensureDeferred  # noqa: A004 - Twisted's
from twisted.internet.ssl import Certificate, platformTrust, trustRootFromCertificates
from twisted.python.usage import UsageError
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, ResponseNeverReceived

from netd.settings import Settings

SECONDS: Final = 5.0
"""What the whole of it may take."""

_ANY: Final = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def default(settings: Settings) -> str:
    """The URL of /healthz of a daemon with these settings; UsageError when it has none."""
    for where in settings.monitoring.listen or settings.http.listen:
        if where.kind.startswith("tcp") and where.port:
            host = _ANY.get(where.host, where.host)
            return f"http://{f'[{host}]' if ':' in host else host}:{where.port}/healthz"
    raise UsageError("--healthcheck: no listener has a port that is known; say a URL")


def _roots(file: Path | None) -> Any:
    """Whom to believe about servers: the certificates of `file`, or the system's."""
    if file is None:
        return platformTrust()
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as wrong:
        raise UsageError(f"--ca {file}: {wrong.strerror}") from None
    except ValueError:
        raise UsageError(f"--ca {file}: not a certificate in PEM") from None
    # Without types in Twisted.
    load: Callable[[bytes], Any] = Certificate.load
    return trustRootFromCertificates([load(each.public_bytes(Encoding.DER)) for each in found])


def _reason(wrong: BaseException) -> str:
    """What went wrong, in one line."""
    if isinstance(wrong, ResponseNeverReceived) and wrong.reasons:
        wrong = wrong.reasons[0].value
    if isinstance(wrong, TimeoutError):
        return f"no answer within {SECONDS:g} s"
    said = " ".join(str(wrong).split())
    return f"{type(wrong).__name__}{f': {said}' if said else ''}"


async def check(reactor: Any, url: str, ca: Path | None = None) -> tuple[int, str]:
    """The status to exit with, 0 or 1, and one line that says why."""
    policy = BrowserLikePolicyForHTTPS(_roots(ca))
    try:
        asked: Deferred[Any] = Agent(reactor, policy, connectTimeout=SECONDS).request(
            b"GET", url.encode("ascii")
        )
        answer = await asked.addTimeout(SECONDS, reactor)
    # Whatever it is, it is why the daemon is not healthy.
    except Exception as wrong:
        return 1, f"{url}: {_reason(wrong)}"
    return (0 if answer.code == 200 else 1), f"{url}: {answer.code}"


def run(reactor: Any, url: str, ca: Path | None = None) -> int:
    """Make the request on a reactor that does not run yet; say what came of it, one line."""
    result: list[tuple[int, str]] = []

    def ended(found: Any) -> None:
        result.append(found if isinstance(found, tuple) else (1, f"{url}: {found.value}"))
        reactor.stop()

    def start() -> None:
        ensureDeferred(check(reactor, url, ca)).addBoth(ended)

    reactor.callWhenRunning(start)
    reactor.run()
    status, line = result[0] if result else (1, f"{url}: interrupted")
    (sys.stderr if status else sys.stdout).write(f"netd: {line}\n")
    return status
