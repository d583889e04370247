"""Every measure of every sound of one clip."""

import json
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foleycli.clip.media import content_hash
from foleycli.config import EVALUATE
from foleycli.errors import FoleyError, MediaError
from foleycli.evaluate.clipset import Example
from foleycli.evaluate.controls import (
    ANOTHER,
    CONTROLS,
    MADE,
    OWN,
    SILENCE,
    fitted,
    made_control,
    other_clips,
)
from foleycli.evaluate.material import Film, Sound
from foleycli.evaluate.measures import ClipMeasure, find_measure
from foleycli.evaluate.plan import Plan, kept_plan, write_json
from foleycli.version import VERSION

Scores = dict[str, float | None]  # by measure; None where it is undefined


@dataclass(frozen=True, slots=True)
class Scoring:
    """A clip whose sounds are to be measured; plain, so that it travels between processes."""

    run: Path
    id: str
    again: bool = False  # also what is measured already

    def __str__(self) -> str:
        return self.id


def score_clip(task: Scoring) -> None:
    """Measure the controls and every model's sounds of one clip, but what is measured already: a
    measure that is added is taken of every sound, and the others are not taken again.

    Raises:
        FoleyError: some sounds are missing or cannot be read; the others are written down.
    """
    plan = kept_plan(task.run)
    example = plan.example(task.id)
    path = plan.scores(example)
    known = {} if task.again else _read_scores(path)
    film = Film(example.clip, example.prompt or example.label)
    own = Sound.read(example.clip, film.duration)
    judge = _Judge(own, film, plan)
    if known.get("key", [])[: len(judge.key)] != judge.key:
        known = {}
    controls = _control_scores(judge, plan, example, known.get("controls", {}))
    rows: dict[str, dict[str, Any]] = known.get("rows", {})
    problems: dict[str, FoleyError] = {}
    for variant in plan.variants:
        for contestant in plan.contestants:
            row = rows.setdefault(variant, {})
            try:
                sounds = plan.sounds(contestant, variant, example)
                row[contestant.name] = judge.row(sounds, row.get(contestant.name))
            except FoleyError as error:
                row.pop(contestant.name, None)
                problems[f"{contestant.name}, {variant}"] = error
    write_json(
        path,
        {
            "id": example.id,
            "label": example.label,
            "duration": film.duration,
            "key": [*judge.key, *judge.names],
            "controls": controls,
            "rows": rows,
        },
    )
    if problems:
        raise FoleyError(
            "; ".join(f"{where}: {e.problem.rstrip('.')}" for where, e in problems.items()) + ".",
            " ".join(dict.fromkeys(e.remedy for e in problems.values())),
        )


def _control_scores(
    judge: "_Judge", plan: Plan, example: Example, known: dict[str, list[Scores]]
) -> dict[str, list[Scores]]:
    if all(name in known and not any(map(judge.lacking, known[name])) for name in CONTROLS):
        return known
    duration = judge.film.duration
    sounds = {
        OWN: [judge.own],
        ANOTHER: list(_other_sounds(plan, example, duration)),
        **{
            name: [
                made_control(name, example, duration, draw)
                for draw in range(1 if name == SILENCE else EVALUATE.others)
            ]
            for name in MADE
        },
    }
    scores = {}
    for name, drawn in sounds.items():
        before = known.get(name, [])
        same = before if len(before) == len(drawn) else [{} for _ in drawn]
        scores[name] = [judge.scores(*pair) for pair in zip(drawn, same, strict=True)]
    return scores


def _other_sounds(plan: Plan, example: Example, duration: float) -> Iterator[Sound]:
    for other in other_clips(plan.examples, example, EVALUATE.others):
        with suppress(MediaError):  # it fails under its own name
            yield fitted(Sound.read(other.clip), duration)


class _Judge:
    """Measures sounds of one clip."""

    def __init__(self, own: Sound, film: Film, plan: Plan) -> None:
        self.own, self.film, self.folder = own, film, plan.folder
        found = [find_measure(name) for name in plan.measures]
        self.measures = [measure for measure in found if isinstance(measure, ClipMeasure)]
        self.names = [measure.name for measure in self.measures]
        self.key = [VERSION, content_hash(film.path)]

    def lacking(self, known: Scores) -> list[ClipMeasure]:
        """Measures that were not taken yet."""
        return [measure for measure in self.measures if measure.name not in known]

    def scores(self, sound: Sound, known: Scores) -> Scores:
        """Every measure of one sound, those that are known as they are."""
        values = {m.name: float(m.compute(self.own, sound, self.film)) for m in self.lacking(known)}
        return known | {n: value if math.isfinite(value) else None for n, value in values.items()}

    def row(self, sounds: list[Path], known: dict[str, Any] | None) -> dict[str, Any]:
        """The scores of a model's takes, or what is known of them if they are the same."""
        missing = [path.name for path in sounds if not path.is_file()]
        if missing:
            raise FoleyError(f"{missing[0]} was not made.", "See above.")
        files = {_told(path, self.folder): content_hash(path) for path in sounds}
        before = {s["file"]: s for s in known["sounds"]} if known else {}
        takes = []
        for file, digest in files.items():
            take = before.get(file, {})
            scores = take["scores"] if take.get("hash") == digest else {}
            if self.lacking(scores):
                scores = self.scores(Sound.read(self.folder / file, self.film.duration), scores)
            takes.append({"file": file, "hash": digest, "scores": scores})
        return {"sounds": takes}


def _told(path: Path, folder: Path) -> str:
    """A path from the run's folder, so that the run can be moved; others as they are."""
    inside = path.resolve().is_relative_to(folder.resolve())
    return str(path.resolve().relative_to(folder.resolve()) if inside else path.resolve())


def _read_scores(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
