"""Read any file's sound as the measures want it: mono, 16 kHz, from the first picture on."""

from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from numpy.typing import NDArray

from foleycli.clip.media import own_layouts
from foleycli.errors import MediaError
from foleycli.waveform import loudness
from foleycli.waveform.loudness import from_db

SAMPLE_RATE = 16_000  # Hz, at which sounds are measured
LOUDNESS = -20.0  # LUFS at which sounds are compared


def read_sound(path: Path, sample_rate: int = SAMPLE_RATE) -> NDArray[np.float32]:
    """The first sound of a file, (samples,) mono; of a video, counted from its picture.

    Raises:
        MediaError: the file has no sound that can be read.
    """
    try:
        with av.open(str(path)) as container:
            own_layouts(container)
            waveform, start = _decode(container, sample_rate)
            return _starting_at(waveform, round((start - _picture_start(container)) * sample_rate))
    except (FFmpegError, IndexError, OSError) as error:
        raise _unreadable(path) from error


def read_native(path: Path) -> tuple[NDArray[np.float32], int]:
    """As `read_sound`, at the file's own rate, and that rate in Hz."""
    try:
        with av.open(str(path)) as container:
            sample_rate = container.streams.audio[0].rate
    except (FFmpegError, IndexError, OSError) as error:
        raise _unreadable(path) from error
    return read_sound(path, sample_rate), sample_rate


def at_loudness(
    waveform: NDArray[np.float32], lufs: float = LOUDNESS, sample_rate: int = SAMPLE_RATE
) -> NDArray[np.float32]:
    """The same sound at a loudness; silence stays silence."""
    measured = integrated_loudness(waveform, sample_rate)
    if not np.isfinite(measured):
        return waveform
    return (waveform * from_db(lufs - measured)).astype(np.float32)


def integrated_loudness(waveform: NDArray[np.float32], sample_rate: int = SAMPLE_RATE) -> float:
    """Loudness of a mono sound in LUFS (ITU-R BS.1770-4), -inf for silence.

    A sound shorter than a block, 400 ms, is repeated until it fills one.
    """
    block = 4 * round(sample_rate / 10)
    if 0 < len(waveform) < block:
        waveform = np.resize(waveform, block)
    return loudness.integrated_loudness([waveform], sample_rate)


def cut_windows(waveform: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Windows of a sound (samples,), one after another: (windows, length).

    The last one ends where the sound ends and so may repeat some of the one before; a sound shorter
    than a window is filled up with silence.
    """
    if len(waveform) <= length:
        return np.pad(waveform, (0, length - len(waveform)))[None]
    last = len(waveform) - length
    return np.stack([waveform[start : start + length] for start in (*range(0, last, length), last)])


def _unreadable(path: Path) -> MediaError:
    return MediaError(f"no sound could be read from {path}.", "Choose another file.")


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
