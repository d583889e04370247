"""Recordings set at the cues: cues and a bank -> one waveform, block by block."""

import logging
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from foleycli.config import OUTPUT
from foleycli.library.bank import Bank, Match, split_phrases
from foleycli.library.level import SAMPLE_RATE, Samples
from foleycli.library.table import Kind, Recording
from foleycli.spot.cues import LIKE, Cue, split_like
from foleycli.waveform.space import Space, Where

LOG = logging.getLogger("foleycli")
BLOCK = OUTPUT.sample_rate  # samples in a block that is handed on
POOL = 8  # recordings that the sounds of one phrase are drawn from
POOL_SPREAD = 0.04  # a recording whose score is this much lower is drawn 1/e as often
OTHER_KIND = 0.12  # a recording of the other kind must fit this much better, at most
LEAST_TAKES = 3  # recordings that take turns, also when a label has fewer
PHRASES = 3  # sounds named in one cue that are heard, at most
LEVEL_SPREAD_DB, PITCH_SPREAD = 2.0, 1.0  # dB and semitones, either way, from hit to hit
PEAK = 0.7  # largest sample of one hit: -3 dBFS
PREROLL = 0.02  # seconds of a recording heard before its onset
BED_FADE, CUT_FADE = 0.25, 0.01  # seconds in which a bed comes and goes; the latter at a cut
AIR_FADE = 0.3  # seconds in which the air of one place makes way for that of the next
STEP_FADE = 0.1  # seconds in which a bed goes from one level to the next
UNEVEN_DB = 3.0  # a bed whose levels spread more is not heard twice in a row
LOOP_FADE = 0.5  # seconds in which one pass of a loop turns into the next, at most
DULL_TAPS = 96  # samples of the low pass for soft hits; the next is 1e-11 of the first
DECODED_BYTES = 96 << 20  # of recordings that are kept decoded: 330 of those that ship
MOST_KNOWN = 50_000  # sounds whose voices are kept from one arrangement to the next
CUT_TAIL = 0.06  # seconds that a hit may ring into the next shot
GRAIN, LONGEST_PAUSE = 0.12, 2.0  # seconds from one hit to the next in a sound made of hits
DENSE = 0.35  # seconds: of two hits of the same words closer than this, the first makes way

CHANCE = "~"  # in a cue's recording: what follows is the number its chance is drawn from

HERE = Where()


@dataclass(frozen=True, slots=True)
class Sound:
    """One thing that sounds, from one cue or from several that touch; positions in samples."""

    start: int
    end: int
    kind: Kind
    what: str
    seed: int
    edges: tuple[int, ...]  # where each of the levels begins
    levels_db: tuple[float, ...]  # relative to the sound's usual level
    recording: str = ""  # id of the one that is wanted
    cues: tuple[int, ...] = field(default=(), compare=False)  # their places among those given
    fade_in: float = BED_FADE  # seconds, of a bed
    fade_out: float = BED_FADE
    where: Where = HERE


@dataclass(frozen=True, slots=True)
class Voice:
    """A stretch of one recording, not rendered yet."""

    start: int  # samples; of the waveform
    end: int  # it is silent from here on, at the latest
    sound: Sound
    recording: Recording
    key: tuple[object, ...]  # voices of one key have the same samples, at the same place
    render: Callable[[], Samples]
    stretch: Callable[[float], Samples] | None = None  # other parts of a bed, by a share of it

    def heard(self, space: Space | None, sample_rate: int) -> Samples:
        """Its samples: (n,), or (n, columns) as they are set in a space."""
        samples = self.render()
        if space is None:
            return samples
        return space.set(samples, self.start, sample_rate, self.sound.where, self.stretch)


@dataclass(slots=True)
class _Playing:
    """Samples that are heard from `start` on."""

    start: int
    samples: Samples


