"""
What the daemon says of itself; never delayed.

Rules: pure functions from a Call to a Reply.
"""

from __future__ import annotations

from netd.web.exchange import Call, Reply


def health(call: Call) -> Reply:
    """Say that the reactor turns."""
    return Reply(b"ok\n", headers=(("Cache-Control", "no-store"),))


def help_page(call: Call) -> Reply:
    """List every route of the table with its methods and what it is for."""
    rows = [
        (route.path, ", ".join(route.methods) or "any", route.help) for route in call.routes
    ]
    wide = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f"{path:{wide[0]}}  {how:{wide[1]}}  {what}\n" for path, how, what in rows]
    return Reply("".join(lines).encode())
