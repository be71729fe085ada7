"""
The static tree under `/files/`.

Rules: gives one IResource; what stands inside may change without anyone
noticing.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.python.usage import UsageError
from twisted.web.resource import IResource
from twisted.web.static import File

from netd import settings

SAMPLE = Path(__file__).parent / "sample"
"""The tree that the package brings."""


def resource(config: settings.Files) -> IResource:
    """The tree that `config` names; UsageError when it is not a directory one can read."""
    root = config.root if config.root is not None else SAMPLE
    try:
        os.listdir(root)
    except OSError as wrong:
        raise UsageError(f"--files {root}: {wrong.strerror}") from None
    tree: IResource = File(str(root), defaultType="application/octet-stream")
    return tree
