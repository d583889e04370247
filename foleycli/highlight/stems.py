"""Stems: dialogue, music and effects as files or as tracks of the clip, on the picture's clock.

All begin with the picture's first frame and are as long as the picture. They are read in blocks,
side by side, as often as is needed, and never held as a whole.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile
from numpy.typing import NDArray

from foleycli.clip.media import open_media
from foleycli.clip.probe import Clip
from foleycli.config import OUTPUT
from foleycli.errors import MediaError, UsageError
from foleycli.highlight.curves import STEMS, Stem
from foleycli.mux.soundtrack import read_soundtrack, speakers
from foleycli.spot.cues import LAYERS
from foleycli.waveform.mix import CENTRE, spread
from foleycli.waveform.space import ROOM, SPEAKERS

Item = TypeVar("Item")
BLOCK = 1 << 15  # samples
SOUNDS = (".wav", ".w64", ".rf64", ".flac", ".aif", ".aiff", ".mp3", ".m4a", ".ogg", ".opus")
PLAIN = (".wav", ".rf64", ".w64", ".flac", ".aif", ".aiff")
# words in the names of delivered stems
NAMES: dict[Stem, tuple[str, ...]] = {
    "dialogue": ("dialogue", "dialog", "dia", "dx", "speech", "voice", "vox", "production"),
    "music": ("music", "mx", "mus", "score"),
    "effects": ("effects", "effect", "sfx", "fx", "foley", "hits", "beds", "ambience", "atmos"),
}
OWN = (*LAYERS, ROOM, "hits", "beds")  # what foley calls its stems, or once did


@dataclass(frozen=True, slots=True)
class Part:
    """One sound of a stem: a stream of a file."""

    path: Path
    index: int  # of the stream in its file
    channels: int
    sample_rate: int  # Hz
    layout: str
    origin: Fraction  # time stamp of the picture's first frame, or of the file's first sample


@dataclass(frozen=True, slots=True)
class Stems:
    """What is balanced, and the shape it is balanced in."""

    parts: Mapping[Stem, tuple[Part, ...]]
    duration: Fraction  # seconds, of the picture

    @property
    def names(self) -> tuple[Stem, ...]:
        """The stems that there are, in the order of `STEMS`."""
        return tuple(stem for stem in STEMS if self.parts.get(stem))

    @property
    def sample_rate(self) -> int:
        """Hz: the stems' own where they agree, so that nothing is computed anew; else 48 kHz."""
        rates = {part.sample_rate for part in self._all()}
        return rates.pop() if len(rates) == 1 else OUTPUT.sample_rate

    @property
    def channels(self) -> int:
        """As many as the widest has."""
        return max(part.channels for part in self._all())

    @property
    def speakers(self) -> tuple[str, ...]:
        """FFmpeg's names of the channels; none where nobody says."""
        widest = max(self._all(), key=lambda part: part.channels)
        named = speakers(widest.layout)
        return named if len(named) == self.channels else ()

    @property
    def samples(self) -> int:
        """Of each channel."""
        return round(self.duration * self.sample_rate)

    def blocks(self) -> Iterator[tuple[int, dict[Stem, NDArray[np.float32]]]]:
        """First sample of a block, and of each stem (samples, channels) float32.

        Raises:
            MediaError: a sound cannot be read.
        """
        centre = CENTRE if not self.speakers else (
            self.speakers.index("FC") if "FC" in self.speakers else None
        )  # fmt: skip
        readers = {
            stem: [_Reader(self._decode(part), self.channels, centre) for part in self.parts[stem]]
            for stem in self.names
        }

        def read() -> Iterator[tuple[int, dict[Stem, NDArray[np.float32]]]]:
            for first in range(0, self.samples, BLOCK):
                length = min(BLOCK, self.samples - first)
                yield (
                    first,
                    {
                        stem: _summed([reader.read(length) for reader in several])
                        for stem, several in readers.items()
                    },
                )

        return ahead(read())

    def _decode(self, part: Part) -> Iterator[NDArray[np.float32]]:
        if part.sample_rate == self.sample_rate and _is_wave(part):
            return _wave_blocks(part.path)
        return read_soundtrack(part.path, part.index, self.sample_rate, part.origin)

    def _all(self) -> list[Part]:
        return [part for stem in self.names for part in self.parts[stem]]


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same, the next of them made by a thread while one is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def open_stems(
    clip: Clip,
    asked: Mapping[Stem, Sequence[str | Path | tuple[Path, int]]],
    duration: Fraction | None = None,
) -> Stems:
    """Find what each stem is made of, and look that it can be read.

    Args:
        asked: of each stem files, numbers of the clip's own tracks from 1, or files with the index
            of the stream to take.
        duration: seconds; of the picture when None.

    Raises:
        MediaError: a file is no sound, or has none.
        UsageError: there is no stem, or the clip has no such track.
    """
    parts = {
        stem: tuple(_part(clip, one) for one in asked[stem]) for stem in STEMS if asked.get(stem)
    }
    if not parts:
        raise UsageError(
            "There is no stem to balance.",
            "Give --dialogue, --music or --effects, --stems-from DIR, or --mix for the clip's own.",
        )
    return Stems(parts, duration or picture_length(clip))


def stems_of(files: Mapping[Stem, Path], samples: int | None = None) -> Stems:
    """Stems of sound files alone, without a clip, as long as the longest.

    Args:
        samples: their length where it is known.
    """
    parts = {stem: (_part(None, path),) for stem, path in files.items()}
    if samples is None:
        lengths = [
            Fraction(soundfile.info(str(path)).frames, soundfile.info(str(path)).samplerate)
            for path in files.values()
        ]
        return Stems(parts, max(lengths))
    return Stems(parts, Fraction(samples, next(iter(parts.values()))[0].sample_rate))


