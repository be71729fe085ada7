"""
The stream of the console: figures, the requests to a bin and all requests, as they come.

Rules: pure.  A stream is a script like any other; it ends when the daemon stops, and after
ten minutes, since a page connects again.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from attrs import frozen

from netd import addresses
from netd.counters import LATENESS_BOUNDS
from netd.lab.call import BadCall, Call, Headers, Reply
from netd.lab.endpoints.auth import credentials
from netd.lab.endpoints.bins import KEY, PREFIX
from netd.lab.watchers import REQUESTS, Watcher, Watchers
from netd.script import Send, Step, Wait

MAX_SECONDS: Final = 600
"""The length of a stream."""
_TICKS: Final = 10
"""Looks a second at the events of a topic."""
_SILENCE: Final = 15
"""Seconds without an event after which a comment tells proxies and the page that it goes on."""
_PATIENCE: Final = 2.0
"""Seconds that a watcher may read nothing of what waits for it."""
_COMMENT: Final = b":\n\n"
_RETRY: Final = (("Retry-After", "10"),)
_HEADERS: Final[Headers] = (("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"))
_BOUNDS: Final = json.dumps(LATENESS_BOUNDS[:-1]).encode()
_SAME: Final = ("same-origin", "none")


def stream(call: Call) -> Reply:
    """Return an endless stream of events; 403 to pages of other origins and foreign names."""
    _check_sender(call)
    watchers, most = call.state.watchers, call.config.console_watchers
    if not most:
        raise BadCall("there is no stream with --console-watchers 0", 404)
    watcher = _watcher(call)
    if not watchers.running():
        raise BadCall("the daemon stops", 503, _RETRY)
    if watchers.crowded(watcher.client, most):
        raise BadCall("too many watch already", 503, _RETRY)
    if call.method == "HEAD":
        return Reply(b"", type="text/event-stream", headers=_HEADERS, sandbox=False)
    script = _Stream(watchers, watcher, most, call.state.seconds).script()
    return Reply(
        script,
        type="text/event-stream",
        headers=_HEADERS,
        sandbox=False,
        patience=_PATIENCE,
    )


def _check_sender(call: Call) -> None:
    """BadCall unless the request can only come from a page of this daemon, or from no page."""
    # A page of another origin needs a preflight for the field, and gets none.
    if call.header("x-netd-console") != "1":
        raise BadCall("needs the field X-Netd-Console: 1", 403)
    authority = call.client.authority or call.header("host") or ""
    name = addresses.foreign_name(
        authority.encode(), addresses.host_names(call.config.console_hosts)
    )
    if name:
        hint = f"{name[:255]} is not a name of this console; start netd with --console-host"
        raise BadCall(f"{hint} {name[:255]}", 403)
    origin, site = call.header("origin"), call.header("sec-fetch-site")
    foreign = origin is not None and _authority(origin) != authority.lower()
    if foreign or (site is not None and site not in _SAME):
        raise BadCall("only the console's own page may watch", 403)


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _watcher(call: Call) -> Watcher:
    """Who the request makes a watcher; BadCall where it may not be."""
    key, topics = call.value("bin"), []
    if key is not None:
        if KEY.fullmatch(key) is None:
            raise BadCall("bin: not 22 letters and digits, - and _")
        topics.append(PREFIX + key)
    if call.value("requests"):
        _check_token(call)
        topics.append(REQUESTS)
    figures = bool(call.value("figures"))
    if figures and call.state.watchers.figures is None:
        raise BadCall("the figures are where --metrics-http says", 404)
    if not figures and not topics:
        raise BadCall("nothing to watch: give figures=1, bin=KEY or requests=1")
    address = call.client.address
    client = None if addresses.loopback(address) else addresses.client(address)
    return Watcher(tuple(topics), figures, client)


def _check_token(call: Call) -> None:
    token = call.state.watchers.token
    if not token:
        raise BadCall("start netd with --console-requests yes to watch all requests", 403)
    received = credentials(call, "bearer") or ""
    if not secrets.compare_digest(received.encode(), token.encode()):
        challenge = (("WWW-Authenticate", "Bearer"),)
        raise BadCall("needs the token that the log has", 401, challenge)


@frozen(eq=False)
class _Stream:
    _watchers: Watchers
    _watcher: Watcher
    _most: int
    _seconds: Callable[[], float]

    def script(self) -> Iterator[Step]:
        """What waits for the watcher, look by look."""
        watchers, watcher = self._watchers, self._watcher
        # Others may have entered since the request was let in.
        if watchers.crowded(watcher.client, self._most):
            return
        watchers.enter(watcher)
        try:
            yield from self._looks(_TICKS if watcher.topics else 1)
        finally:
            watchers.leave(watcher)

    def _looks(self, ticks: int) -> Iterator[Step]:
        figures = self._watchers.figures if self._watcher.figures else None
        # The first step is no wait, so that this is no delayed response in the figures.
        if figures is None:
            seen = 0
            yield Send(_COMMENT)
        else:
            seen, kept = figures.count, b",".join(figures.frames)
            # No frame before the server counts this response among those in progress.
            figures.begin()
            yield Send(b'data: {"bounds":%b,"history":[%b]}\n\n' % (_BOUNDS, kept))
        # All streams look at the same moments, which costs the reactor one turn.
        now = self._seconds()
        first = math.floor(now * ticks) + 1
        wait, silent = Wait(1 / ticks), 0
        yield Wait(max(0.0, first / ticks - now))
        for number in range(first, first + MAX_SECONDS * ticks - 1):
            if not self._watchers.running():
                return
            events = self._watcher.take()
            if figures is not None:
                if not number % ticks:
                    figures.look()
                frames = [b'data: {"frame":%b}\n\n' % each for each in figures.since(seen)]
                seen, events = figures.count, [*events, *frames]
            silent = 0 if events else silent + 1
            if events:
                yield Send(b"".join(events))
            elif not silent % (_SILENCE * ticks):
                yield Send(_COMMENT)
            yield wait
