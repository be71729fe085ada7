"""
Reads the operator's files while clients wait.

Rules: pure.  Nothing that a path leads to holds the reader up or fills its memory.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 16 * 1024 * 1024


def read_file(path: Path | str) -> bytes:
    """The bytes of the regular file `path`; ValueError says why there are none."""
    try:
        with open(path, "rb", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("not a regular file")
            if len(data := file.read(MAX_BYTES + 1)) > MAX_BYTES:
                raise ValueError(f"not a file of at most {MAX_BYTES} bytes")
            return data
    except OSError as error:
        raise ValueError(error.strerror) from None


def _open(path: str, flags: int) -> int:
    # Without O_NONBLOCK this would wait for the writer of a FIFO.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
