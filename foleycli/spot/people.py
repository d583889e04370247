"""What people do that sounds: their steps, on the ground that a place has."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from foleycli.config import CUES, FEATURES
from foleycli.sight.sightings import Sighting
from foleycli.sight.steps import FootStep, by_person, find_steps
from foleycli.spot.cues import Cue
from foleycli.spot.where import distance_of, pan_of

GROUNDS = {  # of places; elsewhere concrete
    "room": "wood floor", "kitchen": "wood floor", "office": "wood floor", "shop": "wood floor",
    "restaurant": "wood floor", "stage": "wood floor", "hall": "wood floor", "gym": "wood floor",
    "park": "gravel", "yard": "gravel", "track": "gravel", "field": "grass", "forest": "leaves",
    "snow": "snow", "lake": "water", "river": "water", "sea": "water",
}  # fmt: skip
WORDS = {"grass": "in grass", "leaves": "in leaves", "snow": "in snow", "water": "in water"}


def walk(
    sightings: Sequence[Sighting], start: Fraction, end: Fraction, place: str
) -> Iterator[Cue]:
    """A cue for every step that is seen between two cuts.

    Args:
        place: where it is, by a name of ``places.csv``.
    """
    ground = GROUNDS.get(place, "concrete")
    words = f"footsteps {WORDS.get(ground, f'on {ground}')}"
    looks = [s for s in sightings if "people" in s.looked_for and start <= s.time < end]
    for seen in by_person(looks).values():
        if len(seen) < CUES.steps_of:
            continue  # not seen often enough to tell
        times = np.array([float(look.time) for look, _ in seen])
        joints = np.stack([person.joints for _, person in seen])
        steps = find_steps(times, joints, seen[0][0].aspect)
        if len(steps) < CUES.fewest_steps:
            continue  # somebody who sits, and moves
        for step in steps:
            nearest = min(seen, key=lambda pair: abs(float(pair[0].time) - step.time))
            distance = distance_of("person", nearest[1].box)
            yield _cue(step, distance, words, ground, start, end)


def _cue(
    step: FootStep, distance: float, words: str, ground: str, start: Fraction, end: Fraction
) -> Cue:
    grid = FEATURES.when_rate
    at = max(start, Fraction(round(step.time * grid), grid))
    soft = 20 * np.log10(max(0.35, step.strength))
    return Cue(
        start=at,
        duration=max(Fraction(1, grid), min(Fraction(CUES.hit_length), end - at)),
        kind="hit",
        what=words,
        level_db=round(float(soft), 1),
        confidence=round(float(step.likelihood), 2),
        layer="feet",
        surface=ground,
        pan=round(pan_of((step.x, step.y, step.x, step.y)), 2),
        distance=round(distance, 1),
        evidence="a foot lands",
    )