def place_cues(
    cues: Sequence[Cue],
    bank: Bank,
    duration: Fraction,
    sample_rate: int = OUTPUT.sample_rate,
    seed: int = 0,
    cuts: Sequence[Fraction] = (),
    *,
    avoid: str | None = None,
    space: Space | None = None,
    block: int = BLOCK,
) -> Iterator[Samples]:
    """Set a recording at every cue.

    A hit's attack falls on its cue's time to the sample. Takes, levels (2 dB either way) and
    pitches (a semitone either way) differ from hit to hit; soft hits are duller. Beds loop without
    a seam and follow the levels of their cues. Nothing sounds where no cue is. The same seed gives
    the same samples, whatever the block.

    Args:
        cues: in any order.
        bank: where the recordings come from.
        duration: seconds.
        sample_rate: Hz, of the waveform.
        seed: chance for takes, levels and pitches; each sound's depends on its own cue only.
        cuts: seconds, each the first instant of a new shot; tails end there.
        avoid: words whose sounds are not wanted.
        space: how they are set from left to right, near and far.
        block: samples in each block but the last.

    Yields:
        (samples,) float32, or (samples, columns) of a space, in all exactly
        ``round(duration * sample_rate)``. Single hits stay under -3 dBFS where they are near, but
        the sum may pass full scale: limit it downstream.
    """
    total = round(duration * sample_rate)
    voices = arrange(cues, bank, duration, sample_rate, seed, cuts, avoid=avoid)
    playing: list[_Playing] = []
    first = 0
    for begin in range(0, total, block):
        end = min(begin + block, total)
        while first < len(voices) and voices[first].start < end:
            playing.append(_Playing(voices[first].start, voices[first].heard(space, sample_rate)))
            first += 1
        yield _mix(playing, begin, end, space)
        playing = [v for v in playing if v.start + len(v.samples) > end]


def arrange(
    cues: Sequence[Cue],
    bank: Bank,
    duration: Fraction,
    sample_rate: int = OUTPUT.sample_rate,
    seed: int = 0,
    cuts: Sequence[Fraction] = (),
    *,
    avoid: str | None = None,
    known: dict[object, list[Voice]] | None = None,
) -> list[Voice]:
    """What `place_cues` renders and sums, in order of time: which recording is heard from when.

    Args:
        known: keeps the voices of sounds from one call to the next, of the same bank, seed and
            words to avoid, where few cues change between them.
    """
    stage = _Stage(bank, sample_rate, seed, avoid)
    sounds = plan_sounds(cues, duration, sample_rate, seed, cuts)
    kept = known if known is not None else {}
    if len(kept) > MOST_KNOWN:
        kept.clear()
    voices = [voice for sound in sounds for voice in _known_voices(stage, sound, kept)]
    return sorted(voices, key=lambda voice: voice.start)


def name_recordings(
    cues: Sequence[Cue], voices: Sequence[Voice], duration: Fraction, sample_rate: int
) -> list[tuple[Recording, ...] | None]:
    """The recordings that each cue is heard with, of the voices of `arrange`, in order of time;
    none where there is no recording of that, None where the cue begins after the end."""
    by_cue: list[list[Voice]] = [[] for _ in cues]
    for voice in voices:
        for place in voice.sound.cues:
            by_cue[place].append(voice)
    total = round(duration * sample_rate)
    return [
        None if round(cue.start * sample_rate) >= total else _inside(cue, own, sample_rate)
        for cue, own in zip(cues, by_cue, strict=True)
    ]


def _inside(cue: Cue, voices: Sequence[Voice], sample_rate: int) -> tuple[Recording, ...]:
    """What is heard in a cue's own span of a sound, which several cues may make up; in a pause
    between its hits, the last one."""
    start, end = round(cue.start * sample_rate), round(cue.end * sample_rate)
    heard = [voice for voice in voices if voice.start < end and voice.end > start]
    before = [voice for voice in voices if voice.start < end] or list(voices)
    return tuple(dict.fromkeys(voice.recording for voice in heard or before[-1:]))


def _known_voices(stage: "_Stage", sound: Sound, known: dict[object, list[Voice]]) -> list[Voice]:
    key = (sound, stage.before(sound))
    if key not in known:
        known[key] = list(stage.voices(sound))
        return known[key]
    stage.remember(sound, known[key])
    if known[key] and known[key][0].sound.cues != sound.cues:  # a row before it came or went
        known[key] = [replace(voice, sound=sound) for voice in known[key]]
    return known[key]


