"""Sound files of any common kind, in and out."""

import math
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from av.error import FFmpegError
from numpy.typing import NDArray

from foleycli.clip.media import own_layouts
from foleycli.errors import MediaError
from foleycli.library.level import SAMPLE_RATE, Samples

SUFFIXES = frozenset(
    ".wav .wave .bwf .w64 .rf64 .aif .aiff .aifc .caf .flac .ogg .oga .opus .mp3"
    " .m4a .aac .wma".split()
)
MARGIN = SAMPLE_RATE // 5  # samples before and after, so that resampling sees no edge
OPUS_QUALITY = 0.81  # libsndfile: bitrate = 6 + (1 - this) * 250 kbit/s a channel


def read_sound(path: Path, start: int = 0, samples: int | None = None) -> Samples:
    """Read a file as mono at 48 kHz: (samples,) float32.

    Args:
        path: any sound file that libsndfile or FFmpeg reads.
        start: first sample to give, counted at 48 kHz.
        samples: how many to give; None means all. Fewer come back when the file ends.

    Raises:
        MediaError: no sound can be read from the file, or its samples are no numbers.
    """
    end = None if samples is None else start + samples
    try:
        waveform = _read_libsndfile(path, start, end)
    except (soundfile.LibsndfileError, RuntimeError):
        # libsndfile 1.2 calls Opus files malformed when their last page trims a whole packet.
        waveform = _read_ffmpeg(path)[start:end]
    if not np.isfinite(waveform).all():  # of a float file that some effect spoiled
        raise MediaError(f"{path.name} holds samples that are no numbers.", "Export it again.")
    return waveform


def write_opus(path: Path, samples: Samples) -> None:
    """Write (samples,) mono at 48 kHz as Opus in Ogg, about 54 kbit/s, variable."""
    with soundfile.SoundFile(
        path, "w", SAMPLE_RATE, 1, "OPUS", format="OGG", compression_level=OPUS_QUALITY
    ) as file:
        file.write(samples)


def _read_libsndfile(path: Path, start: int, end: int | None) -> Samples:
    with soundfile.SoundFile(path) as file:
        rate = file.samplerate
        if rate == SAMPLE_RATE:
            file.seek(min(start, file.frames))
            return _mono(file.read(-1 if end is None else end - start, "float32", always_2d=True))
        # Begin where a sample of the file and one at 48 kHz coincide, well before the start.
        shared = math.gcd(rate, SAMPLE_RATE)
        period_in, period_out = rate // shared, SAMPLE_RATE // shared
        skipped = max(0, start - MARGIN) // period_out
        file.seek(min(skipped * period_in, file.frames))
        first = skipped * period_out
        count = -1 if end is None else (end + MARGIN - first) * rate // SAMPLE_RATE
        sound = _mono(file.read(count, "float32", always_2d=True))
    resampled = soxr.resample(sound, rate, SAMPLE_RATE).astype(np.float32)
    return resampled[start - first : None if end is None else end - first]


def _mono(channels: NDArray[np.generic]) -> Samples:
    """(samples, channels) of any type -> (samples,) float32."""
    return np.asarray(channels, np.float32).mean(axis=1)


def _read_ffmpeg(path: Path) -> Samples:
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
    pieces: list[Samples] = []
    try:
        with av.open(path) as container:
            own_layouts(container)
            for frame in container.decode(audio=0):
                pieces += [part.to_ndarray()[0] for part in resampler.resample(frame)]
            pieces += [part.to_ndarray()[0] for part in resampler.resample(None)]
    except (FFmpegError, IndexError, OSError) as error:
        if not pieces:
            raise MediaError(
                f"{path.name} holds no sound that can be read ({error}).", "Re-export it as WAV."
            ) from error
    if not pieces:
        raise MediaError(f"{path.name} holds no sound.", "Re-export it as WAV.")
    return np.concatenate(pieces)
