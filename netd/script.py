"""
Scripts: what to send and when.

Rules: pure.  A script is a lazy iterable of steps; `netd.player` performs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TypeAlias

from attrs import Attribute, field, frozen
from attrs.validators import instance_of


@frozen
class Wait:
    """
    Send nothing for `seconds`.

    Consecutive waits do not drift: each is counted from the moment at which the
    one before it was due, unless the peer delayed the script in between.
    """

    seconds: float = field()

    @seconds.validator
    def _finite(self, _: Attribute[float], value: float) -> None:
        # nan compares false with everything, and so is refused as well.
        if not 0 <= value < float("inf"):
            raise ValueError(f"cannot wait {value} seconds")


@frozen
class Send:
    """Send `data`: one datagram, or a piece of a stream."""

    data: bytes = field(validator=instance_of(bytes))


@frozen
class Abort:
    """End improperly: a reset, a cut body, a lost datagram."""


Step: TypeAlias = Wait | Send | Abort
Script: TypeAlias = Iterable[Step]


def spread(pieces: Iterable[bytes], count: int, seconds: float, delay: float = 0.0) -> Script:
    """After `delay`, `count` pieces evenly over `seconds`, a single one at their end."""
    if delay:
        yield Wait(delay)
    if seconds and count == 1:
        # With an empty piece the head of a response leaves.
        pieces, count = chain((b"",), pieces), 2
    for number, piece in enumerate(pieces):
        if seconds and number:
            yield Wait(seconds / (count - 1))
        yield Send(piece)