def mix_voices(
    voices: Sequence[Voice],
    begin: int,
    end: int,
    rendered: Callable[[Voice], Samples],
    space: Space | None = None,
) -> Samples:
    """Samples [begin, end) of what `place_cues` gives, to the bit, from the voices of `arrange`.

    Args:
        voices: in their order; those that are silent there may be left out.
        rendered: a voice's samples, set in the space, from wherever they are kept.
    """
    heard = [voice for voice in voices if voice.start < end and voice.end > begin]
    return _mix([_Playing(voice.start, rendered(voice)) for voice in heard], begin, end, space)


def plan_sounds(
    cues: Sequence[Cue],
    duration: Fraction,
    sample_rate: int,
    seed: int = 0,
    cuts: Sequence[Fraction] = (),
) -> list[Sound]:
    """Cues as sounds, in order of time.

    Beds of the same words that touch become one; airs that touch overlap. A hit ends with its cue,
    soon after a cut, and when the next of the same words follows closely.
    """
    total = round(duration * sample_rate)
    edges = np.array([round(cut * sample_rate) for cut in sorted(cuts)], np.int64)
    sounds: list[Sound] = []
    latest: dict[tuple[str, ...], int] = {}
    ordered = sorted(enumerate(cues), key=_order)
    for place, cue in ordered:
        sound = _sound(cue, place, sample_rate, total, seed)
        if sound.start >= total:
            continue
        same = (cue.kind, cue.what) if cue.kind == "hit" else (cue.kind, cue.what, cue.recording)
        before = latest.get(same)
        if before is not None:
            last = sounds[before]
            if cue.kind == "bed" and last.end == sound.start:
                sounds[before] = _joined(last, sound)
                continue
            if cue.kind == "hit" and sound.start - last.start < DENSE * sample_rate:
                way = sound.start + round(2 * PREROLL * sample_rate)
                sounds[before] = replace(last, end=min(last.end, way))
        latest[same] = len(sounds)
        sounds.append(sound)
    return _airs_met([_at_cuts(sound, edges, sample_rate, total) for sound in sounds], sample_rate)


def _order(numbered: tuple[int, Cue]) -> tuple[float, Fraction, str, str]:
    """By time; floats are compared first, fractions only where those are the same."""
    cue = numbered[1]
    return float(cue.start), cue.start, cue.kind, cue.what


def _sound(cue: Cue, place: int, sample_rate: int, total: int, seed: int) -> Sound:
    start = round(cue.start * sample_rate)
    end = max(start + 1, min(total, round(cue.end * sample_rate)))
    wanted, chance = split_recording(cue.recording)
    levels, cues = (cue.level_db,), (place,)
    own_seed = chance_of(cue, seed) if chance is None else chance
    where = Where((start,), (cue.pan,), (cue.distance,), cue.layer)
    edges = (start,)
    return Sound(start, end, cue.kind, cue.what, own_seed, edges, levels, wanted, cues, where=where)


def chance_of(cue: Cue, seed: int) -> int:
    """The number that a cue's chance is drawn from, where its recording does not say one."""
    words, file = split_like(cue.what)  # wherever the file lies
    what = f"{words}{LIKE}{Path(file).name}" if file else words
    key = zlib.crc32(f"{cue.kind}|{what}|{float(cue.start):.6f}".encode())
    return (seed * 0x9E3779B1 + key) % 2**63


def split_recording(text: str) -> tuple[str, int | None]:
    """What a cue's ``recording`` says: an id or nothing, and the number of its chance or None.

    ``wood_012`` is that recording; ``wood_012~77`` with level, pitch and tail as drawn from 77,
    so that a cue that is moved sounds as it did; ``~77`` any that fits, as drawn from 77.
    """
    wanted, mark, chance = text.rpartition(CHANCE)
    if mark and chance.isdecimal() and len(chance) <= 19:
        return wanted, int(chance)
    return text, None


def _joined(first: Sound, second: Sound) -> Sound:
    edges, levels = first.edges + second.edges, first.levels_db + second.levels_db
    cues, where = first.cues + second.cues, first.where.joined(second.where)
    return replace(first, end=second.end, edges=edges, levels_db=levels, cues=cues, where=where)


