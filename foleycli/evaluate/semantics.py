"""What is heard: how far one sound's AudioSet scores, and its embedding, are from another's."""

from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

FLOOR = 1e-4  # added to every score, so that no class is impossible
MEAN_FILE = "yamnet_mean.npy"  # (1024,) mean embedding of the training sounds, each counted once


def score_distribution(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores (patches, classes) as one distribution (classes,): time mean + 1e-4, summing to 1."""
    mean = scores.mean(axis=0, dtype=np.float64) + FLOOR
    return mean / mean.sum()


def kl(own: NDArray[np.float64], candidate: NDArray[np.float64]) -> float:
    """KL divergence sum p log(p / q) in nats, p the clip's own distribution (DESIGN.md 2)."""
    return float(np.sum(own * np.log(own / candidate)))


def cosy(
    own: NDArray[np.float32],
    candidate: NDArray[np.float32],
    mean: NDArray[np.float32] | None = None,
) -> float:
    """Cosine of two time-mean embeddings (1024,), both less the mean over the training sounds.

    Centred because raw YAMNet embeddings of any two sounds have a cosine near 0.7.
    """
    mean = mean_embedding() if mean is None else mean
    a, b = own.astype(np.float64) - mean, candidate.astype(np.float64) - mean
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))


@lru_cache(maxsize=1)
def mean_embedding() -> NDArray[np.float32]:
    """The shipped centre of ``cosy``; made again by ``benchmarks/yamnet_mean.py``."""
    with (files("foleycli.evaluate") / MEAN_FILE).open("rb") as file:
        return np.load(file)
