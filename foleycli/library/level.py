"""How loud a recording is, so that recordings from many hands sit beside each other."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from foleycli.waveform.filters import Recursive

SAMPLE_RATE = 48_000  # Hz; everything in the library runs at this rate
SILENCE_DB = -100.0

Samples = NDArray[np.float32]


@cache
def _k_weighting() -> tuple[Recursive, Recursive]:
    """ITU-R BS.1770-4 tables 1 and 2 (48 kHz): a high shelf and a high pass."""
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285]
    shelf_poles = [1.0, -1.69065929318241, 0.73248077421585]
    high_pass_poles = [1.0, -1.99004745483398, 0.99007225036621]
    return Recursive.of(shelf, shelf_poles), Recursive.of([1.0, -2.0, 1.0], high_pass_poles)


def weight(samples: Samples) -> Samples:
    """K-weight (samples,) at 48 kHz: as the ear weighs it in loudness meters."""
    weighed = samples
    for each in _k_weighting():
        weighed, _ = each.run(weighed)
    return weighed.astype(np.float32)


def windowed_db(samples: Samples, window: int, hop: int) -> NDArray[np.float32]:
    """RMS level in dB of each window of `window` samples, one every `hop`: (1 + ..., ) values."""
    padded = np.pad(samples.astype(np.float64), (0, max(0, window - len(samples))))
    energy = np.concatenate([[0.0], np.cumsum(padded * padded)])
    starts = np.arange(0, len(padded) - window + 1, hop)
    power = (energy[starts + window] - energy[starts]) / window
    return (10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10)))).astype(np.float32)


def hit_level_db(samples: Samples) -> float:
    """Level of a hit: its loudest 100 ms, K-weighted, in dB (LUFS without the gate)."""
    return float(windowed_db(weight(samples), SAMPLE_RATE // 10, SAMPLE_RATE // 100).max()) - 0.691


def bed_level_db(samples: Samples) -> float:
    """Level of a bed: its whole length, K-weighted, in dB (LUFS without the gate)."""
    power = float(np.mean(weight(samples).astype(np.float64) ** 2)) if len(samples) else 0.0
    return 10 * float(np.log10(max(power, 10 ** (SILENCE_DB / 10)))) - 0.691