def _at_cuts(sound: Sound, cuts: NDArray[np.int64], sample_rate: int, total: int) -> Sound:
    """End a hit's tail after a cut; let a bed that begins or ends with a shot do so at once."""
    if sound.kind == "hit":
        later = int(np.searchsorted(cuts, sound.start, "right"))
        limit = int(cuts[later]) + round(CUT_TAIL * sample_rate) if later < len(cuts) else total
        return replace(sound, end=limit) if limit < sound.end else sound
    shots = np.array([0, *cuts, total])
    starts, ends = (bool(np.abs(shots - at).min() <= 1) for at in (sound.start, sound.end))
    return replace(
        sound, fade_in=CUT_FADE if starts else BED_FADE, fade_out=CUT_FADE if ends else BED_FADE
    )


def _airs_met(sounds: list[Sound], sample_rate: int) -> list[Sound]:
    """Let the air of one place turn into that of the next at equal power, half of it on either
    side of where they touch, so that there is no hole between them."""
    is_air = [sound.kind == "bed" and sound.where.layer == "air" for sound in sounds]
    ending = {sound.end: i for i, sound in enumerate(sounds) if is_air[i]}
    met = list(sounds)
    for i, sound in enumerate(sounds):
        before = ending.get(sound.start)
        if before is None or not is_air[i]:
            continue
        shorter = min(sound.end - sound.start, sounds[before].end - sounds[before].start)
        half = min(round(AIR_FADE / 2 * sample_rate), shorter // 2)
        fade = 2 * half / sample_rate
        met[before] = replace(met[before], end=sound.start + half, fade_out=fade)
        met[i] = replace(met[i], start=sound.start - half, fade_in=fade)
    return met


def _mix(playing: Sequence[_Playing], begin: int, end: int, space: Space | None) -> Samples:
    """Sum what sounds in [begin, end), in the order of voices, so that blocks do not matter."""
    length = end - begin
    mixed = np.zeros(length if space is None else (length, space.columns), np.float32)
    for voice in playing:
        first, last = max(begin, voice.start), min(end, voice.start + len(voice.samples))
        if first < last:
            part = voice.samples[first - voice.start : last - voice.start]
            mixed[first - begin : last - begin] += part
    return mixed


class _Stage:
    """Turns sounds into voices; remembers which recording a hit took, so as not to take it again.

    Everything else about a sound depends on its own cue: what nobody touches sounds as it did.
    """

    def __init__(self, bank: Bank, sample_rate: int, seed: int, avoid: str | None) -> None:
        self.bank, self.rate, self.seed, self.avoid = bank, sample_rate, seed, avoid
        self._pools: dict[tuple[str, Kind], list[Match]] = {}
        self._last: dict[str, Recording] = {}  # by the words of a cue
        self._missing: set[str] = set()

    def voices(self, sound: Sound) -> Iterator[Voice]:
        """The stretches of samples that make up a sound. Hits are to be asked for in order."""
        choice, chance = (np.random.default_rng([sound.seed, part]) for part in (0, 1))
        wanted = self._wanted(sound)
        phrases = split_phrases(sound.what)[:PHRASES]
        if sound.kind == "hit":
            phrase = phrases[int(choice.integers(len(phrases)))]
            recording = wanted or self._take(phrase, "hit", choice, self.before(sound))
            if recording is not None:
                self._last[sound.what] = recording
                yield self._hit(sound, recording, chance)
            return
        if wanted is not None:
            yield from self._bed(sound, wanted, lambda last: wanted, 0.0, chance)
            return
        quieter = 10 * np.log10(len(phrases))
        for phrase in phrases:
            drawn = choice.spawn(1)[0]

            def take(
                last: Recording | None, phrase: str = phrase, drawn: np.random.Generator = drawn
            ) -> Recording | None:
                return self._take(phrase, "bed", drawn, last)

            recording = take(None)
            if recording is not None:
                yield from self._bed(sound, recording, take, -quieter, chance.spawn(1)[0])

    def before(self, sound: Sound) -> Recording | None:
        """The recording that the last hit of the same words took."""
        return self._last.get(sound.what) if sound.kind == "hit" else None

    def remember(self, sound: Sound, voices: list[Voice]) -> None:
        """Voices of a hit that were planned earlier are its voices again."""
        if sound.kind == "hit" and voices:
            self._last[sound.what] = voices[0].recording

    def _wanted(self, sound: Sound) -> Recording | None:
        """The recording that the cue names, if the library has it."""
        if not sound.recording:
            return None
        found = self.bank.by_id.get(sound.recording)
        if found is None and sound.recording not in self._missing:
            self._missing.add(sound.recording)
            LOG.warning(
                "the library has no recording %s; %s is found by its words",
                sound.recording,
                sound.what,
            )
        return found

    def _hit(self, sound: Sound, recording: Recording, chance: np.random.Generator) -> Voice:
        level = sound.levels_db[0] + chance.uniform(-LEVEL_SPREAD_DB, LEVEL_SPREAD_DB)
        return self._struck(recording, sound, sound.start, level, chance)

    def _bed(
        self,
        sound: Sound,
        recording: Recording,
        take: Callable[[Recording | None], Recording | None],
        level_db: float,
        chance: np.random.Generator,
    ) -> Iterator[Voice]:
        if recording.kind == "bed":
            yield from self._loop(recording, sound, take, level_db, chance)
            return
        start = sound.start  # nothing goes on by itself: a natural sequence of single hits
        while start < sound.end:
            level = level_db + float(_level_curve(sound, start, start + 1, self.rate)[0])
            level += chance.uniform(-2 * LEVEL_SPREAD_DB, 0)
            yield self._struck(recording, sound, start, level, chance)
            pause = min(LONGEST_PAUSE, max(GRAIN, recording.samples / SAMPLE_RATE))
            pause *= chance.lognormal(0, 0.35)
            start += round(pause * self.rate)
            recording = take(recording) or recording

    def _take(
        self, phrase: str, kind: Kind, choice: np.random.Generator, last: Recording | None
    ) -> Recording | None:
        """Draw a recording for a phrase, not the last one; None of an empty bank."""
        pool = self.pool(phrase, kind)
        if not pool:
            return None
        scores = np.array([match.score for match in pool])
        order = np.argsort(-scores / POOL_SPREAD - choice.gumbel(size=len(pool)))
        drawn = [pool[i].recording for i in order]
        if len(drawn) > 1 and drawn[0] == last:
            drawn.pop(0)
        return drawn[0]

    def pool(self, phrase: str, kind: Kind) -> list[Match]:
        """The recordings that the sounds of a phrase are drawn from."""
        if (phrase, kind) not in self._pools:
            self._pools[phrase, kind] = self._pool(phrase, kind)
        return self._pools[phrase, kind]

    def _pool(self, phrase: str, kind: Kind) -> list[Match]:
        other: Kind = "bed" if kind == "hit" else "hit"
        wanted, instead = (self.bank.find(phrase, k, POOL, self.avoid) for k in (kind, other))
        if split_like(phrase)[1]:
            return (wanted or instead)[:LEAST_TAKES]
        if not wanted or (
            instead and instead[0].score > wanted[0].score + self._margin(instead[0])
        ):
            wanted = instead
        return self._one_object(phrase, wanted)

    def _margin(self, instead: Match) -> float:
        """How much better the other kind must fit: nothing, where things only ever sound so."""
        continuous = self.bank.categories[instead.recording.category].continuous
        is_bed = instead.recording.kind == "bed"
        return OTHER_KIND * (1 - continuous if is_bed else 1)

    def _one_object(self, phrase: str, matches: list[Match]) -> list[Match]:
        """Takes of one thing: a drawn match and others of its label, filled up with the best."""
        if not matches or split_like(phrase)[1]:  # what sounds like a file is one thing already
            return matches
        rng = np.random.default_rng([self.seed % 2**32, zlib.crc32(phrase.encode())])
        scores = np.array([match.score for match in matches])
        drawn = matches[int(np.argmax(scores / POOL_SPREAD + rng.gumbel(size=len(matches))))]
        same = [m for m in matches if m.recording.label == drawn.recording.label]
        rest = [m for m in matches if m not in same]
        return same + rest[: max(0, int(LEAST_TAKES) - len(same))]

    def _struck(
        self,
        recording: Recording,
        sound: Sound,
        at: int,
        level_db: float,
        chance: np.random.Generator,
    ) -> Voice:
        """A recording whose attack is heard at `at` and which has faded out when its sound ends."""
        spread = PITCH_SPREAD if recording.samples < SAMPLE_RATE else PITCH_SPREAD / 2
        speed = 2 ** (chance.uniform(-spread, spread) / 12)
        tail, offset = chance.uniform(0.75, 1.0), chance.uniform()
        lead = min(recording.onset, round(PREROLL * SAMPLE_RATE))
        onset = round(lead * self.rate / (SAMPLE_RATE * speed))
        allowed = sound.end - at

        def render() -> Samples:
            samples = _decode(recording)
            if recording.kind == "bed":
                samples = samples[int(offset * len(samples) / 2) :]
            samples = samples[recording.onset - lead :]
            samples = soxr.resample(samples, SAMPLE_RATE * speed, self.rate).astype(np.float32)
            swells = recording.kind == "bed"
            samples = _shortened(samples, onset, allowed, tail, swells, self.rate)
            samples = _dulled(samples, level_db, self.rate)
            return samples * self._gain(samples, recording, level_db)

        key = (recording.id, allowed, level_db, speed, tail, offset, *_place(sound))
        longest = onset + 2 + int(recording.samples * self.rate / (SAMPLE_RATE * speed))
        end = at - onset + min(onset + allowed, longest)
        return Voice(at - onset, max(end, at), sound, recording, key, render)

    def _gain(self, sound: Samples, recording: Recording, level_db: float) -> np.float32:
        category = self.bank.categories[recording.category]
        gain = 10 ** ((category.hit_db + level_db - recording.level_db) / 20)
        return np.float32(min(gain, PEAK / max(float(np.abs(sound).max(initial=0)), 1e-6)))

    def _loop(
        self,
        recording: Recording,
        sound: Sound,
        take: Callable[[Recording | None], Recording | None],
        level_db: float,
        chance: np.random.Generator,
    ) -> Iterator[Voice]:
        """A recording that goes on as long as the sound does, its passes crossfaded.

        A steady one repeats unnoticed; after an uneven one comes another of the pool.
        """
        start, rising = sound.start, 0
        while True:
            length = int(recording.samples * self.rate / SAMPLE_RATE)
            needed = sound.end - start
            spare = length - needed if needed <= length else length // 3
            skip = int(chance.integers(spare + 1)) if start == sound.start else 0
            stop = min(start + length - skip, sound.end)
            falling = 0 if stop == sound.end else min(round(LOOP_FADE * self.rate), length // 4)
            yield self._pass(recording, sound, level_db, start, stop, skip, rising, falling)
            if not falling:
                return
            start, rising = stop - falling, falling
            if recording.spread_db > UNEVEN_DB:
                following = take(recording)
                if following is not None and following.kind == "bed":
                    recording = following

    def _pass(
        self,
        recording: Recording,
        sound: Sound,
        level_db: float,
        start: int,
        stop: int,
        skip: int,
        rising: int,
        falling: int,
    ) -> Voice:
        """Samples [start, stop) of a bed: a recording from `skip` on, crossfaded at its ends."""

        def render(share: float = 0.0) -> Samples:
            samples = _decode(recording)
            if self.rate != SAMPLE_RATE:
                samples = soxr.resample(samples, SAMPLE_RATE, self.rate).astype(np.float32)
            if share:
                samples = _turned(samples, share, skip, stop - start)
            else:
                samples = samples[skip : skip + stop - start]
            samples = np.pad(samples, (0, stop - start))[: stop - start]
            curve = _level_curve(sound, start, stop, self.rate)
            category = self.bank.categories[recording.category]
            curve += category.bed_db - recording.level_db + level_db
            gain = 10 ** (curve / 20) * _bed_fades(sound, start, stop, self.rate)
            gain[:rising] *= np.sin(np.linspace(0, np.pi / 2, rising))[: len(gain)]
            if falling:
                gain[-falling:] *= np.cos(np.linspace(0, np.pi / 2, falling))
            return (samples * gain).astype(np.float32)

        shape = (sound.start, sound.end, sound.edges, sound.levels_db)
        fades = (sound.fade_in, sound.fade_out, rising, falling)
        key = (recording.id, level_db, start, stop, skip, *shape, *fades, *_place(sound))
        return Voice(start, stop, sound, recording, key, render, render)


def _place(sound: Sound) -> tuple[object, ...]:
    """Where a sound is, as far as it matters for how it sounds, whenever it begins."""
    return sound.where.pans, sound.where.distances, sound.where.layer


def _turned(samples: Samples, share: float, skip: int, length: int) -> Samples:
    """As many samples of a recording that begins at a share of itself and goes round and round:
    the end turns into the beginning at equal power."""
    turn = min(round(LOOP_FADE * OUTPUT.sample_rate), len(samples) // 4)
    rise = np.sin(np.linspace(0, np.pi / 2, turn, dtype=np.float32))
    first, last = samples[:turn], samples[len(samples) - turn :]
    ring = np.concatenate([last * rise[::-1] + first * rise, samples[turn : len(samples) - turn]])
    return np.take(ring, int(share * len(ring)) + skip + np.arange(length), mode="wrap")


class _Decoded:
    """Recordings as samples, those asked for last kept, up to so many bytes of them."""

    def __init__(self, most: int) -> None:
        self._most, self._bytes = most, 0
        self._kept: OrderedDict[Recording, Samples] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, recording: Recording) -> Samples:
        with self._lock:
            if recording in self._kept:
                self._kept.move_to_end(recording)
                return self._kept[recording]
        samples = recording.read()
        with self._lock:
            if recording not in self._kept:
                self._kept[recording] = samples
                self._bytes += samples.nbytes
            while self._bytes > self._most and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return samples


_decode = _Decoded(DECODED_BYTES)


def _shortened(
    sound: Samples, onset: int, allowed: int, tail: float, is_swell: bool, sample_rate: int
) -> Samples:
    """Fade in up to the onset, and out at the end: the sound's own, or what the cue allows."""
    length = min(onset + allowed, max(onset + 1, round(tail * len(sound))))
    sound = sound[:length].copy()
    fade_in = round(0.01 * sample_rate) if is_swell else onset
    rise = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, fade_in, endpoint=False))
    sound[:fade_in] *= rise[: len(sound)].astype(np.float32)
    rest = len(sound) - onset
    fade = rest if is_swell else min(rest * 2 // 5, round(0.3 * sample_rate))
    if fade > 0:
        sound[-fade:] *= np.cos(np.linspace(0, np.pi / 2, fade)).astype(np.float32) ** 2
    return sound


def _dulled(sound: Samples, level_db: float, sample_rate: int) -> Samples:
    """Soft hits excite less treble: a one-pole low pass that comes down from 18 kHz."""
    if level_db >= -1:
        return sound
    cutoff = max(2000.0, 18_000 * 2 ** (level_db / 6))
    mix = 1 - np.exp(-2 * np.pi * cutoff / sample_rate)
    taps = mix * (1 - mix) ** np.arange(DULL_TAPS)
    return np.convolve(sound, taps)[: len(sound)].astype(np.float32)


def _level_curve(sound: Sound, start: int, stop: int, sample_rate: int) -> NDArray[np.float64]:
    """A bed's level in dB at [start, stop), going from step to step around each edge."""
    at, half = np.arange(start, stop), STEP_FADE * sample_rate / 2
    edges = np.array(sound.edges[1:], float)
    points = np.sort(np.concatenate([edges - half, edges + half])) if len(edges) else edges
    if not len(points):
        return np.full(stop - start, sound.levels_db[0], float)  # a sheet may say 0, not 0.0
    return np.interp(at, points, np.repeat(sound.levels_db, 2)[1:-1])


def _bed_fades(sound: Sound, start: int, stop: int, sample_rate: int) -> NDArray[np.float64]:
    """Gain of a bed that comes and goes, at [start, stop)."""
    at = np.arange(start, stop)
    most = max(1.0, (sound.end - sound.start) / 2)
    rise = np.clip((at - sound.start) / min(most, sound.fade_in * sample_rate), 0, 1)
    fall = np.clip((sound.end - at) / min(most, sound.fade_out * sample_rate), 0, 1)
    return np.sin(np.pi / 2 * rise) * np.sin(np.pi / 2 * fall)
