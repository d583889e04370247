"""Where a sound changes: the shots that it asks for."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from foleycli.config import VISUALIZE
from foleycli.listeners.ear import PATCH_HOP
from foleycli.visualize.hear import STEP, Heard

SIDE = 3  # patches, 1.4 s, that are compared on either side of a cut
SNAP = 0.6  # seconds: how far a cut moves to the onset that makes the change
LOUDER = 2.5  # nepers, 22 dB, of change that alone make another sound
NOVEL = 0.22  # cosine distance of what is heard before and after, from which it is another sound


@dataclass(frozen=True, slots=True)
class Slot:
    """A stretch of sound that one shot shall cover, in whole frames."""

    first: int
    last: int  # exclusive

    @property
    def frames(self) -> int:
        return self.last - self.first


def find_slots(heard: Heard, frames: int, frame_rate: Fraction) -> list[Slot]:
    """Cut where the sound changes; long stretches of one sound at their strongest onsets.

    Slots cover all frames, none shorter than 1.2 s where the sound is longer than that.
    """
    rate = float(frame_rate)
    least, most = VISUALIZE.shot_seconds, VISUALIZE.longest_shot
    duration = frames / rate
    edges = [0.0]
    for time in [*sorted(_changes(heard)), duration]:
        if time < duration and (time - edges[-1] < least or duration - time < least):
            continue
        while time - edges[-1] > most:
            edges.append(_split(heard, edges[-1], time, least, most))
        edges.append(time)
    whole = np.unique(np.round(np.array(edges) * rate).astype(int))
    whole[-1] = frames
    return [Slot(int(a), int(b)) for a, b in pairwise(whole) if b > a]


def _changes(heard: Heard) -> list[float]:
    """Times at which another sound begins, the greatest change of each second and a half."""
    novelty = _novelty(heard)
    order = np.argsort(-novelty)
    taken: list[float] = []
    for patch in order:
        if novelty[patch] < NOVEL:
            break
        time = _snapped(heard, (patch + 0.5) * STEP)
        if all(abs(time - other) >= VISUALIZE.shot_seconds for other in taken):
            taken.append(time)
    return taken


def _novelty(heard: Heard) -> NDArray[np.float32]:
    """How different what is heard after each patch is from what was heard before it: in words, or
    by how much louder or softer it is."""
    rows = np.concatenate([_units(heard.scores), _units(heard.vectors)], axis=1) / np.sqrt(2)
    count = len(rows)
    sums = np.concatenate([np.zeros_like(rows[:1]), np.cumsum(rows, axis=0)])
    at = np.arange(count)
    low, high = np.maximum(at - SIDE, 0), np.minimum(at + SIDE, count)
    before = _units(sums[at] - sums[low])
    after = _units(sums[high] - sums[at])
    novelty = (1 - (before * after).sum(axis=1)) / 2
    heard_patches = range(min(count, -(-len(heard.level) // PATCH_HOP)))
    level = np.array([heard.level[n * PATCH_HOP :][:PATCH_HOP].mean() for n in heard_patches])
    level = np.pad(level, (0, count - len(level)), mode="edge")
    totals = np.concatenate([[0.0], np.cumsum(level)])
    step = (totals[high] - totals[at]) / (high - at)
    step = step - (totals[at] - totals[low]) / np.maximum(at - low, 1)
    novelty = np.maximum(novelty, np.minimum(1, np.abs(step) / LOUDER) * 2 * NOVEL)
    novelty[:1] = 0
    return novelty.astype(np.float32)


def _units(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def _snapped(heard: Heard, time: float) -> float:
    """The strongest onset close by; the time itself where there is none."""
    near = np.flatnonzero(np.abs(heard.onsets - time) < SNAP)
    return float(heard.onsets[near[heard.sizes[near].argmax()]]) if len(near) else time


def _split(heard: Heard, start: float, end: float, least: float, most: float) -> float:
    """A cut within a long stretch: on the strongest onset that leaves neither side too short."""
    latest = min(start + most, end - least)
    inside = (heard.onsets > start + max(least, most / 3)) & (heard.onsets <= latest)
    near = np.flatnonzero(inside)
    if len(near):
        return float(heard.onsets[near[heard.sizes[near].argmax()]])
    return min(latest, (start + end) / 2) if end - start < 2 * most else latest
