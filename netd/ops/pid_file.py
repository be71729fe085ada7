"""
The pid file of twistd, claimed so that no other process can have it written elsewhere.

Rules: twistd itself checks for a running daemon, writes the final process id and removes
the file.  It follows links, waits for a FIFO, and truncates what is there: in a directory
that others may write to, such as /tmp, they could choose which file root overwrites.
"""

from __future__ import annotations

import os
import stat

from twisted.python.usage import UsageError


def check(path: str) -> None:
    """UsageError when what is at `path` is not a regular file of root or of this user."""
    try:
        found = os.lstat(path)
    except OSError:
        # There is none, or `claim` says why it cannot be made.
        return
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"--pidfile {path}: not a regular file")
    if found.st_uid not in (0, os.geteuid()):
        raise UsageError(f"--pidfile {path}: belongs to another user")


def claim(path: str, umask: int) -> None:
    """
    Create the pid file, which twistd then overwrites; UsageError when that cannot be.

    A second daemon that starts at the same time finds the file there.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"--pidfile {path}: another daemon has just made it") from None
    except OSError as error:
        raise UsageError(f"--pidfile {path}: {error.strerror}") from None
    with open(descriptor, "w", encoding="ascii") as file:
        os.fchmod(descriptor, 0o666 & ~umask)
        file.write(str(os.getpid()))
