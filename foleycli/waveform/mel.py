"""Waveform to log-mel spectrogram: what the autoencoders encode."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from foleycli.config import MelConfig

FLOOR = 1e-5  # magnitudes under this are silence: the bottom of the scale
RANGE_DB = 100.0  # from the floor, -100 dB, as far up as 1.0; see `compress`
OFFSET_DB = 80.0

# Slaney's scale (Auditory Toolbox, 1998): 3 mel per 200 Hz up to 1 kHz, then 27 a factor of 6.4.
HERTZ_PER_MEL = 200 / 3
CORNER = 1000.0  # Hz
LOG_STEP = np.log(6.4) / 27


def log_mel(waveform: Tensor, config: MelConfig) -> Tensor:
    """Log-mel spectrogram of a waveform, frame i centred on sample i * hop_length.

    Args:
        waveform: (..., samples), values in [-1, 1].

    Returns:
        (..., n_mels, ceil(samples / hop_length)), values in [0, 1] as `compress` scales them.
    """
    magnitudes = stft(waveform, config).abs()
    frames = -(-waveform.shape[-1] // config.hop_length)
    return compress(mel_filters(config) @ magnitudes[..., :frames])


def stft(waveform: Tensor, config: MelConfig) -> Tensor:
    """Complex spectrogram (..., n_fft // 2 + 1, 1 + samples // hop_length), zeros at the edges."""
    flat = waveform.reshape(-1, waveform.shape[-1])
    spectrogram = torch.stft(
        flat,
        config.n_fft,
        config.hop_length,
        window=hann(config.n_fft),
        pad_mode="constant",
        return_complex=True,
    )
    return spectrogram.reshape(*waveform.shape[:-1], *spectrogram.shape[1:])


def compress(magnitudes: Tensor) -> Tensor:
    """Mel magnitudes to [0, 1]: 0 is silence (-80 dB or less), 1 is +20 dB.

    The scale of Diff-Foley's spectrograms (luosiallen/Diff-Foley, wav2spec), which `small` shares.
    """
    decibels = 20 * magnitudes.clamp(min=FLOOR).log10()
    return ((decibels + OFFSET_DB) / RANGE_DB).clamp(0, 1)


def expand(mel: Tensor) -> Tensor:
    """Mel values back to magnitudes; what lies outside [0, 1] is clamped, 0 becomes silence."""
    decibels = RANGE_DB * mel.clamp(0, 1) - OFFSET_DB
    return torch.where(mel > 0, 10 ** (decibels / 20), torch.zeros_like(mel))


@lru_cache(maxsize=8)
@torch.inference_mode(False)  # who asks first may only listen; who asks next may learn
def mel_filters(config: MelConfig) -> Tensor:
    """Triangles of equal area (Slaney), (n_mels, n_fft // 2 + 1)."""
    bins = np.linspace(0, config.sample_rate / 2, config.n_fft // 2 + 1)
    low, high = to_mel(np.array([config.f_min, config.f_max]))
    edges = to_hertz(np.linspace(low, high, config.n_mels + 2))[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling))
    return torch.from_numpy(triangles * 2 / (edges[2:] - edges[:-2])).float()


@lru_cache(maxsize=8)
@torch.inference_mode(False)
def hann(samples: int) -> Tensor:
    """The periodic Hann window, (samples,)."""
    return torch.hann_window(samples)


def to_mel(hertz: np.ndarray) -> np.ndarray:
    """Slaney's mel of a frequency in Hz."""
    linear = hertz / HERTZ_PER_MEL
    log = CORNER / HERTZ_PER_MEL + np.log(np.maximum(hertz, CORNER) / CORNER) / LOG_STEP
    return np.where(hertz < CORNER, linear, log)


def to_hertz(mel: np.ndarray) -> np.ndarray:
    """The frequency in Hz of a Slaney mel."""
    corner = CORNER / HERTZ_PER_MEL
    above = CORNER * np.exp(LOG_STEP * (np.maximum(mel, corner) - corner))
    return np.where(mel < corner, mel * HERTZ_PER_MEL, above)
