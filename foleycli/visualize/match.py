"""Which picture fits a sound: what is heard against what is seen, onsets against motion.

Words are compared in the space of `spot.text`. What is common to all candidates, seen or heard, is
taken off first: nearly every sound is a little like "impact", nearly every picture like "outdoors".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foleycli.listeners.ear import PATCH, PATCH_HOP, ear
from foleycli.spot.text import embed_text
from foleycli.visualize.hear import RATE, STEP, Heard
from foleycli.visualize.index import MOTION_RATE
from foleycli.visualize.words import class_vectors

Floats = NDArray[np.float32]
LOUD = 3.0  # nepers under the loudest patch at which a patch counts half as much


@dataclass(frozen=True, slots=True)
class Query:
    """A stretch of sound as it is looked for."""

    words: Floats  # (384,)
    onsets: Floats  # (points,) onset strength, 25 a second


def query_of(heard: Heard, start: float, end: float, prompt: str | None = None) -> Query:
    """A stretch of what was heard, between two times in seconds."""
    return Query(heard_words(heard, start, end, prompt), onset_curve(heard, start, end))


def onset_curve(heard: Heard, start: float, end: float) -> Floats:
    """Onset strength, 25 a second: the mean of four frames each."""
    step = RATE // MOTION_RATE
    first = round(start * MOTION_RATE) * step
    count = max(1, round((end - start) * MOTION_RATE))
    part = heard.strength[first : first + count * step]
    part = np.pad(part, (0, count * step - len(part)))
    return part.reshape(count, step).mean(axis=1)


def heard_words(heard: Heard, start: float, end: float, prompt: str | None = None) -> Floats:
    """The vector (384,) of what is heard: the classes' words by their probabilities, and the
    listener's own vector, each patch by its loudness."""
    first = max(0, int(start / STEP) - 1)
    last = max(first + 1, min(len(heard.scores), int(np.ceil(end / STEP))))
    patches = range(first, last)
    levels = np.array(
        [heard.level[p * PATCH_HOP :][:PATCH].max(initial=heard.level.min()) for p in patches]
    )
    weights = 0.5 ** ((levels.max(initial=0) - levels) / LOUD)
    weights /= weights.sum()
    scores = weights @ heard.scores[first:last]
    vector = weights @ heard.vectors[first:last]
    words = unit(unit(scores @ class_vectors(heard.classes)) + unit(vector))
    if prompt:
        words = unit(words + 2 * unit(embed_text([prompt])[0] - ear().mean))
    return words


def motion_score(onsets: Floats, motion: Floats, hits: Floats) -> tuple[float, int]:
    """The best agreement of onsets with a piece of film as long, and where that piece begins.

    Args:
        onsets: (n,) at 25 Hz.
        motion: (m,) how suddenly something begins to move, at 25 Hz.
        hits: (m,) how likely something hits then.

    Returns:
        the sum of both correlations, -2 to 2, and the first point.
    """
    scores = slide(onsets, motion) + slide(onsets, hits)
    best = int(scores.argmax())
    return float(scores[best]), best


def slide(onsets: Floats, motion: Floats) -> Floats:
    """Correlation of onsets with every piece of motion of their length, (pieces,)."""
    if len(motion) < len(onsets):
        motion = np.pad(motion, (0, len(onsets) - len(motion)))
    a = smooth(onsets)
    a = a - a.mean()
    b = smooth(motion).astype(np.float64)
    count = len(a)
    dots = np.correlate(b, a.astype(np.float64), "valid")
    sums = np.concatenate([[0.0], np.cumsum(b)])
    squares = np.concatenate([[0.0], np.cumsum(b * b)])
    total = sums[count:] - sums[:-count]
    power = squares[count:] - squares[:-count] - total * total / count
    scale = np.sqrt(np.maximum(power, 1e-9) * max(float(a @ a), 1e-9))
    return np.where(power > 1e-6, dots / scale, 0.0).astype(np.float32)


def smooth(curve: Floats) -> Floats:
    """A curve over three points, its peaks kept from drowning all else."""
    padded = np.pad(np.sqrt(np.maximum(curve, 0)), 1, mode="edge")
    return ((padded[:-2] + padded[1:-1] + padded[2:]) / 3).astype(np.float32)


def unit(vector: NDArray[np.floating]) -> Floats:
    """Of length 1; nothing stays nothing."""
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)
