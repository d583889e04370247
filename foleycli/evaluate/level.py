"""What a meter says of a sound: how loud, how much of it silent, how much of it clipped."""

import numpy as np
from numpy.typing import NDArray

from foleycli.waveform.loudness import from_db
from foleycli.waveform.sound import integrated_loudness

SILENT_DB = -60.0  # dBFS, RMS of a block; under it a film's sound is heard as none
BLOCKS = 25  # a second
FULL_SCALE = 32_766 / 32_768  # of 16 bits: the largest two values


def loudness(waveform: NDArray[np.float32], sample_rate: int) -> float:
    """LUFS (ITU-R BS.1770-4); nan for silence, which has none."""
    measured = integrated_loudness(waveform, sample_rate)
    return measured if np.isfinite(measured) else float("nan")


def silence(waveform: NDArray[np.float32], sample_rate: int) -> float:
    """Per cent of the 40 ms blocks with an RMS under -60 dBFS; a rest shorter than one counts."""
    size = sample_rate // BLOCKS
    padded = np.pad(waveform, (0, -len(waveform) % size)).reshape(-1, size).astype(np.float64)
    if not len(padded):
        return 100.0
    return 100 * float(np.mean(np.sqrt(np.mean(padded**2, axis=1)) < from_db(SILENT_DB)))


def clipping(waveform: NDArray[np.float32]) -> float:
    """Per cent of the samples that stand at full scale beside another one there.

    One alone is a peak, as a normaliser leaves it; a flat top has two or more.
    """
    full = np.pad(np.abs(waveform) >= FULL_SCALE, 1)
    flat = full[1:-1] & (full[:-2] | full[2:])
    return 100 * float(flat.mean()) if len(flat) else 0.0
