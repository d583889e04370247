"""Stems that tests make for themselves."""

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 48_000
BITS = 2.0**23


def write_wav(path: Path, sound: NDArray, rate: int = RATE) -> Path:
    """24 bits, on their grid."""
    soundfile.write(path, np.rint(sound * BITS) / BITS, rate, "PCM_24")
    return path


def noise(seconds: float, level: float = 0.1, seed: int = 0, channels: int = 1) -> NDArray:
    """White, (samples, channels)."""
    shape = (round(seconds * RATE), channels)
    return level * np.random.RandomState(seed).standard_normal(shape)


def voice(seconds: float, spoken: list[tuple[float, float]], level: float = 0.3) -> NDArray:
    """(samples, 1): a buzz through moving formants, which Silero VAD takes for speech."""
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = 120 + 15 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    tone = np.zeros_like(time)
    for number in range(1, 30):
        hertz = number * pitch
        first = 450 + 250 * np.sin(2 * np.pi * 2.1 * time)
        second = 1500 + 500 * np.sin(2 * np.pi * 1.3 * time + 1)
        weight = np.exp(-(((hertz - first) / 180) ** 2)) + 0.6 * np.exp(
            -(((hertz - second) / 260) ** 2)
        )
        tone += (weight + 0.02) / number**0.5 * np.sin(number * phase)
    syllables = np.clip(np.sin(2 * np.pi * 4 * time) + 0.6, 0, 1)
    gate = np.zeros_like(time)
    for start, end in spoken:
        gate[round(start * RATE) : round(end * RATE)] = 1
    tone *= syllables * gate
    return (level * tone / np.abs(tone).max())[:, None]
