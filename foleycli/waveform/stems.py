"""Stems that add up: what is limited and rounded together sums to the mix to the last bit."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from foleycli.config import OUTPUT
from foleycli.waveform.loudness import limit_peaks
from foleycli.waveform.write import BITS

STEPS = np.float32(2 ** (BITS - 1))
CHUNK = 48_000  # samples taken from all stems at a time


def limit_stems(
    blocks: Iterable[np.ndarray],
    channels: int = 1,
    ceiling_db: float = OUTPUT.true_peak_db,
    sample_rate: int = OUTPUT.sample_rate,
) -> Iterator[np.ndarray]:
    """Hold the peaks of every stem, and of their sum, under a ceiling with one gain for all.

    Args:
        blocks: (samples, stems * channels), stem by stem, as `side_by_side` gives them.

    Yields:
        the same shapes, float32.
    """
    summed = (np.concatenate([block, sum_stems(block, channels)], axis=1) for block in blocks)
    for limited in limit_peaks(summed, ceiling_db, sample_rate):
        yield limited[:, :-channels]


def limit_mix(blocks: Iterable[np.ndarray], channels: int = 1) -> Iterator[np.ndarray]:
    """The sum of stems that are not kept, (samples, channels), with its peaks held under the
    ceiling of an output.

    Args:
        blocks: as `limit_stems` takes them, at 48 kHz.
    """
    mixed = (sum_stems(block, channels) for block in blocks)
    return limit_peaks(mixed, OUTPUT.true_peak_db, OUTPUT.sample_rate)


def sum_stems(block: np.ndarray, channels: int = 1) -> np.ndarray:
    """(samples, stems * channels), stem by stem -> their sum (samples, channels) float32."""
    stems = block.reshape(len(block), block.shape[1] // channels, channels)
    return stems.sum(axis=1, dtype=np.float32)


def round_stems(block: np.ndarray) -> np.ndarray:
    """Values on the 24-bit grid, so that sums of stems are exact; (samples, stems) float32."""
    return np.rint(block * STEPS) / STEPS


def side_by_side(stems: Sequence[Iterable[np.ndarray]], columns: int = 1) -> Iterator[np.ndarray]:
    """Stems that begin together, joined; a shorter one is silent at its end.

    Args:
        stems: blocks (samples, columns) of each, or (samples,) where that is one.

    Yields:
        (samples, stems * columns), `CHUNK` samples in each but the last.
    """
    sources = [iter(stem) for stem in stems]
    rests = [np.zeros((0, columns), np.float32) for _ in stems]
    while True:
        for index, source in enumerate(sources):
            while len(rests[index]) < CHUNK and (block := next(source, None)) is not None:
                rests[index] = np.concatenate([rests[index], block.reshape(len(block), -1)])
        length = min(CHUNK, max(map(len, rests)))
        if not length:
            return
        parts = [rest[:length] for rest in rests]
        yield np.hstack([np.pad(part, ((0, length - len(part)), (0, 0))) for part in parts])
        rests = [rest[length:] for rest in rests]
