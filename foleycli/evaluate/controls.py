"""Sounds that every table holds beside the models', so that a measure can be seen to work on a set.

A measure of quality must put the clip's own sound before all the others.
"""

import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from foleycli.evaluate.clipset import Example
from foleycli.evaluate.material import Sound

OWN, ANOTHER = "own sound", "another clip's sound"
SILENCE, NOISE, METRONOME = "silence", "white noise", "metronome"
SAMPLE_RATE = 48_000  # Hz
NOISE_LEVEL = 0.1  # RMS
BEAT = Fraction(1, 3)  # seconds from click to click: 0.341 on AV-Align, more than real sound has
Samples = NDArray[np.float32]


def noise(samples: int, rng: np.random.Generator) -> Samples:
    """White noise, (samples,)."""
    return (NOISE_LEVEL * rng.standard_normal(samples)).astype(np.float32)


def metronome(samples: int, rng: np.random.Generator) -> Samples:
    """Clicks at an even beat that begins anywhere, (samples,)."""
    step, times = int(BEAT * SAMPLE_RATE), np.arange(SAMPLE_RATE // 20)
    click = np.exp(-times / 300) * np.sin(2 * np.pi * 1000 * times / SAMPLE_RATE)
    sound = np.zeros(samples + len(click), np.float32)
    for start in range(int(rng.integers(step)), samples, step):
        sound[start : start + len(click)] += 0.5 * click
    return sound[:samples]


def silence(samples: int, rng: np.random.Generator) -> Samples:
    """Nothing, (samples,)."""
    return np.zeros(samples, np.float32)


MADE: dict[str, Callable[[int, np.random.Generator], Samples]] = {
    SILENCE: silence,
    NOISE: noise,
    METRONOME: metronome,
}
CONTROLS = (OWN, ANOTHER, *MADE)


def made_control(name: str, example: Example, duration: float, draw: int = 0) -> Sound:
    """Silence, noise or a metronome for a clip: the same for the same clip and draw.

    Args:
        duration: seconds.
    """
    rng = np.random.default_rng(zlib.crc32(f"{name} {example.id} {draw}".encode()))
    return Sound(MADE[name](round(duration * SAMPLE_RATE), rng), SAMPLE_RATE)


def other_clips(examples: Sequence[Example], example: Example, count: int) -> list[Example]:
    """Clips of the set whose sounds a clip is given, of another label where there are such.

    The same for the same set, and every clip lends its sound about as often as any other.
    """
    at = examples.index(example)
    turned = [*examples[at + 1 :], *examples[:at]]
    unlike = [other for other in turned if other.label != example.label] or turned
    step = max(1, len(unlike) // max(1, count))
    return unlike[::step][:count]


def fitted(sound: Sound, duration: float) -> Sound:
    """Another clip's sound as long as this clip: cut, or played again from its start.

    Args:
        duration: seconds.
    """
    length = round(duration * sound.sample_rate)
    return Sound(np.resize(sound.samples, length), sound.sample_rate)
