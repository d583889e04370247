"""What moved when: the record that readings of hits and activity are made from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foleycli.config import FEATURES
from foleycli.sight.motion import Floats

RATE = FEATURES.when_rate  # points per second of both curves


@dataclass(frozen=True, slots=True)
class Track:
    """One row for each pair of compared pictures, in order of time."""

    times: NDArray[np.float64]  # (m,) seconds, the middle between the two pictures
    spans: Floats  # (m,) seconds between them
    cells: Floats  # (m, 5, 9, 16), channels as motion.CHANNELS; all 0 across a cut
    camera: Floats  # (m, 5) shift, scale, brightness
    levels: Floats  # (m,) mean level of the later picture


Reading = Callable[[Track, NDArray[np.float64]], tuple[Floats, Floats]]
"""From a track and the times of the wanted points: how like a hit each is, and the activity."""


def at_points(points: NDArray[np.float64], times: NDArray[np.float64], values: Floats) -> Floats:
    """Values (m, k) at ``times``, read between them at ``points``: (n, k)."""
    right = np.clip(np.searchsorted(times, points), 1, max(1, len(times) - 1))
    left = right - 1
    right = np.minimum(right, len(times) - 1)
    part = (points - times[left]) / np.maximum(times[right] - times[left], 1e-9)
    part = np.clip(part, 0, 1).astype(np.float32)[:, None]
    return values[left] * (1 - part) + values[right] * part
