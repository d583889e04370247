"""Inception score: are the sounds sure of their class, and of many classes?

Salimans et al. 2016 (arXiv 1606.03498), over a listener's classes instead of Inception's.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from foleycli.listeners.heard import Heard


def inception_score(own: Sequence[Heard], candidate: Sequence[Heard]) -> float:
    """Score of the candidates alone, over all of them at once; the own sounds are not looked at.

    AudioLDM's evaluation shuffles the sounds and takes the mean of ten parts, which is smaller the
    smaller the set is; on the sets measured here that would be most of the number.
    """
    return score_logits(np.stack([heard.class_logits.mean(axis=0) for heard in candidate]))


def score_logits(logits: NDArray[np.floating], splits: int = 1) -> float:
    """exp of the mean KL divergence of p(class | sound) from p(class); mean over the splits.

    Args:
        logits: (sounds, classes); classes are a softmax of them.
        splits: how many parts, in order, the sounds are scored in.
    """
    log_p = log_softmax(logits.astype(np.float64), axis=1)
    edges = [i * len(log_p) // splits for i in range(splits + 1)]
    return float(np.mean([_score(log_p[i:j]) for i, j in pairwise(edges)]))


def _score(log_p: NDArray[np.float64]) -> float:
    log_marginal = logsumexp(log_p, axis=0) - np.log(len(log_p))
    return float(np.exp(np.sum(np.exp(log_p) * (log_p - log_marginal), axis=1).mean()))
