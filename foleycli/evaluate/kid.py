"""Kernel distance between two sets of embeddings (Binkowski et al. 2018, arXiv 1801.01401)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foleycli.listeners.heard import Heard

SCALE = 1000.0  # papers print KID in units of 1e-3


def kid(own: Sequence[Heard], candidate: Sequence[Heard]) -> float:
    """Squared maximum mean discrepancy of sounds, each the mean of its patches, times 1000."""
    a, b = (np.stack([heard.embedding for heard in sounds]) for sounds in (own, candidate))
    return SCALE * squared_discrepancy(a, b)


def squared_discrepancy(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Unbiased MMD^2 under the kernel (x . y / size + 1)^3; may be just under zero.

    Over the whole sets: the means over random subsets of 1000 that image papers print estimate
    the same number with more noise.

    Args:
        a, b: (n, size) and (m, size), at least two rows each.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError("the estimate needs at least two rows")
    a, b = a.astype(np.float64), b.astype(np.float64)
    within = _mean_off_diagonal(_kernel(a, a)) + _mean_off_diagonal(_kernel(b, b))
    return float(within - 2 * _kernel(a, b).mean())


def _kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _mean_off_diagonal(kernel: NDArray[np.float64]) -> float:
    n = len(kernel)
    return float(kernel.sum() - np.trace(kernel)) / (n * (n - 1))
