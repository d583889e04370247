"""What is seen in stretches of film, as vectors that a sound's words can be compared with."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foleycli.config import FEATURES
from foleycli.listeners.ear import ear
from foleycli.visualize.index import Seen
from foleycli.visualize.match import unit

Floats = NDArray[np.float32]


def seen_vectors(stretches: Sequence[tuple[Seen, float, float]]) -> Floats:
    """(stretches, 384), unit rows: the words of what is seen, less what all have in common.

    Args:
        stretches: a film, and from when to when, in seconds.
    """
    rows = np.stack([_mean_words(*stretch) for stretch in stretches])
    centre = rows.mean(axis=0) if len(rows) > 4 else ear().mean
    return np.stack([unit(row - centre) for row in rows])


def _mean_words(seen: Seen, start: float, end: float) -> Floats:
    """The mean (384,) of the rows of a stretch, of length 1."""
    first = min(int(start * FEATURES.frame_rate), len(seen.what) - 1)
    last = max(first + 1, int(np.ceil(end * FEATURES.frame_rate)))
    return unit(seen.what[first:last].mean(axis=0))
