"""
The text of netd/testing/lab_urls.py, made from the table of the lab.

Rules: no tests here; docs/generate.py writes the module.
"""

from __future__ import annotations

from typing import Final

from netd.lab.parameters import Parameter
from netd.lab.routes import Route
from netd.lab.table import ROUTES

PATHS: Final = (
    "/echo",
    "/fault/<kind>",
    "/retry/<times>/<key>",
    "/delay/<duration>",
    "/status/<codes>",
    "/drip",
    "/unstable",
)
"""What tests of clients ask for most; every other URL is a path of its own."""

_WIDTH: Final = 96
"""Characters of a line."""
_MODULE: Final = '''\
"""
URLs of the lab, with the parameters that its table has.

Rules: written by docs/generate.py; the standard library only.
"""

from __future__ import annotations

from netd.testing.quoting import Value, Values, target


class LabURLs:
    """Makes URLs below `url`; TypeError for a parameter that the lab does not have."""

    @property
    def url(self) -> str:
        """The URL of the daemon, without a slash at its end."""
        raise NotImplementedError
'''


def _documented(parameter: Parameter) -> str:
    limits = f" ({parameter.limits})" if parameter.limits else ""
    return f"        - `{parameter.name}`: {parameter.help}{limits}\n"


def _argument(parameter: Parameter) -> str:
    kind = "Values" if parameter.repeats else "Value"
    return f"        {parameter.name}: {kind} | None = None,\n"


def _method(route: Route) -> str:
    """The method that makes the URL of a route, as ruff formats it."""
    segments = [each[1:-1] if each.startswith("<") else f'"{each}"' for each in route.segments]
    queried = [each for each in route.parameters if each.name not in route.names]
    positional = "".join(f"        {name}: Value,\n" for name in route.names)
    arguments = [*segments, *(f"{each.name}={each.name}" for each in queried)]
    call = f"        return self.url + target({', '.join(arguments)})\n"
    if len(call.rstrip()) > _WIDTH:
        lines = "".join(f"            {each},\n" for each in arguments)
        call = f"        return self.url + target(\n{lines}        )\n"
    return (
        f"\n    def {route.segments[0]}(\n        self,\n{positional}        *,\n"
        f"{''.join(map(_argument, queried))}    ) -> str:\n"
        f'        """\n        {route.path}: {route.help}.\n\n'
        f'{"".join(map(_documented, route.parameters))}        """\n'
        f"{call}"
    )


def module() -> str:
    """The text of the module."""
    by_path = {route.path: route for route in ROUTES}
    return _MODULE + "".join(_method(by_path[path]) for path in PATHS)
