"""A file of sound: how long it is to the sample, where it lies on a clock, and its blocks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from numpy.typing import NDArray

from foleycli.clip.media import open_media
from foleycli.clip.timecode import Timecode, drops
from foleycli.errors import MediaError, UsageError
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
    samples: int  # that decode, or are asked for
    begin: int = 0  # sample that counts as the first
    whole: bool = True  # False: a span of it is asked for
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
        since = (self.since_midnight or Fraction(0)) + Fraction(self.begin, self.sample_rate)
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
    return replace(sound, since_midnight=said.start, own_rate=said.frame_rate, drop=said.drop_frame)


def cut_sound(sound: Sound, start: Fraction | None, end: Fraction | None) -> Sound:
    """The span of a sound between two times in seconds, to the nearest sample.

    Raises:
        UsageError: nothing of the sound lies in it.
    """
    if start is None and end is None:
        return sound
    first = round((start or 0) * sound.sample_rate)
    last = sound.samples if end is None else round(end * sound.sample_rate)
    last = min(last, sound.samples)
    if not 0 <= first < last:
        raise UsageError(
            f"Nothing of {sound.path.name}, {float(sound.duration):.2f} s long, lies in that span.",
            "Correct --in and --out.",
        )
    return replace(sound, begin=first, samples=last - first, whole=False)


def read_blocks(sound: Sound, seconds: float = BLOCK) -> Iterator[NDArray[np.float32]]:
    """Its samples in turn, (n, channels) in [-1, 1], about so many seconds at a time.

    Raises:
        MediaError: it cannot be read.
    """
    wanted, waiting, count = round(seconds * sound.sample_rate), [], 0
    skip, left = sound.begin, sound.samples
    with _opened(sound.path) as container:
        resampler = av.AudioResampler(format="fltp", rate=sound.sample_rate)
        for frame in chain(container.decode(container.streams.audio[0]), (None,)):
            if frame is not None:
                frame.pts = None
            for block in resampler.resample(frame):
                part = block.to_ndarray().T[min(skip, block.samples) :][:left]
                skip -= min(skip, block.samples)
                left -= len(part)
                waiting.append(part)
                count += len(part)
            if count and (count >= wanted or frame is None or not left):
                yield np.concatenate(waiting)
                waiting, count = [], 0
            if not left and not count:
                return


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
