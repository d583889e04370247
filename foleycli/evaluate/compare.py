"""All measures of one sound against a clip's own sound."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foleycli.evaluate.semantics import cosy, kl, score_distribution
from foleycli.evaluate.sync import strength_curve, sync_z
from foleycli.evaluate.timing import env, find_onsets, level_curve, onf1c, onset_strength
from foleycli.listeners.yamnet import SAMPLE_RATE, yamnet
from foleycli.waveform.sound import at_loudness

MEASURES = ("kl", "cosy", "env", "onf1c", "sync")


@dataclass(frozen=True, slots=True)
class Sound:
    """What the measures need to know of a sound, at -20 LUFS."""

    duration: float  # seconds
    distribution: NDArray[np.float64]  # (521,) of AudioSet classes
    embedding: NDArray[np.float32]  # (1024,) time mean
    level: NDArray[np.float32]  # dB at 25 Hz
    onsets: NDArray[np.float64]  # seconds
    strength: NDArray[np.float32]  # onset strength at 25 Hz


def describe(waveform: NDArray[np.float32]) -> Sound:
    """Measure a mono waveform (samples,) at 16 kHz."""
    waveform = at_loudness(waveform)
    heard = yamnet()(waveform)
    strength = onset_strength(waveform)
    return Sound(
        duration=len(waveform) / SAMPLE_RATE,
        distribution=score_distribution(heard.scores),
        embedding=heard.embeddings.mean(axis=0),
        level=level_curve(waveform),
        onsets=find_onsets(strength),
        strength=strength_curve(strength),
    )


def compare(own: Sound, candidate: Sound, motion: NDArray[np.float32]) -> dict[str, float]:
    """kl (lower is better), cosy, env, onf1c and sync (higher is better); nan where undefined."""
    return {
        "kl": kl(own.distribution, candidate.distribution),
        "cosy": cosy(own.embedding, candidate.embedding),
        "env": env(own.level, candidate.level),
        "onf1c": onf1c(own.onsets, candidate.onsets, own.duration),
        "sync": sync_z(candidate.strength, motion),
    }
