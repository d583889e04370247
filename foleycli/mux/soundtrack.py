"""A clip's own sound, decoded onto the clip's clock."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler
from av.error import FFmpegError, InvalidDataError

from foleycli.clip.media import open_media

LOG = logging.getLogger("foleycli")

GAP = Fraction(1, 50)  # seconds; a smaller jump between time stamps is jitter, not a hole


def read_soundtrack(
    path: Path, index: int, sample_rate: int, origin: Fraction = Fraction(0)
) -> Iterator[np.ndarray]:
    """Decode one audio stream, with silence where the file has a hole.

    Args:
        index: of the stream in the file.
        sample_rate: Hz wanted.
        origin: time stamp in seconds of the first sample given out; what is earlier is cut.

    Yields:
        float32 (samples, channels), the stream's own channels.
    """
    with open_media(path) as file:
        clock = _Clock(sample_rate, origin)
        resampler = None
        for frame in _decoded(file, index, path):
            lead = clock.lead(frame)
            if lead and resampler:
                yield from clock.place(resampler.resample(None))
                lead = clock.lead(frame)
            if lead or resampler is None:
                resampler = AudioResampler("flt", frame.layout.name, sample_rate)
            if lead > 0:
                yield clock.silence(lead, frame.layout.nb_channels)
            clock.hear(frame)
            yield from clock.place(resampler.resample(frame))
        if resampler:
            yield from clock.place(resampler.resample(None))


def speakers(layout: str) -> tuple[str, ...]:
    """FFmpeg's names of the speakers of a layout, a channel each; none if it is unknown."""
    try:
        return tuple(channel.name for channel in AudioLayout(layout).channels)
    except ValueError:
        return ()


def _decoded(file, index: int, path: Path) -> Iterator[AudioFrame]:
    """Audio frames, past what cannot be decoded."""
    broken = 0
    try:
        for packet in file.demux(file.streams[index]):
            try:
                yield from packet.decode()
            except InvalidDataError:
                broken += 1
    except (FFmpegError, OSError):
        broken += 1
    if broken:
        LOG.warning("%s: parts of its own sound cannot be decoded; silent there", path.name)


class _Clock:
    """Counts samples given out against the frames' time stamps."""

    def __init__(self, sample_rate: int, origin: Fraction) -> None:
        self._sample_rate = sample_rate
        self._origin = origin
        self._given = 0  # samples given out
        self._heard = Fraction(0)  # seconds from the origin to the end of the last frame
        self._cut = 0  # samples still to be cut from the start

    def lead(self, frame: AudioFrame) -> int:
        """Samples of silence missing before a frame; 0 where it follows on."""
        time = self._time(frame)
        if time is None or (self._given and time - self._heard < GAP):
            return 0
        return max(0, round(time * self._sample_rate) - self._given)

    def silence(self, samples: int, channels: int) -> np.ndarray:
        self._given += samples
        return np.zeros((samples, channels), np.float32)

    def hear(self, frame: AudioFrame) -> None:
        time = self._time(frame)
        if not self._given and not self._heard and time is not None and time < 0:
            self._cut = round(-time * self._sample_rate)
        start = self._heard if time is None else time
        self._heard = start + Fraction(frame.samples, frame.sample_rate)

    def place(self, frames: list[AudioFrame]) -> Iterator[np.ndarray]:
        for frame in frames:
            samples = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)[self._cut :]
            self._cut -= min(self._cut, frame.samples)
            if len(samples):
                self._given += len(samples)
                yield samples

    def _time(self, frame: AudioFrame) -> Fraction | None:
        if frame.pts is None or frame.time_base is None:
            return None
        return frame.pts * frame.time_base - self._origin
