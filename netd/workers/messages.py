"""
What the supervisor and a worker say to each other.

Rules: pure.  Messages are pickled: both ends are the same code in memory, and no other
process has the socket.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Final, TypeAlias

from attrs import frozen

from netd.counters import Counters
from netd.settings import Settings

MAX_BYTES: Final = 16 * 1024 * 1024
"""The largest message."""


@frozen
class Snapshot:
    """What one process has counted, and the values of its `Gauges`."""

    counters: Counters
    connections: Mapping[str, int]
    """Open connections by listener."""
    waiting: Mapping[str, int]
    """Responses in progress by site."""
    calls_queued: int
    workers_busy: int
    certificates: Mapping[str, float]
    """Seconds to the expiry of each certificate."""
    queue_up: int | None = None
    """With --rpc-queue whether it can be reached; None in a process without calls."""
    queue_workers: int | None = None
    queue_depth: Mapping[str, int] = {}


# From the supervisor


@frozen
class Start:
    """The first message: serve, by these settings."""

    settings: Settings
    generation: int
    """How many reloads there were; above 0 the settings are not those of the start."""


@frozen
class Stop:
    """Close the listeners, let responses finish, and end."""


@frozen
class Hurry:
    """Cut what is left."""


@frozen
class Reopen:
    """Open the logs again."""


@frozen
class TakeSnapshot:
    """Return a `Snapshot`."""


@frozen
class Describe:
    """Return the lines of the status."""


@frozen
class Prepare:
    """Check these settings and keep them; return a `Prepared`."""

    settings: Settings


@frozen
class Prepared:
    """The outcome of `Prepare`."""

    error: str = ""
    """Why the settings cannot be met; empty: they can."""
    certificates: tuple[str, ...] = ()
    """The fingerprints of the certificates that were read."""


@frozen
class Commit:
    """Use what was prepared; return None when it is in use."""


@frozen
class Abort:
    """Forget what was prepared."""


# From a worker


@frozen
class Ready:
    """The worker serves."""


@frozen
class Failed:
    """The worker cannot start; it ends."""

    reason: str


@frozen
class Closed:
    """The worker has closed its listeners."""


@frozen
class Counted:
    """A snapshot that was not asked for: one comes each second, and one at the end."""

    snapshot: Snapshot


@frozen
class Line:
    """A line of the worker's log."""

    level: str
    namespace: str
    text: str
    traceback: str = ""
    refusal: Mapping[str, str] = {}
    """The fields of a refusal, as `log_fields.event_fields` has them."""


@frozen
class Count:
    """Count a request for `key`, or forget the key; return how many came before."""

    key: str
    forget: bool = False


@frozen
class Read:
    """Return a `Reading` of all processes."""


@frozen
class Expose:
    """Return the content type and the text of all metrics."""

    accept: str


Asked: TypeAlias = Count | Expose | Read
"""What a worker asks the supervisor for."""


# Both


@frozen
class Watch:
    """What is watched in this worker's consoles; from the supervisor, in those of others."""

    topics: frozenset[str]


@frozen
class Seen:
    """Events of a topic for those who watch it in other workers."""

    topic: str
    events: tuple[bytes, ...]
    missed: int = 0
    """How many there were more."""


@frozen
class Envelope:
    """A message; with a number it asks for a `Response` of the same number."""

    message: object
    number: int = 0


@frozen
class Response:
    """What a message returned."""

    value: object
    number: int


def pack(envelope: Envelope | Response) -> bytes:
    """The bytes of a message; ValueError when there are too many."""
    data = pickle.dumps(envelope)
    if len(data) > MAX_BYTES:
        raise ValueError(f"a message of {len(data)} bytes")
    return data


def unpack(data: bytes) -> Envelope | Response:
    """The message of its bytes."""
    message: Envelope | Response = pickle.loads(data)  # noqa: S301  # the other end's own
    return message
