"""Sample for sample: the measures of VisAH (arXiv 2505.12154), for mixes of one and the same sound.

They ask for the very waveform, so two good takes of one footstep are far apart; use them for mixes
whose true waveform is known. Tables in that paper look scaled, MAG by 100 and the others by 1000;
these are plain.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.signal import hilbert
from scipy.stats import wasserstein_distance

SAMPLE_RATE = 44_100  # Hz
N_FFT, WINDOW, HOP = 2048, 1764, 441  # samples: 40 ms every 10 ms


def mag(own: NDArray[np.float32], candidate: NDArray[np.float32]) -> float:
    """Mean difference of STFT magnitudes, of waveforms (samples,) at 44.1 kHz."""
    a, b = _even(own, candidate)
    return float(np.mean(np.abs(_magnitudes(a) - _magnitudes(b))))


def envelope(own: NDArray[np.float32], candidate: NDArray[np.float32]) -> float:
    """RMS difference of Hilbert envelopes."""
    a, b = (_envelope(waveform) for waveform in _even(own, candidate))
    return float(np.sqrt(np.mean((a - b) ** 2)))


def w_dis(own: NDArray[np.float32], candidate: NDArray[np.float32]) -> float:
    """Wasserstein-1 distance between the distributions of sample values; when is not looked at."""
    return float(wasserstein_distance(own, candidate))


def _even(*waveforms: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    samples = min(len(waveform) for waveform in waveforms)
    return [waveform[:samples] for waveform in waveforms]


def _magnitudes(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    window = np.zeros(N_FFT, np.float32)
    start = (N_FFT - WINDOW) // 2
    window[start : start + WINDOW] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    padded = np.pad(waveform, N_FFT // 2, mode="reflect" if len(waveform) > N_FFT // 2 else "edge")
    rows = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    return np.abs(np.fft.rfft(rows * window)).astype(np.float32)


def _envelope(waveform: NDArray[np.float32]) -> NDArray[np.float64]:
    length = next_fast_len(len(waveform))  # a prime length would take minutes
    return np.abs(np.asarray(hilbert(waveform.astype(np.float64), length)))[: len(waveform)]
