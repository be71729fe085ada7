"""
A reply is a script: what to say and when.

Rules: pure; no Twisted, no clock, no socket.  A script is a lazy iterable of
steps; `netd.player` performs it on whatever wants to hear it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from attrs import Attribute, field, frozen
from attrs.validators import instance_of


@frozen
class Wait:
    """
    Say nothing for `seconds`.

    Consecutive waits do not drift: each is counted from the moment the one
    before it was due, unless the listener held the script up in between.
    """

    seconds: float = field()

    @seconds.validator
    def _finite(self, _: Attribute[float], value: float) -> None:
        # Written so that nan, which compares false with everything, is refused too.
        if not 0 <= value < float("inf"):
            raise ValueError(f"cannot wait {value} seconds")


@frozen
class Send:
    """Say these bytes; a datagram when the stage is one, a piece of a stream otherwise."""

    data: bytes = field(validator=instance_of(bytes))


@frozen
class Abort:
    """End here without a proper goodbye: a reset, a cut body, a lost datagram."""


Step: TypeAlias = Wait | Send | Abort
Script: TypeAlias = Iterable[Step]
