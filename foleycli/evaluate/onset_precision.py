"""Average precision of onsets, after CondFoleyGen (Du et al. 2023, arXiv 2304.08490).

Its script (XYPB/CondFoleyGen, predict_onset.py) ranks own onsets that nothing matches at confidence
0, among the candidate's: silence, whose onsets match none and raise no false alarm, then has a
precision of 1. Here what is missed is missed, as in any detection task, and silence scores 0; the
script's number is to be had ``as_published``. Onsets are timing.py's, not librosa's.
"""

import numpy as np
from numpy.typing import NDArray

REACH = 0.05  # seconds around an onset: its confidence is the peak there, weaker onsets are dropped


def onset_precision(
    own: NDArray[np.float64],
    candidate: NDArray[np.float64],
    waveform: NDArray[np.float32],
    sample_rate: int,
    tolerance: float,
    *,
    as_published: bool = False,
) -> float:
    """Area under precision and recall of a sound's onsets, ranked by how loud they are.

    Own onsets are matched in order of time, each to the candidate's loudest free onset nearer than
    the tolerance. Matched ones are hits at their confidence, the others false alarms.

    Args:
        own, candidate: onset times in seconds.
        waveform: (samples,) of the candidate; what an onset's confidence is read from.
        tolerance: seconds.
        as_published: rank missed onsets as hits at confidence 0.

    Returns:
        0 to 1; nan when the clip's own sound has no onset.
    """
    if not len(own):
        return float("nan")
    trust = _confidence(candidate, waveform, sample_rate)
    free = _strongest(candidate, trust)
    hits: list[float] = []
    for time in own:
        near = [i for i in free if abs(candidate[i] - time) < tolerance]
        best = max(near, key=lambda i: trust[i], default=None)
        if best is not None:
            hits.append(float(trust[best]))
            free.remove(best)
    if as_published:
        hits += [0.0] * (len(own) - len(hits))
    is_hit = np.array([True] * len(hits) + [False] * len(free))
    confidence = np.array(hits + [float(trust[i]) for i in free])
    return average_precision(is_hit, confidence, len(own))


def average_precision(
    is_hit: NDArray[np.bool_], confidence: NDArray[np.float64], wanted: int
) -> float:
    """Sum over thresholds of precision times the gain in recall; equal ones fall together.

    Args:
        is_hit, confidence: (n,) of what was found.
        wanted: how many hits there could have been.
    """
    if not len(is_hit):
        return 0.0
    order = np.argsort(-confidence, kind="stable")
    found = np.cumsum(is_hit[order])
    last = np.flatnonzero(np.diff(confidence[order], append=-np.inf))  # of each threshold
    precision, recall = found[last] / (last + 1), found[last] / wanted
    return float(np.sum(precision * np.diff(recall, prepend=0.0)))


def _confidence(
    times: NDArray[np.float64], waveform: NDArray[np.float32], sample_rate: int
) -> NDArray[np.float64]:
    size = np.abs(waveform)
    peak = max(float(size.max(initial=0)), 1e-9)
    reach = int(REACH * sample_rate)
    centres = np.round(times * sample_rate).astype(int)
    return np.array([size[max(0, c - reach) : c + reach].max(initial=0) / peak for c in centres])


def _strongest(times: NDArray[np.float64], trust: NDArray[np.float64]) -> list[int]:
    """Those with no stronger one nearer than the reach, in order of time."""
    kept: list[int] = []
    for i in np.argsort(-trust, kind="stable"):
        if all(abs(times[i] - times[j]) >= REACH for j in kept):
            kept.append(int(i))
    return sorted(kept)
