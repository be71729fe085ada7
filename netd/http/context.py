"""
What a server lends its connections, and what it writes down about them.

Rules: names and types; decides nothing.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class AccessRecord(NamedTuple):
    """One response as the access log has it; `-` stands for what is not known."""

    peer: bytes
    request_line: bytes
    status: int
    length: int
    """Bytes of the response's body."""
    referer: bytes = b"-"
    user_agent: bytes = b"-"
    user: bytes = b"-"
    """The name in the client's certificate."""


class AccessLog(Protocol):
    """Where responses are written down."""

    def record(self, entry: AccessRecord) -> None:
        """Write `entry` down, soon."""
