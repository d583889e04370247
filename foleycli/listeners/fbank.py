"""Kaldi's log-mel filter bank, as torchaudio's ``compliance.kaldi.fbank`` computes it.

What several public listeners were trained on (ImageBind among them). Another thing than
``waveform.mel``: frames are cut before they are padded, each loses its mean, highs are raised, and
the triangles stand on Kaldi's mel scale.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

SAMPLE_RATE = 16_000  # Hz
WINDOW, HOP, N_FFT = 400, 160, 512  # samples: 25 ms, 10 ms, the next power of two
LOWEST = 20.0  # Hz
PREEMPHASIS = 0.97
FLOOR = 2.0**-23  # the smallest step of a 32-bit float at 1: what silence becomes


def fbank(waveform: Tensor, n_mels: int = 128, window_power: float = 1.0) -> Tensor:
    """Log power in bands: window "hanning", no dither, no frame that is not whole.

    Args:
        waveform: (samples,) at 16 kHz, values in [-1, 1], at least 400 of them.
        window_power: of the window; 0.85 makes it Kaldi's own, "povey".

    Returns:
        (1 + (samples - 400) // 160, n_mels)
    """
    frames = waveform.unfold(0, WINDOW, HOP)
    frames = frames - frames.mean(1, keepdim=True)
    before = torch.cat([frames[:, :1], frames[:, :-1]], dim=1)
    window = torch.hann_window(WINDOW, periodic=False).pow(window_power)
    frames = (frames - PREEMPHASIS * before) * window
    power = torch.fft.rfft(frames, N_FFT).abs().square()
    return (power @ filters(n_mels).T).clamp(min=FLOOR).log()


@lru_cache(maxsize=2)
def filters(
    n_mels: int,
    n_fft: int = N_FFT,
    sample_rate: int = SAMPLE_RATE,
    lowest: float = LOWEST,
    highest: float = SAMPLE_RATE / 2,
) -> Tensor:
    """Triangles of height 1, straight on Kaldi's mel scale, (n_mels, n_fft // 2 + 1)."""
    bins = to_mel(np.arange(n_fft // 2 + 1) * sample_rate / n_fft)
    low, high = to_mel(np.array([lowest, highest]))
    edges = np.linspace(low, high, n_mels + 2)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return torch.from_numpy(np.maximum(0, np.minimum(rising, falling))).float()


def to_mel(hertz: np.ndarray) -> np.ndarray:
    """Kaldi's mel of a frequency in Hz."""
    return 1127 * np.log1p(hertz / 700)
