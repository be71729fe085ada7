"""The pictures of docs/benchmarks.md and docs/models.md.

Rules: draws figures that others have measured. matplotlib (extra `bench`) is imported when it
draws, by name, so that the other commands do not need it.
"""

import importlib
import importlib.util
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import Any

from bench.herd import Exchange

_OWN, _OTHER = "#0b7a75", "#9aa5b1"

_PAPER, _INK, _LINES, _QUEUE = "#ffffff", "#1f2328", "#d1d9e0", "#c5ccd3"
_FAMILIES = {
    "in turn": ("#cf222e", "o"),
    "processes and threads": ("#9a6700", "s"),
    "Apache and nginx": ("#bf3989", "^"),
    "select, poll, epoll, kqueue": ("#0969da", "D"),
    "event loops": ("#1b7c83", "v"),
    "netd": (_INK, "o"),
}
"""The colour and the mark of each family of models."""
_DARK = {
    _PAPER: "#0d1117",
    _INK: "#f0f6fc",
    _LINES: "#3d444d",
    _QUEUE: "#545d68",
    "#cf222e": "#ff7b72",
    "#9a6700": "#e3b341",
    "#bf3989": "#f778ba",
    "#0969da": "#79c0ff",
    "#1b7c83": "#39c5cf",
}
"""What becomes of each colour where a reader prefers dark pages."""
_APART = 0.034
"""The least distance of two labels, of the height of the picture."""


