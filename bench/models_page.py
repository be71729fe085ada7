"""docs/models.md: the text of `bench/models.md` with the figures of a run.

Rules: pure; every figure of the page is filled in here, and comes from the run.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from string import Template

from bench import ladder, measure
from bench.ladder import Five, Rung

_NONE = "not measured here"


def page(
    template: str,
    fives: Mapping[str, Five],
    climbs: Mapping[str, Sequence[Rung]],
    delay: float,
    words: Mapping[str, str],
) -> str:
    """The page; `words` are those that are no figure of a model."""
    figures = defaultdict(lambda: _NONE, words)
    figures["delay"], figures["limit"] = f"{delay:g}", f"{delay * ladder.WAVES:g}"
    figures["five"], figures["ladder"] = _five(fives), _ladder(climbs)
    figures["ends"] = _ends(climbs)
    for label, five in fives.items():
        figures[f"{_word(label)}_five"] = _shown(five.wall, 1)
    for label, climb in climbs.items():
        if together := [rung for rung in climb if rung.memory and rung.wall < 2 * delay]:
            last = together[-1]
            figures[f"{_word(label)}_kb"] = _cost(together[0], last)
            figures[f"{_word(label)}_top"] = _count(max(last.processes, last.threads))
            figures[f"{_word(label)}_clients"] = _count(last.clients)
    return Template(template).substitute(figures)


def _word(label: str) -> str:
    """The label as a word of the template."""
    return label.replace("-", "_")


def _cost(first: Rung, last: Rung) -> str:
    """The memory of one client more."""
    if first.clients == last.clients:
        return _NONE
    kilobytes = max(0, last.memory - first.memory) / (last.clients - first.clients) / 1024
    return f"{kilobytes:.{1 if kilobytes < 10 else 0}f} KB"


def _five(fives: Mapping[str, Five]) -> str:
    """The table of five clients."""
    header = ["model", "`ab -n 5 -c 5` s", "five at once s", "first bytes after s"]
    rows = []
    for label, five in fives.items():
        times = sorted(each.first for each in five.exchanges)
        cells = [_shown(five.ab_seconds, 1), _shown(five.wall, 2)]
        firsts = " ".join(f"{each:.1f}" for each in times)
        rows.append([label, *cells, firsts, five.broken or str(five.together())])
    return measure.markdown([*header, "at a time"], rows)


def _ladder(climbs: Mapping[str, Sequence[Rung]]) -> str:
    """A table for each number of clients."""
    tables: dict[int, list[list[str]]] = {}
    for label, climb in climbs.items():
        for rung in climb:
            tables.setdefault(rung.clients, []).append([label, *_cells(rung)])
    header = ["model", "all done s", "late p50 ms", "p99 ms", "responses", "refused", "lost"]
    header += ["memory MB", "processes", "threads", "CPU s", "context switches", "dropped"]
    return "\n\n".join(
        f"### {_count(clients)} client{'s' if clients > 1 else ''}\n\n"
        f"{measure.markdown(header, rows)}"
        for clients, rows in sorted(tables.items())
    )


def _cells(rung: Rung) -> list[str]:
    """The figures of a rung."""
    late = rung.late_ms
    shares = [measure.percentile(late, share) if late else math.nan for share in (0.5, 0.99)]
    counts = [len(late), rung.refused, rung.lost]
    return [
        _shown(rung.wall, 2),
        *(_count(each) for each in shares),
        *(_count(each) for each in counts),
        _shown(rung.memory / 2**20 or math.nan, 1),
        _count(rung.processes or math.nan),
        _count(rung.threads or math.nan),
        _shown(rung.cpu_seconds, 2),
        _count(rung.switches),
        _count(rung.drops),
    ]


def _ends(climbs: Mapping[str, Sequence[Rung]]) -> str:
    """The most clients that each model served, and how it failed more."""
    rows = []
    for label, climb in climbs.items():
        served = [rung.clients for rung in climb if not rung.broken]
        last = climb[-1]
        how = f"{_count(last.clients)}: {last.broken}" if last.broken else "-"
        if last.broken and last.drops:
            how += f", {_count(last.drops)} connections dropped"
        rows.append([label, _count(max(served, default=0)), how])
    return measure.markdown(["model", "clients served", "and with more"], rows)


def _shown(number: float, decimals: int) -> str:
    return "-" if math.isnan(number) else f"{number:.{decimals}f}"


def _count(number: float) -> str:
    return "-" if math.isnan(number) else f"{number:,.0f}".replace(",", " ")
