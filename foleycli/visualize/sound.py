"""A file of sound: how long it is to the sample, where it lies on a clock, and its blocks in turn."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from numpy.typing import NDArray

from foleycli.clip.media import open_media
from foleycli.clip.timecode import Timecode, drops
from foleycli.errors import MediaError
from foleycli.mux.bwf_read import read_broadcast

BLOCK = 1.0  # seconds of sound that are given at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """What a sound's file holds; only its first track counts."""

    path: Path
    codec: str  # FFmpeg's name, such as pcm_s24le
    format: str  # of a sample, such as s32
    sample_rate: int  # Hz
    channels: int
    samples: int  # that decode
    since_midnight: Fraction | None = None  # seconds, of a broadcast wave's first sample
    own_rate: Fraction | None = None  # frames a second that a broadcast wave speaks of
    drop: bool = False

    @property
    def duration(self) -> Fraction:
        """Seconds, exact."""
        return Fraction(self.samples, self.sample_rate)

    def frames(self, frame_rate: Fraction) -> int:
        """Pictures that cover it: its duration times the rate, rounded half up, at least one."""
        return max(1, int(self.duration * frame_rate + Fraction(1, 2)))

    def timecode(self, frame_rate: Fraction) -> Timecode:
        """Of the first picture: the broadcast wave's own place, else 00:00:00:00.

        A place between two frames is the earlier one's, unless rounding to a sample explains it.
        """
        since = self.since_midnight or Fraction(0)
        frames = since * frame_rate
        nearest = int(frames + Fraction(1, 2))
        sample = frame_rate / self.sample_rate
        exact = nearest if abs(frames - nearest) <= sample else int(frames)
        return Timecode(exact, frame_rate, self.drop and drops(frame_rate))


def open_sound(path: str | Path) -> Sound:
    """Look into a file and count its samples, which decodes all of it once.

    Raises:
        MediaError: it holds no sound that can be read.
    """
    path = Path(path)
    with _opened(path) as container:
        stream = container.streams.audio[0]
        context = stream.codec_context
        samples = sum(frame.samples for frame in container.decode(stream))
        codec, kind, rate = context.codec.name, context.format.name, context.sample_rate
        channels = context.channels
    if not samples or not rate:
        raise MediaError(f"{path.name} holds no sound.", "Give a file with sound.")
    sound = Sound(
        path=path,
        codec=codec,
        format=kind,
        sample_rate=rate,
        channels=channels,
        samples=samples,
    )
    said = read_broadcast(path)
    if said is None:
        return sound
    return replace(
        sound, since_midnight=said.start, own_rate=said.frame_rate, drop=said.drop_frame
    )


def read_blocks(sound: Sound, seconds: float = BLOCK) -> Iterator[NDArray[np.float32]]:
    """All samples in turn, (n, channels) in [-1, 1], about so many seconds at a time.

    Raises:
        MediaError: it cannot be read.
    """
    wanted, waiting, count = round(seconds * sound.sample_rate), [], 0
    with _opened(sound.path) as container:
        resampler = av.AudioResampler(format="fltp", rate=sound.sample_rate)
        for frame in container.decode(container.streams.audio[0]):
            frame.pts = None
            for block in resampler.resample(frame):
                waiting.append(block.to_ndarray().T)
                count += block.samples
            if count >= wanted:
                yield np.concatenate(waiting)
                waiting, count = [], 0
        waiting += [block.to_ndarray().T for block in resampler.resample(None)]
    if waiting:
        yield np.concatenate(waiting)


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    try:
        with open_media(path) as container:
            if not container.streams.audio:
                raise MediaError(f"{path.name} holds no sound.", "Give a file with sound.")
            yield container
    except FFmpegError as error:
        raise MediaError(
            f"{path.name} cannot be read as sound: {error}.", "Export it as .wav."
        ) from error
