"""What the measures look at: sounds and films, of which every part is made once, when asked for.

Keep a film and its sounds as long as they are compared, and no longer: they hold what they made.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
import numpy as np
import soxr
from av.error import FFmpegError
from numpy.typing import NDArray

from foleycli.clip.media import content_hash
from foleycli.errors import MediaError
from foleycli.evaluate.av_align import AUDIO, find_peaks_of_sound, flow_curve, frame_rate_of
from foleycli.evaluate.kept import kept
from foleycli.evaluate.semantics import score_distribution
from foleycli.evaluate.sync import motion_curve, strength_curve
from foleycli.evaluate.timing import find_onsets, level_curve, onset_strength
from foleycli.listeners.extractors import Extractor, open_extractor
from foleycli.listeners.heard import Heard
from foleycli.listeners.yamnet import SAMPLE_RATE
from foleycli.waveform.sound import at_loudness, read_native


class Sound:
    """A mono sound, and what the measures know of it.

    Args:
        samples: (samples,) float.
        sample_rate: Hz.
    """

    def __init__(self, samples: NDArray[np.float32], sample_rate: int) -> None:
        self.samples = np.ascontiguousarray(samples, np.float32)
        self.sample_rate = sample_rate
        self._rates = {sample_rate: self.samples}
        self._heard: dict[str, Heard] = {}

    @classmethod
    def read(cls, path: Path, duration: float | None = None) -> "Sound":
        """The first sound of a file, from its picture on; cut, or filled up with silence, to a
        duration in seconds.

        Raises:
            MediaError: the file has no sound that can be read.
        """
        samples, sample_rate = read_native(path)
        if duration is not None:
            length = round(duration * sample_rate)
            samples = np.pad(samples[:length], (0, max(0, length - len(samples))))
        return cls(samples, sample_rate)

    def at(self, sample_rate: int) -> NDArray[np.float32]:
        """(samples,) at another rate."""
        if sample_rate not in self._rates:
            self._rates[sample_rate] = soxr.resample(self.samples, self.sample_rate, sample_rate)
        return self._rates[sample_rate]

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate

    @cached_property
    def digest(self) -> str:
        """A hash of the samples: what is cached of a sound is filed under it."""
        start = hashlib.blake2b(f"{self.sample_rate} Hz ".encode(), digest_size=16)
        start.update(self.samples.tobytes())
        return start.hexdigest()

    @cached_property
    def levelled(self) -> NDArray[np.float32]:
        """(samples,) at 16 kHz and -20 LUFS: what DESIGN.md's measures compare."""
        return at_loudness(self.at(SAMPLE_RATE))

    @cached_property
    def onset_strength(self) -> NDArray[np.float32]:
        """100 points a second."""
        return onset_strength(self.levelled)

    @cached_property
    def onsets(self) -> NDArray[np.float64]:
        """Seconds."""
        return find_onsets(self.onset_strength)

    @cached_property
    def strength(self) -> NDArray[np.float32]:
        """Onset strength, 25 points a second."""
        return strength_curve(self.onset_strength)

    @cached_property
    def level(self) -> NDArray[np.float32]:
        """DB, 25 points a second."""
        return level_curve(self.levelled)

    @cached_property
    def librosa_onsets(self) -> NDArray[np.float64]:
        """Seconds, as librosa's defaults find them."""
        return find_peaks_of_sound(self.at(AUDIO.sample_rate))

    def heard(self, extractor: str) -> Heard:
        """What a listener makes of it, kept on disk by content.

        Raises:
            ModelError: the listener is not here; the remedy says how it comes.
        """
        if extractor not in self._heard:
            listener = open_extractor(extractor)
            kind = f"{listener.name}-{listener.fingerprint}"
            arrays = kept(kind, self.digest, lambda: _arrays(self._hear(listener)))
            self._heard[extractor] = Heard(arrays["embeddings"], arrays.get("logits"))
        return self._heard[extractor]

    def _hear(self, listener: Extractor) -> Heard:
        waveform = self.at(listener.sample_rate)
        if listener.levelled:
            waveform = at_loudness(waveform, sample_rate=listener.sample_rate)
        return listener(waveform)

    @cached_property
    def distribution(self) -> NDArray[np.float64]:
        """(521,) YAMNet's classes over the whole sound, summing to 1."""
        return score_distribution(self.heard("yamnet").scores)


class Film:
    """A film's picture, and what the measures know of it.

    Args:
        words: what the set says sounds in it; empty when it says nothing.
    """

    def __init__(self, path: Path, words: str = "") -> None:
        self.path = path
        self.words = words
        self._flows: dict[Fraction | None, NDArray[np.float64]] = {}

    @cached_property
    def digest(self) -> str:
        """A hash of the file: what is cached of it is filed under it."""
        return content_hash(self.path)

    @cached_property
    def duration(self) -> float:
        """Seconds of picture.

        Raises:
            MediaError: the file has no picture that can be read; so also below.
        """
        with _reading(self.path), av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            if stream.duration and stream.time_base:
                return float(stream.duration * stream.time_base)
            return float((container.duration or 0) / av.time_base)

    @cached_property
    def motion(self) -> NDArray[np.float32]:
        """Motion onsets, 25 points a second."""
        with _reading(self.path):
            return motion_curve(self.path)

    @cached_property
    def frame_rate(self) -> Fraction:
        """Frames a second, on average."""
        with _reading(self.path):
            return frame_rate_of(self.path)

    def flow(self, frame_rate: Fraction | None = None) -> NDArray[np.float64]:
        """Optical flow into each frame, or at each tick of a rate, kept on disk by content.

        Raises:
            ModelError: OpenCV is not installed.
        """
        if frame_rate not in self._flows:
            kind = "flow-native" if frame_rate is None else f"flow-{float(frame_rate):g}"
            made = kept(kind, self.digest, lambda: {"flow": flow_curve(self.path, frame_rate)})
            self._flows[frame_rate] = made["flow"]
        return self._flows[frame_rate]


@contextmanager
def _reading(film: Path) -> Iterator[None]:
    """What fails in here is the film's fault."""
    try:
        yield
    except (FFmpegError, IndexError, OSError) as error:
        raise MediaError(
            f"no picture could be read from {film}.", "Copy it again, or leave it out."
        ) from error


def _arrays(heard: Heard) -> dict[str, NDArray[np.float32]]:
    arrays = {"embeddings": heard.embeddings}
    return arrays if heard.logits is None else arrays | {"logits": heard.logits}
