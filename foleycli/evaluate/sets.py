"""Measures of whole sets, such as the Frechet distance, and how sure they are.

Each take of the set is compared with the clips' own sounds, and the takes' numbers are averaged, so
that a run of ten takes says what a run of one does, only surer. How sure: a tenth of the clips is
left out in turn (the delete-a-group jackknife; a bootstrap would repeat clips, and repeated clips
alone make sets of sounds look further apart).
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from foleycli.clip.media import content_hash
from foleycli.config import EVALUATE
from foleycli.errors import MediaError
from foleycli.evaluate.clipset import Example
from foleycli.evaluate.controls import MADE, OWN, made_control
from foleycli.evaluate.material import Film, Sound
from foleycli.evaluate.measures import SetMeasure, find_measure
from foleycli.evaluate.plan import Plan, kept_plan, write_json
from foleycli.listeners.heard import Heard
from foleycli.version import VERSION

CONTROL = "control"  # stands where a row of a model has its variant


@dataclass(frozen=True, slots=True)
class SetRow:
    """All sounds of one row of the tables; plain, so that it travels between processes."""

    run: Path
    variant: str  # or "control"
    name: str

    def __str__(self) -> str:
        return f"{self.name}, {self.variant}"


def set_rows(plan: Plan) -> list[SetRow]:
    """The rows that measures of sets are taken of."""
    controls = [SetRow(plan.folder, CONTROL, name) for name in (OWN, *MADE)]
    models = [
        SetRow(plan.folder, variant, contestant.name)
        for variant in plan.variants
        for contestant in plan.contestants
    ]
    return controls + models


def set_file(row: SetRow) -> Path:
    """Where a row's numbers are."""
    return row.run / "sets" / row.variant / f"{row.name}.json"


def compare_sets(row: SetRow) -> None:
    """Take every set measure of a row, unless it was taken of the same sounds."""
    plan = kept_plan(row.run)
    takes = _takes(plan, row)
    names = [name for name in plan.measures if find_measure(name).kind == "set"]
    key = [VERSION, EVALUATE.groups, names, [[s.key for s in take.values()] for take in takes]]
    if _read(set_file(row)).get("key") == key:
        return
    values = {}
    for name in names:
        measure = find_measure(name)
        assert isinstance(measure, SetMeasure)
        values[name] = _with_groups(plan, measure, takes, alone=row.variant == CONTROL)
    write_json(set_file(row), {"key": key, "values": values})


@dataclass(frozen=True, slots=True)
class _Sound:
    key: str  # a hash of what it is
    read: Callable[[], Sound]


def _takes(plan: Plan, row: SetRow) -> list[dict[str, _Sound]]:
    """The sounds of each take by the clip's id; clips without one are left out."""
    if row.variant == CONTROL:
        return [{example.id: _control(row.name, example) for example in plan.examples}]
    contestant = plan.contestant(row.name)
    takes: list[dict[str, _Sound]] = [{} for _ in range(plan.takes)]
    for example in plan.examples:
        try:
            files = plan.sounds(contestant, row.variant, example)
        except MediaError:
            continue
        for take, file in zip(takes, files, strict=False):
            if file.is_file():
                take[example.id] = _Sound(content_hash(file), _reader(file, example))
    return [take for take in takes if take]


def _reader(file: Path, example: Example) -> Callable[[], Sound]:
    return lambda: Sound.read(file, Film(example.clip).duration)


def _control(name: str, example: Example) -> _Sound:
    key = f"{name} {content_hash(example.clip)}"
    if name == OWN:
        return _Sound(key, _reader(example.clip, example))
    return _Sound(key, lambda: made_control(name, example, Film(example.clip).duration))


def _with_groups(
    plan: Plan, measure: SetMeasure, takes: list[dict[str, _Sound]], *, alone: bool
) -> list[float | None]:
    """The measure of all clips, then without the first group, the second, ...; each a mean over
    takes.

    Args:
        alone: only of all clips.
    """
    own = _heard(measure, {e.id: _control(OWN, e) for e in plan.examples})
    heard = [_heard(measure, take) for take in takes]
    group = {id: at % EVALUATE.groups for at, id in enumerate(own)}
    groups = [] if alone or len(own) <= EVALUATE.groups else list(range(EVALUATE.groups))
    values = []
    for left_out in (None, *groups):
        kept = {id for id in own if group[id] != left_out}
        each = [_compute(measure, _only(own, kept), _only(take, kept)) for take in heard]
        values.append(_mean(each))
    return values


def _heard(measure: SetMeasure, sounds: dict[str, _Sound]) -> dict[str, Heard]:
    heard = {}
    for id, sound in sounds.items():
        with suppress(MediaError):  # it fails under its own name
            heard[id] = sound.read().heard(measure.needs[0])
    return heard


def _only(heard: dict[str, Heard], kept: set[str]) -> list[Heard]:
    return [of for id, of in heard.items() if id in kept]


def _compute(measure: SetMeasure, own: list[Heard], candidate: list[Heard]) -> float | None:
    if min(len(own), len(candidate)) < 2:
        return None  # two sounds are the least that make a set
    value = measure.compute(own, candidate)
    return value if isfinite(value) else None


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
