"""Muddy mixes: a good balance spoiled, so that what would mend it is known.

The published way (VisAH, arXiv 2505.12154): the loudest of three stems goes down, one of the others
up, the third down too, by 6, 9 or 12 dB each; then peaks are kept under -0.5 dBFS.
"""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foleycli.config import MuddyConfig
from foleycli.highlight.levels import gated
from foleycli.waveform.loudness import LoudnessMeter, from_db

Sound = NDArray[np.floating]
PEAK_DB = -0.5  # dBFS
LEVELS = {"low": (6,), "moderate": (9,), "high": (12,), "mix": (6, 9, 12)}  # dB
THIRDS = ("suppress", "raise", "keep")
BLOCK = 0.4  # seconds of loudness


@dataclass(frozen=True, slots=True)
class Muddy:
    """A spoiled balance. Indices are of the stems: speech, music, effects."""

    stems: list[Sound]
    mix: Sound
    loudness: list[float]  # LUFS before; -inf: silent
    loudest: int
    highlight: int
    change_db: list[float]  # what was drawn; with changes of time, of the first stretch
    applied_gain: list[float]  # what each stem was multiplied by, the peaks' part included
    exact_gain: list[float]  # the same, 0 of silent stems
    gains_db: list[NDArray[np.float64]] = field(default_factory=list)  # of each stretch


def muddy_stems(
    sounds: Sequence[Sound], sample_rate: int, chance: random.Random, config: MuddyConfig
) -> Muddy:
    """Spoil the balance of speech, music and effects.

    Args:
        sounds: three of (samples,), equally long.
        chance: drawn from as the published script draws.
    """
    loudness = [block_loudness(sound, sample_rate) for sound in sounds]
    silent = [not np.isfinite(one) for one in loudness]
    loudest = 0 if all(silent) else int(np.argmax(loudness))
    highlight = _choose_highlight(chance, loudest, silent, config)
    samples = len(sounds[0])
    stretch = round(config.vary_every * sample_rate) if config.vary_every else max(1, samples)
    starts = range(0, max(1, samples), stretch)
    drawn = [_draw(chance, loudest, highlight, config) for _ in starts]
    adjusted = [
        sound
        if silent[i]
        else _turned(sound, [change[i] for change in drawn], stretch, sample_rate)
        for i, sound in enumerate(sounds)
    ]
    ceiling = from_db(PEAK_DB)
    peaks = [
        float(np.abs(s).max(initial=0)) for s, no in zip(adjusted, silent, strict=True) if not no
    ]
    first = _factor(ceiling, max(peaks, default=0.0))
    adjusted = [sound * first for sound in adjusted]
    mix = adjusted[0] + adjusted[1] + adjusted[2]
    second = _factor(ceiling, float(np.abs(mix).max(initial=0)))
    whole = first * second
    exact = [0.0 if silent[i] else from_db(drawn[0][i]) * whole for i in range(3)]
    applied = [whole if silent[i] else exact[i] for i in range(3)]
    return Muddy(
        stems=[sound * second for sound in adjusted],
        mix=mix * second,
        loudness=loudness,
        loudest=loudest,
        highlight=highlight,
        change_db=list(drawn[0]),
        applied_gain=applied,
        exact_gain=exact,
        gains_db=[
            np.array([(0.0 if silent[i] else change[i]) for change in drawn]) + 20 * np.log10(whole)
            for i in range(3)
        ],
    )


def block_loudness(sound: Sound, sample_rate: int) -> float:
    """LUFS of (samples,), in one block where it is shorter than 0.4 s; -inf for silence."""
    meter, step = LoudnessMeter(sample_rate), round(sample_rate / 10)
    meter.add(sound)
    energies, whole = meter.energies(), len(sound) // step
    if whole < 4:
        lengths = np.minimum(step, len(sound) - step * np.arange(len(energies)))
        return gated(np.array([energies @ lengths / len(sound)]) if len(sound) else energies)
    return gated(energies[:whole])


def _choose_highlight(
    chance: random.Random, loudest: int, silent: list[bool], config: MuddyConfig
) -> int:
    """Any but the loudest, and none that is silent where another is there."""
    others = [i for i in range(3) if i != loudest and not silent[i]]
    free = config.silent_too or not others
    while True:
        drawn = chance.choices(range(3), k=1)[0]
        if drawn != loudest and (free or drawn in others):
            return drawn


def _draw(chance: random.Random, loudest: int, highlight: int, config: MuddyConfig) -> list[float]:
    """dB of each stem."""
    steps = LEVELS[config.level]
    if config.continuous:
        low, high = min(steps), max(steps)
        low = low if low < high else low - 3
        down, other, up = (chance.uniform(low, high) for _ in range(3))
    else:
        # the published script draws from lists in this order
        down, other = (-value for value in chance.choices([-step for step in steps[::-1]], k=2))
        up = chance.choices(list(steps), k=1)[0]
    third = {"suppress": -other, "raise": other, "keep": 0.0}[config.third]
    changes = [third] * 3
    changes[loudest], changes[highlight] = -down, up
    return [float(change) for change in changes]


def _turned(sound: Sound, changes_db: list[float], stretch: int, sample_rate: int) -> Sound:
    """A sound with a gain a stretch; over half a second each becomes the next."""
    if len(set(changes_db)) == 1:
        return sound * from_db(changes_db[0])
    ramp = min(round(0.25 * sample_rate), stretch // 2)
    places, gains = [0], [changes_db[0]]
    for number, (a, b) in enumerate(itertools.pairwise(changes_db), 1):
        places += [number * stretch - ramp, number * stretch + ramp]
        gains += [a, b]
    gain_db = np.interp(np.arange(len(sound)), places, gains)
    return sound * 10 ** (gain_db / 20)


def _factor(ceiling: float, peak: float) -> float:
    return min(1.0, ceiling / peak) if peak > 0 else 1.0
