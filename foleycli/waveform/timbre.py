"""How a sound sounds, in 96 numbers: an example the denoiser may follow beside the words."""

import numpy as np
from numpy.typing import NDArray

from foleycli.config import FEATURES
from foleycli.waveform.mel import OFFSET_DB, RANGE_DB

PEAK_LEVEL = 0.9  # of the loudest frame: 10 dB, so that "usual level" means one thing
DEPTH = 0.8  # a band this far (80 dB) under its sound's loudest frame is silence
HEARD = 0.4  # frames within 40 dB of the loudest are what a sound is known by
ATTACK = 4  # frames, 62 ms
FLUTTER_GAIN = 4.0  # brings the changes from frame to frame to the size of the levels

Curve = NDArray[np.float32]


def frame_level(mel: Curve) -> Curve:
    """Level of each frame of (frames, n_mels) on the scale of `mel.compress`."""
    power = np.exp((mel * RANGE_DB - OFFSET_DB) * (np.log(10) / 10)).sum(axis=1)
    return (10 * np.log10(power) + OFFSET_DB) / RANGE_DB


def at_usual_level(mel: Curve) -> Curve:
    """(frames, n_mels) with its loudest frame at ``PEAK_LEVEL`` and silence under ``DEPTH``."""
    raised = mel + (PEAK_LEVEL - frame_level(mel).max())
    return np.where(raised < PEAK_LEVEL - DEPTH, 0, raised).clip(0, 1)


def find_timbre(mel: Curve) -> Curve:
    """Attack, body and flutter of a sound, a third of ``FEATURES.timbre_size`` bands each.

    The attack is the spectrum of the loudest moment, the body the mean spectrum of what is heard,
    the flutter how much a band changes within two frames: it tells rain from an engine.

    Args:
        mel: (frames, n_mels) at the usual level, see `at_usual_level`.

    Returns:
        (timbre_size,) between 0 and about 1.
    """
    size = FEATURES.timbre_size // 3
    bands = mel.reshape(len(mel), size, -1).mean(axis=2)
    level = frame_level(mel)
    loudest = int(level.argmax())
    attack = bands[loudest : loudest + ATTACK].mean(axis=0)
    heard = level > level.max() - HEARD
    change = np.zeros_like(bands)
    change[2:] = np.abs(bands[2:] - bands[:-2])
    flutter = FLUTTER_GAIN * change[heard].mean(axis=0)
    return np.concatenate([attack, bands[heard].mean(axis=0), flutter]).astype(np.float32)
