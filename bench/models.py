"""`python -m bench models`: one server in many ways, under five clients and under ever more.

Rules: chooses, orders and writes; `bench/ladder.py` measures, `bench/models_page.py` makes the
page, `bench/picture.py` draws.
"""

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import herd, ladder, measure, picture, process, venv
from bench.ladder import Five, Rung
from bench.model_rows import Model, models
from bench.models_page import page
from bench.peers import HERE, Choice, named

LABELS = tuple(model.label for model in models(0))
RUNGS = (1, 10, 100, 1000, 10_000)
_TOGETHER = 10
"""Up to so many clients of each model, all models are measured at once."""


def main(names: str, delay: float, rungs: Sequence[int], to: Path | None) -> int:
    """
    Print the page, or write it and its pictures into `to`; 1 when five clients were too many.

    Raises ValueError for a bad option and HerdError when the open files do not suffice.
    """
    begun = time.monotonic()
    chosen, notes = _choose(names, delay)
    if to:
        picture.check()
        if not to.is_dir():
            raise ValueError(f"--to: {to} is not a folder")
    herd.allow_files(max(rungs))
    with process.staged([], Choice("", "", (), venv.default_folder())) as stage:
        versions = [*stage.versions, *(model.version() for model in chosen)]
        named_once = filter(None, dict.fromkeys(versions))
        about = f"Each response takes {delay:g} s"
        words = {"machine": measure.opening(named_once, about, notes)}
        process.pin(stage.client_core)
        print(f"5 at once: {len(chosen)} models", file=sys.stderr)
        fives = ladder.five(stage, chosen, delay)
        climbs = _climb(stage, chosen, rungs, delay)
    words["minutes"] = f"{max(1, round((time.monotonic() - begun) / 60))}"
    text = page((HERE / "models.md").read_text(), fives, climbs, delay, words)
    if to is None:
        print(text)
    else:
        (to / "models.md").write_text(text)
        _draw(to, chosen, fives, climbs, delay)
    return int(any(five.broken for five in fives.values()))


def _choose(names: str, delay: float) -> tuple[list[Model], list[str]]:
    """
    The models to run, and a note for each that cannot.

    Raises ValueError for one that is unknown, or was asked for and cannot run.
    """
    requested = named("--models", names, LABELS)
    wanted = [model for model in models(delay) if not requested or model.label in requested]
    absent = {model.label: why for model in wanted if (why := model.lacks())}
    if requested and absent:
        label, why = next(iter(absent.items()))
        raise ValueError(f"--models: {label} cannot run: {why}")
    notes = [f"{label} left out: {why}" for label, why in absent.items()]
    if not shutil.which("ab"):
        notes.append("ab left out: it is not installed")
    return [model for model in wanted if model.label not in absent], notes


def _climb(
    stage: process.Stage, chosen: Sequence[Model], rungs: Sequence[int], delay: float
) -> dict[str, list[Rung]]:
    """The rungs of each model, up to the first on which it breaks."""
    climbs: dict[str, list[Rung]] = {model.label: [] for model in chosen}
    standing = list(chosen)
    for clients in rungs:
        groups = [[model] for model in standing]
        if clients <= _TOGETHER and standing:
            groups = [standing]
        for number, group in enumerate(groups):
            what = group[0].label if len(group) == 1 else f"{len(group)} models"
            print(f"{clients} at once: {what} ({number + 1} of {len(groups)})", file=sys.stderr)
            for label, rung in ladder.rungs(stage, group, clients, delay).items():
                climbs[label].append(rung)
        standing = [model for model in standing if not climbs[model.label][-1].broken]
    return climbs


def _draw(
    to: Path,
    chosen: Sequence[Model],
    fives: Mapping[str, Five],
    climbs: Mapping[str, Sequence[Rung]],
    delay: float,
) -> None:
    """Write the pictures into the folder."""
    families = {model.label: model.family for model in chosen}
    served = {label: five.exchanges for label, five in fives.items()}
    (to / "models-five.svg").write_text(picture.gantt(served, families))
    points = {
        label: [(rung.clients, rung.wall) for rung in climb if not rung.broken]
        for label, climb in climbs.items()
    }
    broken = [label for label, climb in climbs.items() if climb[-1].broken]
    drawn = {label: each for label, each in points.items() if each}
    (to / "models-ladder.svg").write_text(picture.ladder(drawn, broken, families, delay))
