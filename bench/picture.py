"""The picture of docs/benchmarks.md: CPU time of one request, netd beside its peers.

Rules: draws figures that others have measured. matplotlib (extra `bench`) is imported when it
draws, by name, so that the other commands do not need it.
"""

import importlib
import io
import re
from collections.abc import Mapping
from typing import Any

_OWN, _OTHER = "#0b7a75", "#9aa5b1"


def bars(*tables: Mapping[str, float]) -> str:
    """An SVG of one row of bars for each of two tables: keep-alive, and the same over TLS."""
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    # The same figures make the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "netd", "font.size": 10})
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(1, len(tables), figsize=(9, 3.6), squeeze=False)
    for axis, table, title in zip(axes[0], tables, ("HTTP", "HTTPS"), strict=False):
        rows = sorted(table.items(), key=lambda row: -row[1])
        names, values = [name for name, _ in rows], [value for _, value in rows]
        colours = [_OWN if name.startswith("netd") else _OTHER for name in names]
        drawn = axis.barh(names, values, color=colours)
        axis.bar_label(drawn, [f"{value:.0f}" for value in values], padding=3)
        axis.set_title(f"{title}, µs of CPU a request")
        axis.spines[["top", "right", "bottom"]].set_visible(False)
        axis.set_xticks([])
        axis.margins(x=0.15)
    figure.tight_layout()
    output = io.StringIO()
    figure.savefig(output, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    return re.sub(r"[ \t]+$", "", output.getvalue(), flags=re.MULTILINE)
