"""
The machine netd runs on.

Rules: pure functions from a Call to a Reply, which show only what the operator reveals.
"""

from __future__ import annotations

from typing import Final

from netd.lab.call import BadCall, Call, Reply
from netd.lab.endpoints.httpbin_json import json_reply

_PREFIX: Final = "NETD_ENV_"


def hostname(call: Call) -> Reply:
    """Return the name of the machine; 403 without --reveal hostname."""
    return json_reply({"hostname": _revealed("hostname", call.config.lab.hostname)})


def version(call: Call) -> Reply:
    """Return the version of netd; 403 without --reveal version."""
    return json_reply({"version": _revealed("version", call.config.lab.version)})


def _revealed(name: str, value: str | None) -> str:
    if value is None:
        raise BadCall(f"start netd with --reveal {name} to be told", 403)
    return value


def env(call: Call) -> Reply:
    """Return the environment variables whose names begin with NETD_ENV_."""
    environ = call.state.environ
    return json_reply({"env": {k: v for k, v in environ.items() if k.startswith(_PREFIX)}})
