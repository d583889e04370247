"""What a run found: means with intervals, paired differences, measures that work on the set."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from foleycli.config import EVALUATE
from foleycli.errors import UsageError
from foleycli.evaluate.controls import ANOTHER, CONTROLS, OWN
from foleycli.evaluate.interval import bootstrap
from foleycli.evaluate.measures import MEASURES, Measure, find_measure
from foleycli.evaluate.plan import ALL, CORE, DEFAULT, Plan, read_plan
from foleycli.evaluate.sets import CONTROL, SetRow, set_file

Values = NDArray[np.float64]
NAN = float("nan")
FEWEST = 5  # clips; what fewer of them agree on by chance looks certain when it is resampled
EXACT = 1e-9  # a difference of less is rounding


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its 95 % interval; nan where there is none."""

    value: float
    low: float = NAN
    high: float = NAN
    clips: int = 0

    @property
    def differs(self) -> bool:
        """Of a difference: whether its interval leaves zero out."""
        return self.low > 0 or self.high < 0


class Results:
    """A run's numbers by variant, row and measure; controls stand under the variant "control".

    Args:
        measures: names of those that are wanted; "default" stands for those of `CORE` that were
            taken, "all" for all that were. When empty, what the run was asked for, and "default"
            where that was everything.

    Raises:
        UsageError: the folder holds no run, or nothing is measured yet.
    """

    def __init__(self, folder: Path, measures: Sequence[str] = ()) -> None:
        self.plan: Plan = read_plan(folder)
        self._clips = {example.id: self._read_clip(example.id) for example in self.plan.examples}
        if not any(self._clips.values()):
            raise UsageError(
                f"Nothing is measured in {folder} yet.", "Let `foley eval run` finish."
            )
        taken = self.plan.measures
        groups = {ALL: taken, DEFAULT: tuple(name for name in CORE if name in taken) or taken}
        measures = measures or [DEFAULT if _is_everything(taken) else ALL]
        wanted = dict.fromkeys(part for name in measures for part in groups.get(name, (name,)))
        unknown = [name for name in wanted if name not in taken]
        if unknown:
            raise UsageError(
                f"{unknown[0]} was not measured in this run.",
                f"There are {', '.join(taken)}.",
            )
        self.measures: list[Measure] = [find_measure(name) for name in wanted]

    @property
    def models(self) -> list[str]:
        """Rows of the models, in the order they were asked for."""
        return [contestant.name for contestant in self.plan.contestants]

    @property
    def variants(self) -> tuple[str, ...]:
        """What of the clips was seen."""
        return self.plan.variants

    @property
    def labels(self) -> list[str]:
        """Of every clip."""
        return [example.label for example in self.plan.examples]

    def clip(self, id: str) -> dict[str, Any]:
        """All that was written down of a clip; empty when it failed."""
        return self._clips[id]

    def values(self, variant: str, row: str, measure: str) -> Values:
        """A clip measure of every clip, the mean of its takes; nan where it is undefined."""
        return np.array([self.value(id, variant, row, measure) for id in self._clips])

    def estimate(self, variant: str, row: str, measure: Measure) -> Estimate:
        """A measure of one row."""
        if measure.kind == "set":
            return jackknife(self._set_values(variant, row, measure.name))
        return mean_of(self.values(variant, row, measure.name))

    def difference(self, variant: str, row: str, base: str, measure: Measure) -> Estimate:
        """How much a row has more than another, clip by clip; of a measure of whole sets only where
        both have sounds of the same clips."""
        if measure.kind == "set":
            more = self._set_values(variant, row, measure.name)
            less = self._set_values(variant, base, measure.name)
            both = len(more) == len(less) and (
                self.sounded(variant, row) == self.sounded(variant, base)
            )
            return jackknife(more - less) if both else Estimate(NAN)
        more = self.values(variant, row, measure.name)
        return mean_of(more - self.values(variant, base, measure.name))

    def by_category(
        self, variant: str, row: str, base: str, measure: Measure
    ) -> dict[str, Estimate]:
        """The difference in each category, the largest gain first (Figure 5 of the paper).

        Raises:
            UsageError: the measure is of whole sets, or the run has no such variant.
        """
        self.plan.check_variant(variant)
        if measure.kind == "set":
            raise UsageError(f"{measure.name} has no number for one clip.", "Choose another.")
        sign = -1 if measure.better == "lower" else 1
        gains = self.values(variant, row, measure.name) - self.values(variant, base, measure.name)
        labels = np.array(self.labels)
        found = {label: mean_of(gains[labels == label]) for label in dict.fromkeys(self.labels)}
        found = {label: gain for label, gain in found.items() if gain.clips}
        return dict(sorted(found.items(), key=lambda pair: -sign * pair[1].value))

    @cached_property
    def failing(self) -> dict[str, list[str]]:
        """Measures of quality that do not put the clips' own sound before the controls here, each
        with the controls that it does not tell from the truth."""
        failing = {measure.name: self._not_beaten(measure) for measure in self.measures}
        return {name: controls for name, controls in failing.items() if controls}

    def _not_beaten(self, measure: Measure) -> list[str]:
        if measure.better is None:
            return []
        sign = 1 if measure.better == "higher" else -1
        # in a set, other clips' sounds are the same sounds
        skipped = (OWN, ANOTHER) if measure.kind == "set" else (OWN,)
        return [
            control
            for control in CONTROLS
            if control not in skipped and not self._is_beaten(measure, control, sign)
        ]

    def _is_beaten(self, measure: Measure, control: str, sign: int) -> bool:
        lead = self.difference(CONTROL, OWN, control, measure)
        if np.isnan(lead.value) or (measure.kind == "clip" and lead.clips < FEWEST):
            return True  # undefined there, or too few clips to tell
        if measure.better == "lower" and self.estimate(CONTROL, OWN, measure).value == 0:
            return lead.value <= 0  # nothing can be better, and silence too has no speech in it
        if measure.kind == "set":
            return sign * lead.value > EXACT
        return (lead.low if sign > 0 else -lead.high) > EXACT

    def _read_clip(self, id: str) -> dict[str, Any]:
        try:
            return json.loads((self.plan.folder / "clips" / f"{id}.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}

    def value(self, id: str, variant: str, row: str, measure: str) -> float:
        """A clip measure of one clip, the mean of its takes; nan where it is undefined."""
        clip = self._clips[id]
        if variant == CONTROL:
            takes = clip.get("controls", {}).get(row, [])
        else:
            sounds = clip.get("rows", {}).get(variant, {}).get(row, {}).get("sounds", [])
            takes = [sound["scores"] for sound in sounds]
        known = [scores[measure] for scores in takes if scores.get(measure) is not None]
        return float(np.mean(known)) if known else NAN

    def sounded(self, variant: str, row: str) -> frozenset[str]:
        """Ids of the clips that have a sound of a row."""
        if variant == CONTROL:
            return frozenset(id for id, clip in self._clips.items() if clip)
        return frozenset(
            id for id, clip in self._clips.items() if row in clip.get("rows", {}).get(variant, {})
        )

    def takes(self, row: str) -> int:
        """The fewest sounds of a clip that a model has, where it has any: a folder may hold fewer
        than were asked for."""
        counts = [
            len(rows[row]["sounds"])
            for clip in self._clips.values()
            for rows in clip.get("rows", {}).values()
            if row in rows
        ]
        return min(counts, default=self.plan.takes)

    def _set_values(self, variant: str, row: str, measure: str) -> Values:
        """Of all clips, then with each group left out."""
        try:
            path = set_file(SetRow(self.plan.folder, variant, row))
            values = json.loads(path.read_text(encoding="utf-8"))["values"][measure]
        except (OSError, ValueError, KeyError):
            return np.array([NAN])
        return np.array([NAN if value is None else value for value in values], np.float64)


def _is_everything(taken: Sequence[str]) -> bool:
    """Whether a run was asked for all measures: it has those that few would name, too."""
    return all(measure.name in taken for measure in MEASURES if not measure.needs)


def mean_of(values: Values) -> Estimate:
    """Mean over clips, with the interval of the mean over resampled clips where they are enough."""
    mean, low, high = bootstrap(values, resamples=EVALUATE.resamples)
    clips = int(np.sum(~np.isnan(values)))
    return Estimate(mean, low, high, clips) if clips >= FEWEST else Estimate(mean, clips=clips)


def jackknife(values: Values) -> Estimate:
    """Delete-a-group jackknife: the value of all, and how it moves when a group is left out.

    Args:
        values: (1 + groups,), the first of all clips; with no groups there is no interval.
    """
    whole, left_out = float(values[0]), values[1:]
    groups = len(left_out)
    if groups < 2 or np.isnan(left_out).any():
        return Estimate(whole)
    error = np.sqrt((groups - 1) / groups * np.sum((left_out - left_out.mean()) ** 2))
    reach = float(student_t.ppf(0.975, groups - 1) * error)
    return Estimate(whole, whole - reach, whole + reach)
