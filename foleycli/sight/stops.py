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
from foleycli.waveform.filters import slide_maximum, smooth

LIVELIEST = 6  # of the 144 cells that say how much moves
STILL = 1.0  # levels: what moves less is noise
BEFORE, AFTER = 0.05, 0.04  # seconds around an instant whose motion is compared
COMES = 0.2  # seconds before it in which what moves is seen to come
REACH = 2  # cells around the one in which it stops, of what comes
LEAST = 0.1  # cells: less change is noise
SLOWEST = 3.0  # of its own sizes that something goes in a second: slower is not told
SOON = 0.1  # seconds between two looks at what moves, at most
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


def where_it_stops(track: Track, points: NDArray[np.float64]) -> tuple[Floats, NDArray[np.intp]]:
    """Where motion ends at each point: (n,) from left, -1, to right, 1, 0 where nothing moves; and
    the cell (n,) around which it is.

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
    most = whole.argmax(axis=1)
    whole, aside = (np.take_along_axis(one, most[:, None], axis=1)[:, 0] for one in (whole, aside))
    return np.where(whole > 0, aside / np.maximum(whole, 1e-9), 0).astype(np.float32), most


def how_it_comes(
    track: Track, moved: Floats, points: NDArray[np.float64], cells: NDArray[np.intp]
) -> tuple[Floats, Floats]:
    """How large in the picture is what moves around a cell just before each point, and how hard it
    comes.

    A thing that moves by more than its own size changes twice its own area, so half of the largest
    change within the time is the thing. It comes the harder the more levels of what changes no
    small motion explains, and the more of its own sizes it goes in a second: the speed of the
    middle of what changes, kept over three pictures. A thing twice as near is as hard.

    Args:
        moved: (m, 3, 9, 16), as `foleycli.sight.motion.Changes` has it.
        cells: (n,) as `where_it_stops` gives them; where nothing comes, the cell in which most
            changes is taken.

    Returns:
        sizes (n,) in picture heights, and how hard (n,), about 1 to 100; 0 where nothing moves.
    """
    parts = [*moved.swapaxes(0, 1), track.cells[:, CHANNELS.index("residual")]]
    share, right, down, beyond = (_around(p, REACH).reshape(len(moved), -1) for p in parts)
    seen = share > LEAST
    middle = np.stack([right, down]) / np.maximum(share, 1e-9)
    went = np.zeros_like(share)
    apart = np.maximum(np.diff(track.times), 1e-3)[:, None]
    went[1:] = np.hypot(*np.diff(middle, axis=1)) / apart
    went[1:] *= seen[1:] & seen[:-1] & (apart < SOON)
    went[1:] = np.minimum(went[1:], went[:-1])
    read = (at_points(points, track.times, one) for one in (np.where(seen, share, 0), beyond, went))
    share, beyond, went = (_just_before(curve) for curve in read)
    at = np.arange(len(points))
    cells = np.where(share[at, cells] > 0, cells, share.argmax(axis=1))
    share, beyond, went = (curve[at, cells] for curve in (share, beyond, went))
    sizes = np.sqrt(share / 2) / ROWS  # a cell is a ninth of the picture's height
    own = np.maximum(SLOWEST, went / np.maximum(sizes, 1e-6))
    hard = np.where(share > 0, beyond / np.maximum(share, 1e-6) * np.sqrt(own), 0)
    return sizes.astype(np.float32), hard.astype(np.float32)


def _just_before(curve: Floats) -> Floats:
    """The largest of a curve (n, k) from `COMES` before each point to `AFTER` after it."""
    span = COMES + AFTER
    return _moved(slide_maximum(curve, 2 * round(span / 2 * RATE) + 1), span / 2 - AFTER)


def _around(cells: Floats, reach: int = 1) -> Floats:
    """Each cell's sum with those around it, (n, 9, 16)."""
    wide = np.pad(cells, ((0, 0), (reach, reach), (reach, reach)))
    side = range(2 * reach + 1)
    rows = np.sum([wide[:, i : i + ROWS] for i in side], axis=0)
    return np.sum([rows[..., i : i + COLUMNS] for i in side], axis=0)


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