def find_stems(folder: Path) -> dict[Stem, list[Path]]:
    """The stems in a folder by what their names say: ``shot_DX.wav``, ``music.wav``, and foley's
    own ``shot_sfx_feet.wav`` and ``shot_sfx_room.wav`` beside ``shot_sfx.wav``, which is left out,
    being their sum; so are single channels, such as ``shot_sfx.L.wav``.

    Raises:
        UsageError: none is there, or a file's name says two things.
    """
    found: dict[Stem, list[Path]] = {}
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SOUNDS)
    names = {path.stem for path in files}
    for path in files:
        if any(f"{path.stem}_{part}" in names for part in OWN):
            continue
        if Path(path.stem).stem in names and path.stem.rpartition(".")[2] in SPEAKERS[6]:
            continue
        words = set(re.split(r"[^a-z]+", path.stem.lower()))
        stems = [stem for stem, names in NAMES.items() if words & set(names)]
        if len(stems) > 1:
            raise UsageError(
                f"{path.name} may be {' or '.join(stems)}.", f"Name it with --{stems[0]}."
            )
        if stems:
            found.setdefault(stems[0], []).append(path)
    if not found:
        raise UsageError(
            f"No file in {folder} is called dialogue, music or effects.",
            "Name them with --dialogue, --music and --effects.",
        )
    return found


def picture_length(clip: Clip) -> Fraction:
    """Seconds from the first picture to the end of the last, by their packets; nothing is decoded.

    Raises:
        MediaError: the file does not say when its pictures are shown.
    """
    end: Fraction | None = None
    with open_media(clip.path) as container:
        stream = container.streams[clip.picture_index]
        for packet in container.demux(stream):
            if packet.pts is None or packet.time_base is None or packet.is_discard:
                continue
            stop = (packet.pts + (packet.duration or 0)) * packet.time_base
            end = stop if end is None else max(end, stop)
    length = None if end is None else end - clip.start
    if clip.duration and (length is None or abs(clip.duration - length) < Fraction(1, 20)):
        return clip.duration
    if length is None or length <= 0:
        raise MediaError(f"{clip.path.name} does not say how long it is.", "Convert it to .mp4.")
    return length


def _part(clip: Clip | None, asked: str | Path | tuple[Path, int]) -> Part:
    path, index = asked if isinstance(asked, tuple) else (Path(asked), None)
    if clip and isinstance(asked, str) and re.fullmatch(r"\d{1,3}", asked):
        number = int(asked)
        if not 1 <= number <= len(clip.audio):
            raise UsageError(
                f"{clip.path.name} has no sound track {number}.",
                f"It has {len(clip.audio)}; give a file, or a track that is there.",
            )
        track = clip.audio[number - 1]
        shape = (track.channels, track.sample_rate, track.layout)
        return Part(clip.path, track.index, *shape, clip.start)
    with open_media(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path.name} holds no sound.", "Give a sound file.")
        tracks = [s for s in container.streams.audio if index in (None, s.index)]
        if not tracks:
            raise MediaError(f"{path.name} has no sound stream {index}.", "Restore that file.")
        stream = tracks[0]
        if not stream.channels or not stream.rate:
            raise MediaError(f"{path.name}: its sound cannot be read.", "Give a .wav file.")
        pictures = [s for s in container.streams.video if s.start_time is not None]
        first = pictures[0] if pictures else stream
        start = (first.start_time or 0) * (first.time_base or Fraction(0))
        same = clip is not None and path.resolve() == clip.path.resolve()
        origin = clip.start if clip and same else Fraction(start)
        shape = (stream.channels, stream.rate, stream.layout.name)
        return Part(path, stream.index, *shape, origin)


def _is_wave(part: Part) -> bool:
    """Whether it is a file of plain samples, which libsndfile reads several times faster."""
    if part.path.suffix.lower() not in PLAIN:
        return False
    try:
        info = soundfile.info(str(part.path))
    except (soundfile.SoundFileError, OSError):
        return False
    return (info.samplerate, info.channels) == (part.sample_rate, part.channels)


def _wave_blocks(path: Path) -> Iterator[NDArray[np.float32]]:
    with soundfile.SoundFile(str(path)) as file:
        for block in file.blocks(blocksize=BLOCK, dtype="float32", always_2d=True):
            yield np.asarray(block, np.float32)


class _Reader:
    """Takes so many samples at a time of a sound, spread to so many channels, silent after its
    end."""

    def __init__(
        self, blocks: Iterable[NDArray[np.float32]], channels: int, centre: int | None
    ) -> None:
        self._blocks, self._channels, self._centre = iter(blocks), channels, centre
        self._waiting: list[NDArray[np.float32]] = []
        self._held = 0

    def read(self, samples: int) -> NDArray[np.float32]:
        """(samples, channels)"""
        while self._held < samples and (block := next(self._blocks, None)) is not None:
            self._waiting.append(spread(block, self._channels, self._centre))
            self._held += len(block)
        silence = np.zeros((max(0, samples - self._held), self._channels), np.float32)
        joined = np.concatenate([*self._waiting, silence])
        self._waiting = [joined[samples:]]
        self._held = len(self._waiting[0])
        return joined[:samples]


def _summed(sounds: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    total = sounds[0]
    for sound in sounds[1:]:
        total = total + sound
    return total
