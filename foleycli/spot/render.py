"""Cues drawn as features: the way back, so that an edited cue sheet conditions a model."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from foleycli.config import FEATURES
from foleycli.spot.cues import Cue, split_like
from foleycli.spot.features import Features, row_count
from foleycli.spot.text import embed_text

HIT_DECAY = 0.15  # seconds in which the activity after a hit falls to 1/e

Timbre = Callable[[Cue], NDArray[np.float32]]  # (timbre_size,) of an example to sound like


def render_features(
    cues: list[Cue],
    duration: Fraction,
    cuts: tuple[Fraction, ...] = (),
    timbre: Timbre | None = None,
) -> Features:
    """Draw cues as rows (T, 512) for a span of ``duration`` seconds; see `Features`.

    A hit is one point of the hit curve and a decay of the activity curve, a bed a level of the
    activity curve. ``what`` of a row is the mean of the cues sounding in it, the loud and the sure
    weighing more, and so is the example to sound like, when there is one. Softness by itself does
    not blur what is asked for.
    """
    rows = row_count(duration)
    points = rows * FEATURES.bins
    hits, activity = np.zeros(points, np.float32), np.zeros(points, np.float32)
    what = np.zeros((rows, FEATURES.what_size), np.float32)
    examples = np.zeros((rows, FEATURES.timbre_size), np.float32)
    weights, sureness = np.full((2, rows, 1), 1e-9, np.float32)
    asked = sorted({cue.what for cue in cues})
    words = [split_like(what)[0] or what for what in asked]
    vectors = dict(zip(asked, embed_text(words), strict=True)) if asked else {}
    for cue in cues:
        first, last = _points(cue, points)
        if first >= last:
            continue
        strength = min(1.0, 10 ** (cue.level_db / 20))
        if cue.kind == "hit":
            hits[first] = max(hits[first], strength)
            shape = strength * np.exp(-np.arange(last - first) / (HIT_DECAY * FEATURES.when_rate))
        else:
            shape = np.full(last - first, strength)
        activity[first:last] = np.maximum(activity[first:last], shape)
        covered = slice(first // FEATURES.bins, (last - 1) // FEATURES.bins + 1)
        what[covered] += strength * cue.confidence * vectors[cue.what]
        sureness[covered] += strength * cue.confidence
        if timbre is not None:
            examples[covered] += strength * timbre(cue)
            weights[covered] += strength
    return Features.assemble(what / sureness, hits, activity, duration, cuts, examples / weights)


def _points(cue: Cue, points: int) -> tuple[int, int]:
    """The half-open range of curve points a cue covers."""
    first = int(cue.start * FEATURES.when_rate)
    last = max(first + 1, int(cue.end * FEATURES.when_rate))
    return min(first, points), min(last, points)
