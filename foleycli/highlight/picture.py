"""Do the effects follow the picture? Onsets of the sound beside the motion that is seen, by second.

The motion curve is that of sync_z (evaluate/sync.py): 25 points a second of the largest rise of
change in an 8 x 8 grid. A second's score says how much better the two agree, within 120 ms, than
when the same sound is set against the picture a little earlier or later.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from foleycli.clip.media import decoded, open_media
from foleycli.clip.probe import probe
from foleycli.highlight.levels import ONSET_RATE, Levels
from foleycli.highlight.rule import Seen
from foleycli.waveform.filters import slide_mean

Floats = NDArray[np.float64]
RATE = 25  # points a second
SIZE, GRID = 128, 8  # pixels of the small gray picture, cells along each side
REACH = 50  # points on either side of a second's middle that are compared: 2 s
LAGS = 3  # points that sound may be early or late: 120 ms
APART = 12  # points from which a shift is another moment
FAR = 75  # points of the farthest shift: 3 s
SURE = 3.0  # standard deviations that count as certain
MOVING = 4.0  # gray levels from which a cell moves
FILLED = 0.5  # share of the cells that move in a close-up
LEAST_ONSET = 0.3  # dB, mean strength in a window under which nothing begins


@dataclass(frozen=True, slots=True)
class Motion:
    """What moves in a picture, 25 points a second."""

    onsets: Floats  # (points,) largest rise of change in any cell, gray levels
    moving: Floats  # (points,) share of the cells that move

    def part(self, start: float, end: float) -> "Motion":
        """Between two instants, in seconds."""
        span = slice(round(start * RATE), round(end * RATE))
        return Motion(self.onsets[span], self.moving[span])

    def reversed(self) -> "Motion":
        """Backwards: the control whose times are wrong."""
        return Motion(self.onsets[::-1], self.moving[::-1])


def read_motion(path: Path) -> Motion:
    """Watch a clip from its first picture on, in memory that grows by two numbers a point.

    Raises:
        MediaError: it cannot be read.
    """
    film = probe(path)
    times: list[float] = []
    rises: list[float] = []
    moving: list[float] = []
    last_picture = last_change = None
    side = SIZE // GRID
    with open_media(path) as container:
        stream = container.streams.video[film.picture_number]
        stream.thread_type = "AUTO"
        for frame in decoded(container, stream):
            gray = frame.reformat(SIZE, SIZE, "gray").to_ndarray().astype(np.int16)
            before = gray if last_picture is None else last_picture
            cells = np.abs(gray - before).reshape(GRID, side, GRID, side).mean(axis=(1, 3))
            previous = cells if last_change is None else last_change
            rises.append(float(np.maximum(0, cells - previous).max()))
            moving.append(float((cells > MOVING).mean()))
            time = frame.time if frame.time is not None else len(times) / RATE
            times.append(time - float(film.start))
            last_picture, last_change = gray, cells
    if len(times) < 2:
        return Motion(np.zeros(0), np.zeros(0))
    order = np.argsort(times, kind="stable")
    at = np.array(times)[order]
    grid = np.arange(int(at[-1] * RATE) + 1) / RATE
    return Motion(
        _onto(grid, at, np.array(rises)[order]), np.interp(grid, at, np.array(moving)[order])
    )


def _onto(grid: Floats, times: Floats, values: Floats) -> Floats:
    """The largest value that falls to each point, or what lies between where none does."""
    places = np.clip(np.round(times * RATE).astype(int), 0, len(grid) - 1)
    largest = np.full(len(grid), -1.0)
    np.maximum.at(largest, places, values)
    between = np.interp(grid, times, values)
    return np.where(largest >= 0, largest, between)


def seen_effects(levels: Levels, motion: Motion, edges: Sequence[Fraction]) -> Seen:
    """What the picture says about the effects, span by span.

    Args:
        levels: with the onsets of the effects.
        edges: where spans begin, and the end of the last.
    """
    step = ONSET_RATE // RATE
    strength = levels.onsets["effects"]
    heard = strength[: len(strength) // step * step].reshape(-1, step).mean(axis=1)
    count = min(len(heard), len(motion.onsets))
    heard = np.asarray(slide_mean(heard[:count], 3), np.float64)
    seen = np.asarray(slide_mean(motion.onsets[:count], 3), np.float64)
    middles = [float(a + b) / 2 * RATE for a, b in itertools.pairwise(edges)]
    follows = np.array([_agreement(heard, seen, round(middle)) for middle in middles])
    close = np.zeros(len(middles))
    for i, (a, b) in enumerate(itertools.pairwise(edges)):
        part = motion.moving[round(a * RATE) : max(round(b * RATE), round(a * RATE) + 1)]
        close[i] = min(1.0, float(np.quantile(part, 0.9)) / FILLED) if len(part) else 0.0
    return Seen(follows=follows, close=close)


def _agreement(heard: Floats, seen: Floats, middle: int) -> float:
    """-1 to 1 of the points around ``middle``; 0 where nothing begins, nothing moves, or too
    little is known."""
    first, last = max(0, middle - REACH), min(len(heard), middle + REACH)
    low, high = max(0, first - FAR), min(len(seen), last + FAR)
    width = last - first
    if width < 2 * APART or high - low < width + 2 * APART:
        return 0.0
    sound = heard[first:last]
    if sound.mean() < LEAST_ONSET or sound.std() < 1e-9:
        return 0.0
    windows = sliding_window_view(seen[low:high], width)
    centred = windows - windows.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.square(centred).sum(axis=1))
    sound = (sound - sound.mean()) / (sound.std() * width**0.5)
    agreement = np.where(spread > 1e-6, centred @ sound / np.maximum(spread, 1e-6), 0.0)
    best = np.array(
        [agreement[max(0, i - LAGS) : i + LAGS + 1].max() for i in range(len(agreement))]
    )
    here = first - low
    others = np.abs(np.arange(len(best)) - here) >= APART
    if others.sum() < APART or best[others].std() < 1e-6:
        return 0.0
    score = (best[here] - best[others].mean()) / best[others].std()
    return float(np.clip(score / SURE, -1, 1))
