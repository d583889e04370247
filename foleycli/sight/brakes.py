"""Tracked hands to the instants at which they brake: what a hand does is heard as it stops.

A rule, nothing learned: the middle of the palm goes fast (in its own sizes a second), and just
after it does not. Hands are seen some nine times a second, which tells an instant to about 60 ms;
a hit of the motion curve nearby says it to the picture.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from foleycli.sight.sightings import Hand, Sighting
from foleycli.sight.track import RATE

PALM = (0, 5, 9, 13, 17)  # wrist and knuckles of the 21 points
FEWEST = 4  # sightings of a hand
LONGEST = 0.4  # seconds between two sightings of one hand: it was lost
BRISK = 1.2  # palms a second that a hand must lose within `SPAN`
SPAN = 0.09  # seconds before and after
UPWARD = 0.7  # share of its speed by which a hand went up: it strikes nothing
TOGETHER = 0.15  # seconds between two brakes of one hand, at least
SNAP = 0.08  # seconds: a hit of the motion curve so near says when

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Brake:
    """A hand stops: when, how hard (0 to 1), and where in shares of the picture."""

    time: float
    strength: float
    x: float
    y: float
    track: int


def find_brakes(sightings: Sequence[Sighting], hits: Floats | None = None) -> list[Brake]:
    """The brakes of all hands, in order of time.

    Args:
        hits: (n,) the curve of hits at 64 points a second, if instants shall be read from it.
    """
    seen: dict[int, list[tuple[float, float, Hand]]] = defaultdict(list)
    for sighting in sightings:
        for hand in sighting.hands:
            seen[hand.track].append((float(sighting.time), sighting.aspect, hand))
    found = [brake for track, rows in seen.items() for brake in _hand_brakes(track, rows, hits)]
    return sorted(found, key=lambda brake: brake.time)


def _hand_brakes(
    track: int, rows: list[tuple[float, float, Hand]], hits: Floats | None
) -> list[Brake]:
    if track < 0 or len(rows) < FEWEST:
        return []
    times = np.array([time for time, _, _ in rows])
    points = np.stack([hand.points[:, :2] * [aspect, 1.0] for _, aspect, hand in rows])
    aspect = rows[0][1]
    palms = points[:, PALM].mean(axis=1)
    size = float(np.median(np.linalg.norm(points[:, 0] - points[:, 9], axis=1))) + 1e-4
    grid = np.arange(times[0], times[-1], 1 / RATE)
    if len(grid) < RATE // 4:
        return []
    places = np.stack([np.interp(grid, times, palms[:, k]) for k in range(2)], 1)
    places = gaussian_filter1d(places, 0.03 * RATE, axis=0, mode="nearest")
    velocity = np.gradient(places, axis=0) * RATE / size
    speed = np.linalg.norm(velocity, axis=1)
    reach = round(SPAN * RATE)
    before, after = np.roll(speed, reach), np.roll(speed, -reach)
    loss = np.where(before > after, before - after, 0)
    loss[:reach] = loss[-reach:] = 0
    loss[np.roll(velocity[:, 1], reach) < -UPWARD * before] = 0  # a hand that was raised rests
    gaps = np.searchsorted(times, grid).clip(1, len(times) - 1)
    loss[(times[gaps] - times[gaps - 1]) > LONGEST] = 0
    peak = (loss >= maximum_filter1d(loss, 2 * round(TOGETHER * RATE) + 1)) & (loss > BRISK)
    brakes = []
    for i in np.flatnonzero(peak):
        x, y = places[i]
        strength = float(min(1.0, loss[i] / (5 * BRISK)))
        brakes.append(Brake(_snapped(float(grid[i]), hits), strength, float(x / aspect), float(y),
                            track))  # fmt: skip
    return brakes


def _snapped(time: float, hits: Floats | None) -> float:
    """The strongest hit near an instant, or the instant."""
    if hits is None:
        return time
    first = max(0, round((time - SNAP) * RATE))
    near = hits[first : round((time + SNAP) * RATE) + 1]
    return (first + int(near.argmax())) / RATE if near.any() else time
