"""Hits and activity read from motion by rule, without anything learned.

What real clips showed: the onset of a sound stands where motion *ends* (a stick lands, a foot is
set down), some 100 ms after it begins. So a hit is where a cell of the picture, camera motion
taken out, suddenly moves less than just before. Rises of motion, which come to mind first, lead
the sound and find nearly nothing.
"""

import numpy as np
from numpy.typing import NDArray

from foleycli.sight.motion import CHANNELS, COLUMNS, ROWS, Floats
from foleycli.sight.track import RATE, Track, at_points
from foleycli.waveform.filters import smooth

LIVELIEST = 6  # of the 144 cells that say how much moves
STILL = 1.0  # levels: what moves less is noise
STOPPING = 4  # cells that say where it stops
USUAL = 4.0  # times that they move more, in log, than all cells on average


def read_stops(track: Track, points: NDArray[np.float64]) -> tuple[Floats, Floats]:
    """The built reading: sudden ends of motion and flashes are hits, lasting motion is activity."""
    residual = track.cells[:, CHANNELS.index("residual")].reshape(len(track.times), -1)
    motion = at_points(points, track.times, np.sqrt(residual + 0.5))
    motion = smooth(motion, 0.02 * RATE)
    fall = np.maximum(0, _moved(motion, 0.05) - _moved(motion, -0.06))
    stops = np.partition(fall, -3, axis=1)[:, -3:].mean(axis=1)
    hits = np.maximum(stops, read_flashes(track, points))
    return hits.astype(np.float32), read_activity(track, points)


def where_it_stops(track: Track, points: NDArray[np.float64]) -> Floats:
    """From left, -1, to right, 1: (n,) where motion ends at each point, 0 where nothing moves.

    Of the cells that move less just after than just before; where none does, of those that move.
    """
    residual = track.cells[:, CHANNELS.index("residual")].reshape(len(track.times), -1)
    motion = at_points(points, track.times, residual)
    fall = np.maximum(0, _moved(motion, 0.05) - _moved(motion, -0.06))
    told = np.where(fall.max(axis=1, keepdims=True) > 0, fall, motion)
    least = np.partition(told, -STOPPING, axis=1)[:, -STOPPING, None]
    told = np.where(told >= least, told, 0)
    sides = np.tile((np.arange(COLUMNS, dtype=np.float32) + 0.5) / COLUMNS * 2 - 1, ROWS)
    moves = told.sum(axis=1)
    return np.where(moves > STILL, (told @ sides) / np.maximum(moves, STILL), 0).astype(np.float32)


def read_activity(track: Track, points: NDArray[np.float64]) -> Floats:
    """How much what moves most moves, 0 to 1: what is small or far sounds too."""
    residual = track.cells[:, CHANNELS.index("residual")].reshape(len(track.times), -1)
    moving = np.partition(residual, -LIVELIEST, axis=1)[:, -LIVELIEST:].mean(axis=1)
    level = smooth(at_points(points, track.times, moving[:, None])[:, 0], 0.1 * RATE)
    level = np.log1p(level) / USUAL
    return (level / (level + 1)).astype(np.float32)


def read_flashes(track: Track, points: NDArray[np.float64]) -> Floats:
    """How far the picture outshines itself just before and after; a cut does not come back."""
    level = at_points(points, track.times + track.spans / 2, track.levels[:, None])
    rise = np.minimum(level - _moved(level, 0.1), level - _moved(level, -0.2))[:, 0]
    return (np.maximum(0, rise - 4) / 4).astype(np.float32)


def _moved(curve: Floats, seconds: float) -> Floats:
    """The curve (n, k) delayed by some seconds (brought forward if negative), its edge repeated."""
    source = np.clip(np.arange(len(curve)) - round(seconds * RATE), 0, len(curve) - 1)
    return curve[source]
