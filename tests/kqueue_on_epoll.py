"""
Run a script where there is no kqueue: `kqueue_on_epoll.py SCRIPT ARGUMENTS`.

Rules: stands for as much of kqueue(2) as examples/models/kqueue_.py uses, on epoll: filters
for reading, which are level-triggered, as epoll is by default.
"""

from __future__ import annotations

import runpy
import select
import sys
from collections.abc import Sequence
from typing import Final, Protocol

READ: Final = -1
ADD: Final = 1
DELETE: Final = 2


class HasFileno(Protocol):
    """A socket."""

    def fileno(self) -> int:
        """Its descriptor."""


class Kevent:
    """What to change, or what has happened."""

    def __init__(self, ident: HasFileno | int, filter: int = READ, flags: int = ADD) -> None:  # noqa: A002  # its name in kevent(2)
        self.ident = ident if isinstance(ident, int) else ident.fileno()
        self.filter, self.flags = filter, flags


class Kqueue:
    """A queue of events."""

    def __init__(self) -> None:
        self._epoll = select.epoll()

    def close(self) -> None:
        """Be usable, as the module selectors wants to know when it is imported."""
        self._epoll.close()

    def control(
        self, changes: Sequence[Kevent] | None, most: int, timeout: float | None = None
    ) -> list[Kevent]:
        """Change what is watched, and return at most so many events."""
        for change in changes or ():
            if change.filter != READ:
                raise ValueError(f"filter {change.filter}")
            if change.flags == ADD:
                self._epoll.register(change.ident, select.EPOLLIN)
            else:
                self._epoll.unregister(change.ident)
        # kevent(2) with room for none returns at once.
        return [Kevent(number) for number, _ in self._epoll.poll(timeout, most)] if most else []


if __name__ == "__main__":
    stand_ins = {"kqueue": Kqueue, "kevent": Kevent}
    constants = {"KQ_FILTER_READ": READ, "KQ_EV_ADD": ADD, "KQ_EV_DELETE": DELETE}
    for name, value in {**stand_ins, **constants}.items():
        setattr(select, name, value)
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