def check() -> None:
    """ValueError where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError("the pictures need matplotlib (pip install '.[models]')")


def _pyplot(**settings: object) -> Any:
    """matplotlib.pyplot, whose same figures make the same file."""
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "netd", "font.size": 10, **settings})
    return importlib.import_module("matplotlib.pyplot")


def _svg(figure: Any, **metadata: str) -> str:
    """The figure as text."""
    output = io.StringIO()
    figure.savefig(output, format="svg", metadata={"Date": None, **metadata})
    importlib.import_module("matplotlib.pyplot").close(figure)
    return re.sub(r"[ \t]+$", "", output.getvalue(), flags=re.MULTILINE)


def bars(*tables: Mapping[str, float]) -> str:
    """An SVG of one row of bars for each of two tables: keep-alive, and the same over TLS."""
    figure, axes = _pyplot().subplots(1, len(tables), figsize=(9, 3.6), squeeze=False)
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
    return _svg(figure)


def _plain(width: float, height: float) -> tuple[Any, Any]:
    """A figure whose colours have a dark counterpart, and its axis."""
    names = ("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor")
    lines = ("axes.edgecolor", "xtick.color", "ytick.color", "grid.color", "legend.edgecolor")
    paper = ("figure.facecolor", "savefig.facecolor", "axes.facecolor", "legend.facecolor")
    settings = dict.fromkeys(names, _INK) | dict.fromkeys(lines, _LINES)
    pyplot = _pyplot(**settings, **dict.fromkeys(paper, _PAPER), **{"svg.fonttype": "none"})
    figure, axis = pyplot.subplots(figsize=(width, height))
    axis.spines[["top", "right"]].set_visible(False)
    return figure, axis


def _both_schemes(svg: str) -> str:
    """The picture with a style sheet that makes it dark for readers who prefer that."""
    rules = "".join(
        f'[style*="{what}: {light}"]{{{what}:{dark} !important}}'
        for light, dark in _DARK.items()
        for what in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>"
    return re.sub(r"(<svg [^>]*>)", rf"\1\n {style}", svg, count=1)


def gantt(fives: Mapping[str, Sequence[Exchange]], families: Mapping[str, str]) -> str:
    """An SVG of when each of five clients waits in a queue and when it is served, by model."""
    figure, axis = _plain(9, 1.2 + 0.38 * len(fives))
    for row, (label, exchanges) in enumerate(fives.items()):
        colour, _ = _FAMILIES[families[label]]
        for place, each in enumerate(sorted(exchanges, key=lambda each: each.ended)):
            at = {"y": row + 0.16 * (place - 2), "height": 0.12}
            axis.barh(width=each.first - each.started, left=each.started, color=_QUEUE, **at)
            axis.barh(width=each.ended - each.first, left=each.first, color=colour, **at)
        if wall := max((each.ended for each in exchanges), default=0.0):
            axis.annotate(
                f"{wall:.1f} s",
                (wall, row),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
            )
    axis.set_yticks(range(len(fives)), list(fives))
    axis.set_ylim(len(fives) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("seconds since all five clients came")
    axis.set_xlim(left=0)
    axis.barh(0, 0, color=_QUEUE, label="waits in a queue")
    for family in dict.fromkeys(families.values()):
        axis.barh(0, 0, color=_FAMILIES[family][0], label=f"served: {family}")
    axis.legend(loc="lower right")
    figure.tight_layout()
    title = "When each of five clients is served, by model"
    return _both_schemes(_svg(figure, Title=title))


def ladder(
    climbs: Mapping[str, Sequence[tuple[int, float]]],
    broken: Iterable[str],
    families: Mapping[str, str],
    delay: float,
) -> str:
    """An SVG of the seconds until all clients have their response, over their number."""
    figure, axis = _plain(9, 6.8)
    counts = sorted({clients for points in climbs.values() for clients, _ in points}) or [1]
    axis.set(xscale="log", yscale="log", ylim=(0.9 * delay, 14 * delay))
    axis.set_xlim(counts[0] * 0.8, counts[-1] * 6)
    axis.set_xticks(counts, [f"{count:,}".replace(",", " ") for count in counts])
    waits = [delay * factor for factor in (1, 2, 3, 5, 10)]
    axis.set_yticks(waits, [f"{wait:g} s" for wait in waits])
    axis.minorticks_off()
    axis.grid(visible=True, linewidth=0.6)
    for label, points in climbs.items():
        colour, mark = _FAMILIES[families[label]]
        width = 2.4 if families[label] == "netd" else 1.2
        axis.plot(*zip(*points, strict=True), color=colour, marker=mark, ms=4, lw=width)
        if label in broken:
            axis.plot(*points[-1], color=colour, marker="x", ms=11, mew=2)
    _name_ends(axis, climbs, families)
    for family in dict.fromkeys(families.values()):
        colour, mark = _FAMILIES[family]
        axis.plot([], [], color=colour, marker=mark, label=family)
    missing = "more clients are too many"
    axis.plot([], [], color=_INK, marker="x", ms=9, mew=2, lw=0, label=missing)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=4, frameon=False)
    axis.set(xlabel="clients at once", ylabel="until the last one has its response")
    figure.tight_layout()
    title = "Seconds until the last client has its response, by the number of clients"
    return _both_schemes(_svg(figure, Title=title))


def _name_ends(
    axis: Any, climbs: Mapping[str, Sequence[tuple[int, float]]], families: Mapping[str, str]
) -> None:
    """Write the name of each line beside its end, without names on each other."""
    lowest, highest = axis.get_ylim()
    ends: dict[int, dict[str, float]] = {}
    for label, points in climbs.items():
        clients, wall = points[-1]
        ends.setdefault(clients, {})[label] = log(wall / lowest) / log(highest / lowest)
    line = {"arrowstyle": "-", "color": _LINES, "lw": 0.8, "relpos": (0, 0.5)}
    # Lines behind a name do not make it hard to read.
    box = {"facecolor": _PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 1}
    for clients, heights in ends.items():
        for label, height in spread(heights, _APART).items():
            axis.annotate(
                label,
                climbs[label][-1],
                xytext=(clients * 1.7, height),
                textcoords=("data", "axes fraction"),
                color=_FAMILIES[families[label]][0],
                va="center",
                arrowprops=line,
                bbox=box,
            )


def spread(places: Mapping[str, float], apart: float) -> dict[str, float]:
    """The places in their order, moved up where the next lower one is nearer than `apart`."""
    moved: dict[str, float] = {}
    lowest = 0.0
    for name in sorted(places, key=lambda name: places[name]):
        moved[name] = max(places[name], lowest)
        lowest = moved[name] + apart
    return moved
