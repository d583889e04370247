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
BEFORE, AFTER = 0.05, 0.04  # seconds around an instant whose motion is compared
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

    What lands stops and what bounces turns round: the 3 x 3 cells whose motion changes most from
    just before to just after. What goes on elsewhere, however fast, changes less.
    """
    cells = (len(points), ROWS, COLUMNS)
    changes = np.zeros((len(points), ROWS * COLUMNS), np.float32)
    for channel in ("right", "down"):
        flow = track.cells[:, CHANNELS.index(channel)].reshape(len(track.times), -1)
        read = at_points(points, track.times, flow)
        changes += np.square(_moved(read, AFTER) - _moved(read, -BEFORE))
    residual = track.cells[:, CHANNELS.index("residual")].reshape(len(track.times), -1)
    motion = at_points(points, track.times, residual)
    moves = np.maximum(_moved(motion, AFTER), _moved(motion, -BEFORE)) > STILL
    told = np.where(moves, np.sqrt(changes), 0).reshape(cells)
    sides = (np.arange(COLUMNS, dtype=np.float32) + 0.5) / COLUMNS * 2 - 1
    whole, aside = (_around(one).reshape(len(points), -1) for one in (told, told * sides))
    most = whole.argmax(axis=1)[:, None]
    whole, aside = (np.take_along_axis(one, most, axis=1)[:, 0] for one in (whole, aside))
    return np.where(whole > 0, aside / np.maximum(whole, 1e-9), 0).astype(np.float32)


def _around(cells: Floats) -> Floats:
    """Each cell's sum with those around it, (n, 9, 16)."""
    wide = np.pad(cells, ((0, 0), (1, 1), (1, 1)))
    rows = wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]
    return rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]


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
