"""
How long the replacement of a worker waits.

Rules: pure; the times are arguments.
"""

from __future__ import annotations

from typing import Final

from attrs import define

SHORT_LIFE: Final = 5.0
"""Seconds of life after which a replacement is started at once."""
LONG_LIFE: Final = 60.0
"""Seconds of life after which earlier short lives are forgotten."""
FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 5.0
ALONE_DELAY: Final = 1.0
"""The longest delay in seconds while no worker lives."""


@define
class Backoff:
    """The delays of one slot, which double with each short life."""

    _delay: float = 0.0

    def delay(self, lived: float) -> float:
        """The seconds to wait after a worker that lived for `lived` seconds."""
        if lived >= LONG_LIFE:
            self._delay = 0.0
        if lived >= SHORT_LIFE:
            return 0.0
        self._delay = min(2 * self._delay or FIRST_DELAY, LONGEST_DELAY)
        return self._delay
