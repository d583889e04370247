"""Read any file's sound as the measures want it: mono, 16 kHz, from the first picture on."""

from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from numpy.typing import NDArray
from scipy.signal import lfilter

from foleycli.errors import MediaError
from foleycli.evaluate.extractors import SAMPLE_RATE

LOUDNESS = -20.0  # LUFS at which sounds are compared


def read_sound(path: Path, sample_rate: int = SAMPLE_RATE) -> NDArray[np.float32]:
    """The first sound of a file, (samples,) mono; of a video, counted from its picture.

    Raises:
        MediaError: the file has no sound that can be read.
    """
    try:
        with av.open(str(path)) as container:
            waveform, start = _decode(container, sample_rate)
            return _starting_at(waveform, round((start - _picture_start(container)) * sample_rate))
    except (FFmpegError, IndexError, OSError) as error:
        raise MediaError(f"no sound could be read from {path}.", "Choose another file.") from error


def at_loudness(waveform: NDArray[np.float32], lufs: float = LOUDNESS) -> NDArray[np.float32]:
    """The same sound at a loudness; silence stays silence."""
    loudness = integrated_loudness(waveform)
    if not np.isfinite(loudness):
        return waveform
    return (waveform * 10 ** ((lufs - loudness) / 20)).astype(np.float32)


def integrated_loudness(waveform: NDArray[np.float32], sample_rate: int = SAMPLE_RATE) -> float:
    """Loudness of a mono sound in LUFS (ITU-R BS.1770-4), -inf for silence.

    A sound shorter than the 400 ms block is one block.
    """
    weighted = np.pad(_k_weighted(waveform, sample_rate), (0, 1))
    block, step = int(0.4 * sample_rate), int(0.1 * sample_rate)
    power = np.concatenate([[0.0], np.cumsum(weighted.astype(np.float64) ** 2)])
    starts = np.arange(0, max(1, len(waveform) - block + 1), step)
    ends = np.minimum(starts + block, len(waveform))
    blocks = (power[ends] - power[starts]) / np.maximum(1, ends - starts)
    loud = blocks[_lufs(blocks) > -70]
    loud = loud[_lufs(loud) > _lufs(loud.mean()) - 10] if loud.size else loud
    return float(_lufs(loud.mean())) if loud.size else -np.inf


def _lufs(power: NDArray[np.float64] | np.floating) -> NDArray[np.float64]:
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-20))


def _k_weighted(waveform: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """BS.1770's two filters, re-derived for any rate from their analogue form."""
    shelf = np.tan(np.pi * 1681.974450955533 / sample_rate)
    quality, gain = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    mid = gain**0.4996667741545416
    b = [gain + mid * shelf / quality + shelf**2, 2 * (shelf**2 - gain)]
    b.append(gain - mid * shelf / quality + shelf**2)
    a = [1 + shelf / quality + shelf**2, 2 * (shelf**2 - 1), 1 - shelf / quality + shelf**2]
    shelved = lfilter(b, a, waveform)
    high = np.tan(np.pi * 38.13547087602444 / sample_rate)
    quality = 0.5003270373238773
    a = [1 + high / quality + high**2, 2 * (high**2 - 1), 1 - high / quality + high**2]
    return np.asarray(lfilter([a[0], -2 * a[0], a[0]], a, shelved)) / a[0]


def _decode(container: InputContainer, sample_rate: int) -> tuple[NDArray[np.float32], float]:
    """Samples of the first sound stream, and the time in seconds of the first."""
    resampler = av.AudioResampler(format="fltp", rate=sample_rate)
    blocks, start = [], None
    for frame in container.decode(audio=0):
        if start is None:
            start = frame.time or 0.0
        frame.pts = None
        blocks += [block.to_ndarray().mean(axis=0) for block in resampler.resample(frame)]
    blocks += [block.to_ndarray().mean(axis=0) for block in resampler.resample(None)]
    if not blocks:
        raise IndexError("no samples")
    return np.concatenate(blocks), start or 0.0


def _picture_start(container: InputContainer) -> float:
    for stream in container.streams.video:
        if stream.start_time is not None and stream.time_base is not None:
            return float(stream.start_time * stream.time_base)
    return 0.0


def _starting_at(waveform: NDArray[np.float32], shift: int) -> NDArray[np.float32]:
    return np.pad(waveform, (shift, 0)) if shift > 0 else waveform[-shift:]
