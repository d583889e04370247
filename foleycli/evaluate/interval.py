"""How sure a mean over clips is."""

import numpy as np
from numpy.typing import NDArray


def bootstrap(
    values: NDArray[np.floating], share: float = 0.95, resamples: int = 4000, seed: int = 0
) -> tuple[float, float, float]:
    """Mean of the values that are not nan, and its percentile interval over resampled clips."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if not known.size:
        return float("nan"), float("nan"), float("nan")
    draws = np.random.default_rng(seed).integers(0, known.size, (resamples, known.size))
    low, high = np.quantile(known[draws].mean(axis=1), [(1 - share) / 2, (1 + share) / 2])
    return float(known.mean()), float(low), float(high)
