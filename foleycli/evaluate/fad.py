"""Frechet distances between two sets of embeddings (Kilgour et al. 2018, arXiv 1812.08466).

FAD takes every patch of every sound as a row; FD, as AudioLDM's evaluation has it, every sound.
Over YAMNet's it is ``fad_yamnet``, and not comparable with the ``fad_vggish`` of papers.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foleycli.listeners.heard import Heard


def fad(own: Sequence[Heard], candidate: Sequence[Heard]) -> float:
    """Frechet distance over patches."""
    a, b = (np.concatenate([heard.embeddings for heard in sounds]) for sounds in (own, candidate))
    return frechet_distance(a, b)


def fd(own: Sequence[Heard], candidate: Sequence[Heard]) -> float:
    """Frechet distance over sounds, each the mean of its patches."""
    a, b = (np.stack([heard.embedding for heard in sounds]) for sounds in (own, candidate))
    return frechet_distance(a, b)


def diagonal_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """The same for normal fits without covariances between dimensions.

    |m - n|^2 + |s - t|^2 of means and standard deviations: few sounds tell 1024 variances, not
    half a million covariances, so that this one hardly depends on how many there are.

    Args:
        a, b: (sounds or patches, size) embeddings, at least two rows each.
    """
    centre = a.mean(axis=0, dtype=np.float64) - b.mean(axis=0, dtype=np.float64)
    spread = a.std(axis=0, dtype=np.float64) - b.std(axis=0, dtype=np.float64)
    return float(centre @ centre + spread @ spread)


def frechet_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """|m - n|^2 + tr(S + T - 2 (S T)^(1/2)) for normal fits N(m, S), N(n, T) (arXiv 1812.08466).

    Args:
        a, b: (sounds or patches, size) embeddings, at least two rows each.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError("a normal fit needs at least two rows")
    centre = a.mean(axis=0, dtype=np.float64) - b.mean(axis=0, dtype=np.float64)
    rows_a, rows_b = _centred(a), _centred(b)
    # tr (S T)^(1/2) = sum of the singular values of rows_b @ rows_a.T, as S = A'A and T = B'B
    shared = np.linalg.svd(rows_b @ rows_a.T, compute_uv=False).sum()
    return float(centre @ centre + np.sum(rows_a**2) + np.sum(rows_b**2) - 2 * shared)


def _centred(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rows X with X'X the covariance; a triangle of it when there are more rows than columns."""
    centred = (rows - rows.mean(axis=0, dtype=np.float64)) / np.sqrt(len(rows) - 1)
    if len(rows) > rows.shape[1]:
        return np.asarray(np.linalg.qr(centred, mode="r"))
    return centred
