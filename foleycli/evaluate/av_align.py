"""AV-Align (Yariv et al. 2023, arXiv 2309.16429): do peaks of sound and of motion coincide?

Printed because papers print it; it cannot tell a clip's own sound from another clip's and a
metronome beats both (docs/measures.md). The value depends on the frame rate, which is part of the
measure's name, and on which of the two published scripts (guyyariv/TempoTokens, av_align.py) is
meant: that of October 2023 lets a motion peak be hit twice, so that its score can exceed 1; that of
February 2025 does not, and ignores motion under a tenth of a pixel.

Motion is Farneback's optical flow as OpenCV has it, which the package ``opencv-python-headless``
brings (the extra ``eval``): another implementation would give another number under
the same name.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from foleycli.config import MelConfig
from foleycli.errors import ModelError
from foleycli.install import get_extra
from foleycli.waveform.mel import mel_filters

Version = Literal[2023, 2025]

LEAST_MOTION = 0.1  # pixels a frame, of the 2025 version
AUDIO = MelConfig(
    sample_rate=22_050, n_fft=2048, hop_length=512, n_mels=128, f_min=0.0, f_max=11_025.0
)
SHORT_SIDE = 256  # pixels, of the pictures between which motion at a fixed rate is measured
DELTA = 0.07  # librosa's: an onset stands over the mean around it by this share of the strongest


def av_align(
    onsets: NDArray[np.float64],
    motion: NDArray[np.float64],
    frame_rate: float,
    version: Version = 2025,
) -> float:
    """Shared peaks over all peaks.

    Args:
        onsets: seconds, of `find_peaks_of_sound`.
        motion: pixels a frame, of `flow_curve`.
        frame_rate: per second; peaks nearer than a frame coincide.

    Returns:
        0 to 1 (2023: may exceed 1). 0 when neither has a peak, where the scripts divide by zero:
        silence over a still picture earns nothing.
    """
    peaks = motion_peaks(motion, LEAST_MOTION if version == 2025 else 0.0) / frame_rate
    hits = count_hits(onsets, peaks, 1 / frame_rate, again=version == 2023)
    either = len(onsets) + len(peaks) - hits
    return hits / either if either else 0.0


def motion_peaks(motion: NDArray[np.float64], least: float) -> NDArray[np.intp]:
    """Indices larger than both neighbours, and not under ``least``."""
    inner = motion[1:-1]
    is_peak = (inner > motion[:-2]) & (inner > motion[2:]) & (inner >= least)
    return np.flatnonzero(is_peak) + 1


def count_hits(
    onsets: NDArray[np.float64], peaks: NDArray[np.float64], tolerance: float, *, again: bool
) -> int:
    """Onsets that lie nearer to a peak than the tolerance, which may be hit ``again`` or not."""
    free, count = list(peaks), 0
    for onset in onsets:
        near = next((p for p in free if p - tolerance < onset < p + tolerance), None)
        if near is not None:
            count += 1
            if not again:
                free.remove(near)
    return count


def find_peaks_of_sound(waveform: NDArray[np.float32]) -> NDArray[np.float64]:
    """Onset times in seconds of a waveform (samples,) at 22,050 Hz, as librosa's defaults find
    them: ``onset_strength`` and ``onset_detect``."""
    strength = _strength(waveform)
    if not strength.any():
        return np.empty(0)
    strength -= strength.min()
    strength /= strength.max()
    largest = maximum_filter1d(strength, 2, mode="constant")  # here and one before
    means = np.array([strength[max(0, i - 4) : i + 5].mean() for i in range(len(strength))])
    peaks = np.flatnonzero((strength == largest) & (strength >= means + DELTA))
    kept: list[int] = []
    for peak in peaks:
        if not kept or peak - kept[-1] > 1:  # librosa waits a frame
            kept.append(int(peak))
    return np.array(kept) * AUDIO.hop_length / AUDIO.sample_rate


def _strength(waveform: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean over bands of the rise from one frame to the next, in dB."""
    half = AUDIO.n_fft // 2
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(waveform, half), AUDIO.n_fft)
    frames = frames[:: AUDIO.hop_length]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(AUDIO.n_fft) / AUDIO.n_fft)
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    level = 10 * np.log10(np.maximum(power @ mel_filters(AUDIO).numpy().T, 1e-10))
    level = np.maximum(level, level.max(initial=-np.inf) - 80)
    rise = np.maximum(0, np.diff(level, axis=0)).mean(axis=1)
    delay = 1 + half // AUDIO.hop_length  # librosa's shift to the centre of the frame
    return np.pad(rise, (delay, 0))[: len(frames)]


def flow_curve(path: Path, frame_rate: Fraction | None = None) -> NDArray[np.float64]:
    """Mean length of optical flow into each frame, in pixels of the film, (frames,); the first is
    as the second.

    Args:
        frame_rate: None takes every frame at its own size, as the scripts do. At a rate it is the
            frame shown at each tick, its short side reduced to 256 pixels: ten times quicker, and
            on 26 clips .272 where whole pictures gave .281, the curves correlated by .999.

    Raises:
        ModelError: OpenCV is not installed.
    """
    cv2 = opencv()
    curve: list[float] = []
    last = None
    for gray in _grays(path, frame_rate):
        scale = 1.0 if frame_rate is None else min(1.0, SHORT_SIDE / min(gray.shape))
        small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if last is not None:
            flow = cv2.calcOpticalFlowFarneback(last, small, None, 0.5, 3, 15, 3, 5, 1.2, 0)
            curve.append(float(cv2.mean(cv2.magnitude(flow[..., 0], flow[..., 1]))[0]) / scale)
        last = small
    return np.array(curve[:1] + curve)


def frame_rate_of(path: Path) -> Fraction:
    """Frames a second of a film, on average."""
    with av.open(str(path)) as container:
        return Fraction(container.streams.video[0].average_rate or 25)


@lru_cache(maxsize=1)
def opencv() -> Any:
    """The module ``cv2``, held to one thread.

    Raises:
        ModelError: it is not installed.
    """
    try:
        import cv2  # type: ignore[import-not-found]
    except ImportError as error:
        raise ModelError("AV-Align needs OpenCV's optical flow.", get_extra("eval")) from error
    cv2.setNumThreads(1)
    return cv2


def _grays(path: Path, frame_rate: Fraction | None) -> Iterator[NDArray[np.uint8]]:
    """Frames as gray as OpenCV makes them of BGR; at a rate, the one shown at each tick."""
    cv2, ticks, shown = opencv(), 0, None
    with av.open(str(path)) as container:
        start = None
        for frame in container.decode(video=0):
            gray = cv2.cvtColor(frame.to_ndarray(format="bgr24"), cv2.COLOR_BGR2GRAY)
            if frame_rate is None or frame.time is None:
                yield gray
                continue
            start = frame.time if start is None else start
            while shown is not None and start + ticks / frame_rate < frame.time - 1e-6:
                yield shown
                ticks += 1
            shown = gray
    if shown is not None:
        yield shown
