"""
netd inside other people's tests: a daemon for a test, and certificates for it.

Rules: the standard library only, and nothing before it is asked for, since a plugin
of pytest is imported in every run of its environment.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netd.testing.ca import CA, Certificate
    from netd.testing.daemon import Daemon, StartFailed
    from netd.testing.in_process import serve
    from netd.testing.target import Target

__all__ = ["CA", "Certificate", "Daemon", "StartFailed", "Target", "serve"]

_MODULES = {
    "CA": "ca",
    "Certificate": "ca",
    "Daemon": "daemon",
    "StartFailed": "daemon",
    "Target": "target",
    "serve": "in_process",
}


def __getattr__(name: str) -> object:
    """Each public name, from the module that has it."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
