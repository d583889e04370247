"""Cues -> samples of any stretch of the film, as ``foley gen --room off`` makes them before its
limiter; in stereo, or in mono where that is asked for.

With ``library`` a change costs the sounds that it changes: voices are kept by all that their
samples follow from, and what has the same voices is the same, byte for byte.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from foleycli.config import CHANNELS, OUTPUT, GenerateConfig
from foleycli.library.bank import Bank, Match, split_phrases
from foleycli.library.place import CHANCE, Voice, arrange, mix_voices, split_recording
from foleycli.library.table import Recording
from foleycli.processes import count_threads
from foleycli.sources.library import LibrarySource
from foleycli.sources.open import Source
from foleycli.spot.cues import Cue
from foleycli.spot.features import Features
from foleycli.spot.stage import stage_cues
from foleycli.waveform.space import Space

RATE = OUTPUT.sample_rate
KEPT_BYTES = 256 << 20  # of rendered voices, of all takes together
MOST_CHANNELS = 2  # that a page plays
FEW = 4  # voices that are rendered one after another
PEAK_RATE = 64  # smallest and largest sample a second that waveforms are drawn from
ALTERNATIVES = 5
Samples = NDArray[np.float32]
Numbered = Sequence[tuple[int, Cue]]  # rows of a sheet, in its order
Span = tuple[float, float]  # seconds


@dataclass(frozen=True, slots=True)
class Heard:
    """What is heard of one row."""

    recording: str  # id of the first one
    label: str
    chance: int
    start: float  # seconds
    end: float
    group: int  # the first row of the beds that are one sound


class Hearing:
    """What an edited sheet sounds like; asked by any thread.

    Attributes:
        instant: whether a change is heard at once.
        seconds: that rendering it all took, where it is not.
        channels: columns of the samples.
    """

    channels = 1

    def __init__(self, source: Source, features: Features, config: GenerateConfig) -> None:
        self.source, self.features, self.config = source, features, config
        self.duration = features.duration
        self.samples = round(features.duration * RATE)
        self.instant = False
        self.seconds = 0.0
        self._lock = threading.RLock()

    def set_cues(self, cues: Numbered) -> list[Span]:
        """Take over the rows of a sheet; the stretches that sound otherwise than before."""
        raise NotImplementedError

    def heard(self) -> dict[int, Heard]:
        """What is heard of each row; nothing where the source does not say."""
        return {}

    def is_unheard(self, number: int, cue: Cue, heard: Mapping[int, Heard]) -> bool:
        """Whether there is no recording of a row that should be heard."""
        return False

    def mix(self, begin: int, end: int, silent: frozenset[int] = frozenset()) -> Samples:
        """Samples [begin, end) without those of some rows, before the limiter: (n, channels)."""
        raise NotImplementedError

    def keep_others(self, before: Numbered, after: Numbered, touched: set[int]) -> dict[int, str]:
        """The ``recording`` that rows need so that those nobody touched sound as they did, and
        those that were moved keep their sound."""
        return {}

    def alternatives(self, number: int) -> list[Match]:
        """Recordings that a row could have instead, the one it has first."""
        return []

    def spans_from(self, other: "Hearing") -> list[Span]:
        """Where it sounds otherwise than another one of the same film."""
        return [(0.0, float(self.duration))]

    def peaks(self, first: int, last: int) -> NDArray[np.int8]:
        """Least and greatest sample of each 1/64 s of the seconds [first, last): (n, 2), -127 to
        127; -128 where nothing is rendered yet."""
        step = RATE // PEAK_RATE
        mixed = self.mix(first * RATE, min(last * RATE, self.samples))
        mixed = np.pad(mixed, ((0, -len(mixed) % step), (0, 0))).reshape(-1, step * self.channels)
        both = np.stack([mixed.min(axis=1), mixed.max(axis=1)], axis=1)
        return np.clip(np.round(both * 127), -127, 127).astype(np.int8)


class Kept:
    """Rendered voices of all takes of a film, by all that their samples follow from; those that
    were asked for last."""

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._most, self._bytes = most, 0
        self._voices: OrderedDict[tuple[object, ...], Samples] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: tuple[object, ...]) -> Samples | None:
        """A voice that is kept."""
        with self._lock:
            if key in self._voices:
                self._voices.move_to_end(key)
            return self._voices.get(key)

    def add(self, key: tuple[object, ...], samples: Samples) -> None:
        """Keep one, and drop what was not asked for longest."""
        with self._lock:
            if key not in self._voices:
                self._voices[key] = samples
                self._bytes += samples.nbytes
            while self._bytes > self._most and len(self._voices) > 1:
                self._bytes -= self._voices.popitem(last=False)[1].nbytes


class LibraryHearing(Hearing):
    """Recordings: only what changed is rendered."""

    def __init__(
        self,
        source: LibrarySource,
        features: Features,
        config: GenerateConfig,
        kept: Kept | None = None,
    ) -> None:
        super().__init__(source, features, config)
        self.instant = True
        self.bank: Bank = source.bank
        self.channels = min(MOST_CHANNELS, CHANNELS[config.channels])
        self.space = Space(self.channels, config.width, config.perspective)
        self.kept = kept or Kept()
        self._cues: Numbered = ()
        self._voices: list[Voice] = []
        self._known: dict[object, list[Voice]] = {}
        self._arranged: tuple[Numbered, list[Voice]] = ([], [])  # the last ones, and their rows

    def set_cues(self, cues: Numbered) -> list[Span]:
        voices = self.arranged(cues)
        with self._lock:
            before, self._voices, self._cues = self._voices, voices, list(cues)
        return changed_spans(before, voices)

    def arranged(self, cues: Numbered) -> list[Voice]:
        """The voices of rows; those of sounds that are known are not planned again."""
        asked = list(cues)
        known, voices = self._arranged
        if known != asked:
            voices = self._arrange(asked)
            self._arranged = asked, voices
        return voices

    def _arrange(self, cues: Numbered) -> list[Voice]:
        return arrange(
            stage_cues([cue for _, cue in cues], self.features.cuts),
            self.bank,
            self.duration,
            RATE,
            self.config.seed,
            self.features.cuts,
            avoid=self.config.negative_prompt or "",
            known=self._known,
        )

    def heard(self) -> dict[int, Heard]:
        with self._lock:
            voices, cues = self._voices, self._cues
        found: dict[int, Heard] = {}
        for voice in voices:
            sound = voice.sound
            numbers = [cues[place][0] for place in sound.cues]
            if numbers[0] in found:
                continue
            end = voice.end if sound.kind == "hit" else sound.end
            for number, place in zip(numbers, sound.cues, strict=True):
                own = cues[place][1]
                stop = end / RATE if sound.kind == "hit" else float(own.end)
                found[number] = Heard(
                    voice.recording.id,
                    voice.recording.label,
                    sound.seed,
                    float(own.start),
                    stop,
                    numbers[0],
                )
        return found

    def is_unheard(self, number: int, cue: Cue, heard: Mapping[int, Heard]) -> bool:
        return number not in heard and cue.start < self.duration

    def mix(self, begin: int, end: int, silent: frozenset[int] = frozenset()) -> Samples:
        with self._lock:
            voices, cues = self._voices, self._cues
        if silent:
            unheard = {place for place, (number, _) in enumerate(cues) if number in silent}
            voices = [v for v in voices if not unheard.issuperset(v.sound.cues)]
        heard = [voice for voice in voices if voice.start < end and voice.end > begin]
        missing = [voice for voice in heard if self.kept.find(voice.key) is None]
        if (
            len(missing) > FEW and count_threads() > 1
        ):  # decoding and resampling leave Python to others
            with ThreadPoolExecutor(2) as both:
                list(both.map(self._rendered, missing))
        return mix_voices(heard, begin, end, self._rendered, self.space)

    def spans_from(self, other: Hearing) -> list[Span]:
        if not isinstance(other, LibraryHearing):
            return super().spans_from(other)
        return changed_spans(other._voices, self._voices)

    def _rendered(self, voice: Voice) -> Samples:
        samples = self.kept.find(voice.key)
        if samples is None:
            samples = voice.heard(self.space, RATE)
            self.kept.add(voice.key, samples)
        return samples

    def keep_others(self, before: Numbered, after: Numbered, touched: set[int]) -> dict[int, str]:
        """Hits take turns with the recordings of their words, so that a change of one may give the
        next one another: it is then told to keep the one it had. A sound that was moved is told
        the number of its chance, which else follows from its time."""
        with self._lock:
            voices = self._voices if list(before) == self._cues else None
        was = _first_voices(before, self.arranged(before) if voices is None else voices)
        had = dict(before)
        kept: dict[int, str] = {}
        rows = dict(after)
        for number in touched & rows.keys() & had.keys() & was.keys():
            old, new = had[number], rows[number]
            same = (old.kind, old.what, old.recording) == (new.kind, new.what, new.recording)
            if same and old.start != new.start:
                kept[number] = _pin(was[number], old)
        for _ in range(len(rows)):  # one that is kept may give the next one another in turn
            asked = [(n, _with_recording(cue, kept.get(n))) for n, cue in after]
            now = _first_voices(asked, self.arranged(asked))
            lost = {
                n: _pin(was[n], had[n])
                for n in now.keys() & was.keys() - touched - kept.keys()
                if now[n].sound.kind == "hit" and now[n].recording.id != was[n].recording.id
            }
            if not lost:
                break
            kept |= lost
        return kept

    def alternatives(self, number: int) -> list[Match]:
        with self._lock:
            cue = dict(self._cues).get(number)
        has = self.heard().get(number)
        if cue is None or has is None:
            return []
        found = self.bank.find(split_phrases(cue.what)[0], cue.kind, most=4 * ALTERNATIVES)
        first = [match for match in found if match.recording.id == has.recording]
        first = first or [Match(self.bank.by_id[has.recording], 1.0)]
        others = [match for match in found if match.recording.id != has.recording]
        return [*first, *_unlike(others)][:ALTERNATIVES]


class WholeHearing(Hearing):
    """A source that cannot render one sound alone: all is rendered anew, beside the page."""

    def __init__(
        self,
        source: Source,
        features: Features,
        config: GenerateConfig,
        told: Callable[[list[Span]], None] = lambda spans: None,
    ) -> None:
        super().__init__(source, features, config)
        self._told = told
        self._sound = np.zeros(self.samples, np.float32)
        self._wanted: Numbered | None = None
        self._last: Numbered | None = None
        self._done = 0  # samples that are rendered of the present cues
        self._wake = threading.Event()
        threading.Thread(target=self._work, daemon=True, name="foley-edit-render").start()

    def set_cues(self, cues: Numbered) -> list[Span]:
        with self._lock:
            if self._last == list(cues):
                return []  # it is being rendered, or was
            self._wanted = self._last = list(cues)
            self._done = 0
        self._wake.set()
        return []  # told when it is so

    def mix(self, begin: int, end: int, silent: frozenset[int] = frozenset()) -> Samples:
        with self._lock:
            return self._sound[begin:end, None].copy()

    def _work(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            with self._lock:
                cues, self._wanted = self._wanted, None
            if cues is not None:
                began = time.monotonic()
                if self._render([cue for _, cue in cues]):
                    self.seconds = time.monotonic() - began

    def _render(self, cues: list[Cue]) -> bool:
        """Render all of it, unless something else is wanted meanwhile."""
        at = 0
        for block in self.source.render(self.features, cues, self.config):
            with self._lock:
                if self._wanted is not None:
                    return False
                self._sound[at : at + len(block)] = block[: self.samples - at]
            self._told([(at / RATE, (at + len(block)) / RATE)])
            at += len(block)
        return True


def open_hearing(
    source: Source,
    features: Features,
    config: GenerateConfig,
    told: Callable[[list[Span]], None],
    beside: Hearing | None = None,
) -> Hearing:
    """The way in which a source is heard while its cues are edited.

    Args:
        told: of stretches that were rendered in the background.
        beside: another take of the same film, which shares what is kept.
    """
    if isinstance(source, LibrarySource):
        kept = beside.kept if isinstance(beside, LibraryHearing) else None
        return LibraryHearing(source, features, config, kept)
    return WholeHearing(source, features, config, told)


def changed_spans(before: Sequence[Voice], after: Sequence[Voice]) -> list[Span]:
    """Where two arrangements sound differently, in seconds, joined where they touch."""
    old = {(voice.start, voice.key): voice for voice in before}
    new = {(voice.start, voice.key): voice for voice in after}
    other = [old[place] for place in old.keys() - new.keys()]
    other += [new[place] for place in new.keys() - old.keys()]
    spans: list[tuple[int, int]] = []
    for voice in sorted(other, key=lambda voice: voice.start):
        if spans and voice.start <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(spans[-1][1], voice.end)
        else:
            spans.append((max(0, voice.start), voice.end))
    return [(start / RATE, end / RATE) for start, end in spans]


def _first_voices(cues: Numbered, voices: Iterable[Voice]) -> dict[int, Voice]:
    """The first voice of each row."""
    first: dict[int, Voice] = {}
    for voice in voices:
        for place in voice.sound.cues:
            first.setdefault(cues[place][0], voice)
    return first


def _pin(voice: Voice, cue: Cue) -> str:
    """What makes a cue sound as it does, wherever it goes."""
    wanted, _ = split_recording(cue.recording)
    recording = voice.recording.id if voice.sound.kind == "hit" else wanted
    return f"{recording}{CHANCE}{voice.sound.seed}"


def _with_recording(cue: Cue, recording: str | None) -> Cue:
    return cue if recording is None else replace(cue, recording=recording)


def _unlike(matches: Iterable[Match]) -> list[Match]:
    """Matches with those of other labels first, so that alternatives are different things."""
    seen: set[str] = set()
    first: list[Match] = []
    rest: list[Match] = []
    for match in matches:
        (rest if match.recording.label in seen else first).append(match)
        seen.add(match.recording.label)
    return [*first, *rest]


def pinned(recording: Recording | str, chance: int) -> str:
    """A cue's ``recording`` that is this one, drawn from this chance."""
    name = recording if isinstance(recording, str) else recording.id
    return f"{name}{CHANCE}{chance}"


def seconds_of(begin: float, end: float, duration: Fraction) -> tuple[int, int]:
    """A span in samples, within the film."""
    most = round(duration * RATE)
    first = min(max(0, round(begin * RATE)), most)
    return first, min(max(first, round(end * RATE)), most)
