"""KL divergence of a sound's classes from those of the clip's own sound, as AudioLDM's evaluation
(haoheliu/audioldm_eval, metrics/kl.py) has it: of a softmax, and of independent sigmoids.

The sigmoids are no distribution, so that the second form may be negative and is no distance; it is
there because papers print it. DESIGN.md's own ``kl`` is in semantics.py.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax, xlogy

from foleycli.listeners.heard import Heard

FLOOR = 1e-6  # added to the candidate's probabilities


def kl_softmax(own: Heard, candidate: Heard) -> float:
    """Nats between softmaxes of mean logits."""
    p, q = (softmax(_logits(heard)) for heard in (own, candidate))
    return _divergence(p, q)


def kl_sigmoid(own: Heard, candidate: Heard) -> float:
    """Sum over classes of p log(p / q), each class on its own."""
    p, q = (expit(_logits(heard)) for heard in (own, candidate))
    return _divergence(p, q)


def _logits(heard: Heard) -> NDArray[np.float64]:
    return heard.class_logits.mean(axis=0, dtype=np.float64)


def _divergence(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    return float(np.sum(xlogy(p, p) - p * np.log(q + FLOOR)))
