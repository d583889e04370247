"""Sounds whose contents are known."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from foleycli.mux.bwf import Broadcast, write_broadcast


def clicks(times: Iterable[float], seconds: float, rate: int = 48_000, seed: int = 0) -> np.ndarray:
    """(samples,): bursts of noise that die away, over a faint hiss."""
    random = np.random.default_rng(seed)
    wave = 0.001 * random.standard_normal(round(seconds * rate))
    for time in times:
        first = round(time * rate)
        burst = np.exp(-np.arange(rate // 4) / (0.03 * rate)) * random.standard_normal(rate // 4)
        part = wave[first : first + len(burst)]
        part += 0.2 * burst[: len(part)]
    return wave.astype(np.float32)


def write_wave(
    path: Path,
    wave: np.ndarray,
    rate: int = 48_000,
    start: Fraction = Fraction(0),
    frame_rate: Fraction | None = None,
    drop: bool = False,
) -> Path:
    """A 24-bit broadcast wave."""
    about = Broadcast(start=start, frame_rate=frame_rate, drop_frame=drop)
    write_broadcast(path, [wave], rate, 1 if wave.ndim == 1 else wave.shape[1], about=about)
    return path
