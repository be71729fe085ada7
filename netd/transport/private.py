"""
The private names of Twisted 26.10 and pyOpenSSL that netd uses, by the feature.

Rules: no module uses a private name that is not listed here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pkgutil import resolve_name
from typing import Final

from attrs import frozen
from twisted.logger import Logger
from twisted.python.usage import UsageError

import twisted

_log = Logger()


@frozen
class Feature:
    """A use of private names."""

    names: Mapping[str, str]
    """Attributes, separated by blanks, by `module:class` or by module."""
    fallback: str = ""
    """What happens without the names, for the log; empty: the feature is indispensable."""
    kinds: frozenset[str] = frozenset()
    """The kinds of `Endpoint` that cannot be served without the names."""

    def missing(self) -> str | None:
        """The first name that this Twisted lacks; None when it has all, or no such module."""
        for holder, names in self.names.items():
            try:
                attributes = _attributes(resolve_name(holder))
            except ImportError:
                # A platform without epoll has no epoll reactor to speed up.
                continue
            except AttributeError:
                return holder.replace(":", ".")
            for name in names.split():
                if name not in attributes:
                    return f"{holder.replace(':', '.')}.{name}"
        return None


_BUFFERS: Final = "dataBuffer offset _tempDataLen"

TCP: Final = Feature(
    {
        "twisted.internet.abstract:FileDescriptor": f"{_BUFFERS} _tempDataBuffer "
        "_writeDisconnected _writeDisconnecting",
        "twisted.internet.tcp:Connection": "_aborting _shouldShutdown logstr",
        "twisted.internet.tcp:Server": "_addressType",
        "twisted.internet.tcp:Port": "_fromListeningDescriptor _preexistingSocket "
        "_realPortNumber",
        "socket:socket": "_accept",
    },
    "using its own TCP transport",
)
DISPATCH: Final = Feature(
    {
        "twisted.internet.epollreactor:EPollReactor": "_poller _selectables _reads _writes "
        "_doReadOrWrite _disconnectSelectable doPoll"
    },
    "using its own dispatch of events",
)
SENDFILE: Final = Feature(
    {
        "twisted.internet.abstract:FileDescriptor": _BUFFERS,
        "twisted.internet.tcp:Connection": "doWrite producerPaused",
    },
    "reading and writing files without sendfile",
)
TLS: Final = Feature(
    {"twisted.protocols.tls:TLSMemoryBIOProtocol": "_producer _reason"},
    "not counting failed TLS handshakes",
)
TLS_TRANSPORT: Final = Feature(
    {
        "twisted.internet.abstract:FileDescriptor": "_maybePauseProducer _postLoseConnection",
        "OpenSSL.SSL": "_ffi _lib",
        "OpenSSL.SSL:_lib": "BIO_get_mem_data BIO_read SSL_read SSL_write",
        "OpenSSL.SSL:Connection": "_from_ssl _into_ssl _raise_ssl_error _ssl",
    },
    "using its own TLS transport",
)
UNIX: Final = Feature(
    {
        "twisted.internet.unix": "_inFilesystemNamespace",
        "twisted.internet.unix:Port": "_fromListeningDescriptor _preexistingSocket _bindPath "
        "_shouldShutdown mode backlog",
    },
    kinds=frozenset({"unix"}),
)
UDP: Final = Feature(
    {"twisted.internet.udp:Port": "_preexistingSocket"}, kinds=frozenset({"udp", "udp6"})
)
WORKERS: Final = Feature(
    {"twisted.logger:LogPublisher": "_observers"}, "serving with one process only"
)
FEATURES: Final = (TCP, DISPATCH, SENDFILE, TLS, TLS_TRANSPORT, UNIX, UDP, WORKERS)


def check(kinds: Collection[str]) -> None:
    """Log each feature that is off; UsageError if endpoints of `kinds` cannot be served."""
    for feature in FEATURES:
        name = feature.missing()
        if name is None:
            continue
        lack = f"Twisted {twisted.__version__} lacks {name}"
        if feature.fallback:
            _log.warn("{lack}: {fallback}", lack=lack, fallback=feature.fallback)
        elif unserved := sorted(feature.kinds.intersection(kinds)):
            raise UsageError(f"{lack}: cannot listen on {' or '.join(unserved)} endpoints")


def _attributes(holder: object) -> set[str]:
    """The names in a module or class, and those that a class's `__init__` uses."""
    names = set(dir(holder))
    for base in getattr(holder, "__mro__", ()):
        code = getattr(base.__init__, "__code__", None)
        if code is not None:
            names.update(code.co_names)
    return names
