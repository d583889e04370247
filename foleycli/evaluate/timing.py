"""When it is heard: loudness curves and onsets of two sounds compared."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from foleycli.listeners.yamnet import HOP, N_FFT, SAMPLE_RATE, WINDOW, mel_matrix

CURVE_RATE = 25  # points per second of the level and strength curves
LAGS = 3  # points that a curve may be early or late: 120 ms
RANGE_DB = 60.0  # quieter than the loudest point by more counts as silence
STRENGTH_RATE = SAMPLE_RATE // HOP  # points per second of the onset strength: 100


def level_curve(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """RMS level in dB, 25 a second, (points,); nothing under 60 dB below the loudest."""
    hop = SAMPLE_RATE // CURVE_RATE
    blocks = waveform[: len(waveform) // hop * hop].reshape(-1, hop).astype(np.float64)
    level = 10 * np.log10(np.mean(blocks**2, axis=1) + 1e-12)
    return np.maximum(level, max(level.max(initial=-120), -60) - RANGE_DB).astype(np.float32)


def env(own: NDArray[np.float32], candidate: NDArray[np.float32]) -> float:
    """Correlation of two level curves at their best lag within 120 ms (DESIGN.md 2)."""
    lags = range(-LAGS, LAGS + 1)
    return max(correlation(*_lagged(own, candidate, lag)) for lag in lags)


def correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Pearson's r; 0 when either curve is flat."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 1e-9 else 0.0


def onset_strength(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rise of the log-mel spectrum, 100 points a second: mean over bands of positive dB steps.

    The spectral flux of Boeck and Widmer (DAFx 2013) without its vibrato filter. The edges are
    mirrored, so that a sound which is simply there from the start has no onset at 0; the last
    30 ms, where the mirror's seam would look like a rise, have none.
    """
    padded = np.pad(waveform, WINDOW, mode="reflect" if len(waveform) > WINDOW else "edge")
    start = WINDOW - WINDOW // 2  # the first window is centred on the first sample
    frames = np.lib.stride_tricks.sliding_window_view(padded[start:], WINDOW)[::HOP]
    frames = frames[: -(-len(waveform) // HOP)]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), N_FFT)) ** 2
    mel_db = 10 * np.log10(power @ mel_matrix() + 1e-10)
    mel_db = np.maximum(mel_db, mel_db.max(initial=-100) - 80)
    rises = np.maximum(0, mel_db[2:] - mel_db[:-2]).mean(axis=1)  # over 20 ms
    rises[-2:] = 0
    return np.pad(rises, (1, 1))[: len(frames)].astype(np.float32)


def find_onsets(strength: NDArray[np.float32]) -> NDArray[np.float64]:
    """Times in seconds of the peaks of an onset strength.

    A peak is the largest point within 30 ms either side and stands over the mean of the 100 ms
    before and after it by 1.5 dB and by a tenth of the strongest peak.
    """
    if not strength.size or strength.max() <= 0:
        return np.empty(0)
    around = uniform_filter1d(strength, 21, mode="nearest")
    is_peak = strength >= maximum_filter1d(strength, 7, mode="nearest")
    stands_out = strength > around + max(1.5, 0.1 * float(strength.max()))
    return np.flatnonzero(is_peak & stands_out) / STRENGTH_RATE


def onset_f1(
    own: NDArray[np.float64], candidate: NDArray[np.float64], tolerance: float = 0.1
) -> float:
    """F1 of onsets matched one to one within a tolerance in seconds; nan if there are none."""
    if not len(own) + len(candidate):
        return float("nan")
    return 2 * _matches(own, candidate, tolerance) / (len(own) + len(candidate))


def onf1c(
    own: NDArray[np.float64],
    candidate: NDArray[np.float64],
    duration: float,
    tolerance: float = 0.1,
) -> float:
    """Onset F1 less its mean over circular time shifts of the candidate (DESIGN.md 2).

    The shifts are every 50 ms from three tolerances to the duration less three, so 0 is what
    the number of onsets alone would reach. nan when the clip's own sound has no onset.
    """
    if not len(own):
        return float("nan")
    candidate = candidate[candidate < duration]
    shifts = np.arange(3 * tolerance, duration - 3 * tolerance, 0.05)
    moved = [onset_f1(own, np.sort((candidate + s) % duration), tolerance) for s in shifts]
    return onset_f1(own, candidate, tolerance) - (float(np.mean(moved)) if moved else 0.0)


def _matches(a: NDArray[np.float64], b: NDArray[np.float64], tolerance: float) -> int:
    """Size of the largest one-to-one matching of two sorted lists of times."""
    i = j = count = 0
    while i < len(a) and j < len(b):
        if abs(a[i] - b[j]) <= tolerance + 1e-9:
            i, j, count = i + 1, j + 1, count + 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return count


def _lagged(
    a: NDArray[np.float32], b: NDArray[np.float32], lag: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    n = min(len(a), len(b))
    a, b = a[max(0, lag) : n + min(0, lag)], b[max(0, -lag) : n - max(0, lag)]
    return (a, b) if len(a) else (np.zeros(1, np.float32), np.zeros(1, np.float32))
