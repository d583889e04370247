"""Stems that add up: what is limited and rounded together sums to the mix to the last bit."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from foleycli.config import OUTPUT
from foleycli.waveform.loudness import limit_peaks
from foleycli.waveform.write import BITS

STEPS = np.float32(2 ** (BITS - 1))
CHUNK = 48_000  # samples taken from all stems at a time


def limit_stems(
    stems: Sequence[Iterable[np.ndarray]],
    ceiling_db: float = OUTPUT.true_peak_db,
    sample_rate: int = OUTPUT.sample_rate,
) -> Iterator[np.ndarray]:
    """Hold the peaks of every stem, and of their sum, under a ceiling with one gain for all.

    Args:
        stems: blocks (samples,) of each, that begin together; a shorter one is silent at its end.

    Yields:
        (samples, stems) float32.
    """
    blocks = (_with_sum(block) for block in _side_by_side(stems))
    for limited in limit_peaks(blocks, ceiling_db, sample_rate):
        yield limited[:, :-1]


def round_stems(block: np.ndarray) -> np.ndarray:
    """Values on the 24-bit grid, so that sums of stems are exact; (samples, stems) float32."""
    return np.rint(block * STEPS) / STEPS


def _with_sum(block: np.ndarray) -> np.ndarray:
    return np.concatenate([block, block.sum(axis=1, keepdims=True)], axis=1)


def _side_by_side(stems: Sequence[Iterable[np.ndarray]]) -> Iterator[np.ndarray]:
    sources = [iter(stem) for stem in stems]
    rests = [np.zeros(0, np.float32) for _ in stems]
    while True:
        for index, source in enumerate(sources):
            while len(rests[index]) < CHUNK and (block := next(source, None)) is not None:
                rests[index] = np.concatenate([rests[index], block])
        length = min(CHUNK, max(map(len, rests)))
        if not length:
            return
        parts = [rest[:length] for rest in rests]
        yield np.stack([np.pad(part, (0, length - len(part))) for part in parts], axis=1)
        rests = [rest[length:] for rest in rests]
