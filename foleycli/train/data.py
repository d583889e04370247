"""A folder of sounds and a CSV become training examples: short scenes of 8 s and their features.

The CSV needs the columns ``file`` (path inside the folder), ``class`` and ``label`` (words). A
sound is held out of every training when crc32 of its ``file`` is a multiple of ten.
"""

import csv
import hashlib
import json
import logging
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from foleycli.config import FEATURES, MEL, WINDOW
from foleycli.errors import MediaError
from foleycli.library.recording import read_sound
from foleycli.output import atomic_output, make_folder
from foleycli.spot.text import embed_text
from foleycli.waveform.mel import RANGE_DB, log_mel
from foleycli.waveform.timbre import DEPTH, PEAK_LEVEL, at_usual_level, find_timbre, frame_level

logger = logging.getLogger("foleycli")

FILE_RATE = 48_000  # Hz, of what `read_sound` gives
PITCHES = (
    1.0,
    0.89,
    1.12,
)  # playback speeds kept in the cache: as it is, two semitones down and up
LONGEST = 60  # seconds of a recording that are read
QUIET = 1e-4  # peak under which a recording is taken for silence
TIMBRE = 0.7  # how often a scene comes with an example to sound like
TIMBRE_NOISE = 0.02  # so that no recording is known by its example alone
TRIM = 0.6  # frames 60 dB under the loudest, at either end, are cut off
FRAMES = round(WINDOW.duration * MEL.frame_rate)  # 512
HIT_DECAY = 0.15 * FEATURES.when_rate  # points; the decay that `features.render` draws after a hit

Curve = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Recording:
    """One sound of the set, in one or more pitches."""

    file: str
    category: str
    label: str
    spans: tuple[tuple[int, int], ...]  # first and last frame in the cache, one a pitch

    @property
    def held_out(self) -> bool:
        """Whether no training may hear it."""
        return zlib.crc32(self.file.encode()) % 10 == 0

    @property
    def words(self) -> tuple[str, str, str]:
        """Ways to ask for it: by label, by class, by both."""
        category = self.category.replace("_", " ")
        label = (
            " ".join(re.findall(r"[a-z]{2,}", self.label.lower().replace("src", ""))) or category
        )
        return label, category, f"{category}, {label}"

    @property
    def family(self) -> str:
        """Recordings of one family are takes of one thing: labels differ in numbers only."""
        return self.words[2]


class SoundSet:
    """Mel spectrograms of a folder of sounds, from a cache that is made once."""

    def __init__(self, folder: Path, table: Path, cache: Path) -> None:
        rows = read_table(folder, table)
        mels, self.recordings = _open_cache(folder, rows, cache)
        self.mels = mels  # (frames, n_mels) float16
        self.vectors = {
            text: vector
            for recording in self.recordings
            for text, vector in zip(recording.words, embed_text(recording.words), strict=True)
        }

    def mel(self, recording: Recording, pitch: int = 0) -> Curve:
        """(frames, n_mels), at the usual level."""
        first, last = recording.spans[pitch]
        return self.mels[first:last].astype(np.float32)

    def timbres(self, recording: Recording) -> Curve:
        """(pitches, 96): how a recording sounds in each of its pitches."""
        pitches = range(len(recording.spans))
        return np.stack([find_timbre(self.mel(recording, pitch)) for pitch in pitches])


def read_table(folder: Path, table: Path) -> list[dict[str, str]]:
    """Rows of a sounds CSV whose files exist.

    Raises:
        MediaError: it cannot be read, or a column or every file is missing.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            rows, columns = list(reader), set(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MediaError(
            f"{table} cannot be read: {error}.", "Give --table: a UTF-8 CSV of file, class, label."
        ) from error
    if missing := {"file", "class", "label"} - columns:
        raise MediaError(
            f"{table} has no column {' or '.join(sorted(missing))}.",
            "Its header should be: file,class,label.",
        )
    found = [row for row in rows if row["file"] and (folder / row["file"]).is_file()]
    if not found:
        raise MediaError(f"No file of {table} is in {folder}.", "Give the folder it speaks of.")
    if len(found) < len(rows):
        logger.warning(
            "%d of %d sounds of %s are not here.", len(rows) - len(found), len(rows), table
        )
    return found


def content_key(folder: Path, files: Sequence[str], *settings: object) -> str:
    """A name for what is made of these files; another one when a file changes."""
    states = [(folder / file).stat() for file in files]
    facts = [settings, [[state.st_size, state.st_mtime_ns] for state in states], list(files)]
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=8).hexdigest()


def warn_of_unused(files: Sequence[str], total: int) -> None:
    """Say which sounds are left out."""
    if files:
        named = ", ".join(files[:3]) + (", ..." if len(files) > 3 else "")
        logger.warning("%d of %d sounds are silent or unreadable: %s", len(files), total, named)


def _open_cache(
    folder: Path, rows: list[dict[str, str]], cache: Path
) -> tuple[NDArray[np.float16], list[Recording]]:
    """The cached mels, made first if the files, the table or the settings changed.

    Raises:
        MediaError: no file can be used.
    """
    settings = [MEL.sample_rate, MEL.n_fft, MEL.hop_length, MEL.n_mels, PITCHES, PEAK_LEVEL, DEPTH]
    files = [row["file"] for row in rows]
    key = content_key(folder, files, settings)
    index, data = cache / f"{key}.json", cache / f"{key}.npy"
    if not index.exists():
        make_folder(cache)
        spans, mels, first = [], [np.zeros((0, MEL.n_mels), np.float16)], 0
        for file in files:
            spans.append([])
            for mel in _read_mels_or_none(folder / file):
                mels.append(mel)
                spans[-1].append([first, first + len(mel)])
                first += len(mel)
        with atomic_output(data, overwrite=True) as beside:
            np.save(beside, np.concatenate(mels))
        with atomic_output(index, overwrite=True) as beside:
            beside.write_text(json.dumps(spans))
    spans = json.loads(index.read_text())
    warn_of_unused([file for file, span in zip(files, spans, strict=True) if not span], len(files))
    if not any(spans):
        raise MediaError(f"No sound of {folder} can be used.", "Give sounds that can be heard.")
    recordings = [
        Recording(row["file"], row["class"], row["label"], tuple((a, b) for a, b in span))
        for row, span in zip(rows, spans, strict=True)
        if span
    ]
    return np.load(data), recordings


def _read_mels_or_none(path: Path) -> list[NDArray[np.float16]]:
    try:
        return read_mels(path)
    except MediaError:
        return []


def read_mels(path: Path) -> list[NDArray[np.float16]]:
    """A sound as (frames, n_mels) in every pitch, trimmed, at the usual level; [] for silence."""
    samples = read_sound(path, samples=LONGEST * FILE_RATE)
    if float(np.abs(samples).max(initial=0)) < QUIET:  # it would be raised to a roar
        return []
    mels = []
    for pitch in PITCHES:
        waveform = soxr.resample(samples, FILE_RATE * pitch, MEL.sample_rate)
        if not len(waveform):
            return []
        mel = log_mel(torch.from_numpy(np.ascontiguousarray(waveform)), MEL).T.numpy()
        level = frame_level(mel)
        if level.max(initial=0) < 0.2:
            return []
        heard = np.flatnonzero(level > level.max() - TRIM)
        mel = at_usual_level(mel[max(0, heard[0] - 1) : heard[-1] + 2])
        mels.append(mel.astype(np.float16))
    return mels


def find_hits(mel: Curve) -> Curve:
    """Where something begins in (frames, n_mels): its strength there, 0 elsewhere, (frames,).

    An onset is a peak of the mean rise of the bands over two frames that stands 3 dB and a quarter
    of the strongest over its surroundings; its strength is the level it reaches, 1 the usual.
    """
    heard = np.maximum(mel, 0.15)
    rise = np.zeros(len(mel), np.float32)
    rise[1:-1] = RANGE_DB * np.maximum(0, heard[2:] - heard[:-2]).mean(axis=1)
    around = uniform_filter1d(rise, 13, mode="nearest")
    peak = rise >= maximum_filter1d(rise, 5, mode="nearest")
    onsets = np.flatnonzero(peak & (rise > around + max(3.0, 0.25 * float(rise.max()))))
    hits = np.zeros(len(mel), np.float32)
    reached = maximum_filter1d(amplitude(mel), 5, origin=-2)
    hits[onsets] = reached[onsets]
    return hits


def amplitude(mel: Curve) -> Curve:
    """Level of each frame as a share of the usual peak, 0 to 1."""
    return np.minimum(1, 10 ** ((frame_level(mel) - PEAK_LEVEL) * RANGE_DB / 20)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Placement:
    """A piece of a recording set in a scene."""

    recording: Recording
    pitch: int
    skip: int  # frames of the recording left out at its start
    start: int  # frame of the scene
    frames: int
    gain: float  # on the mel scale: 0.1 is 10 dB


class Scenes:
    """Draws scenes from the recordings that training may hear.

    Raises:
        MediaError: there is none.
    """

    def __init__(self, sounds: SoundSet, seed: int = 0) -> None:
        self.sounds = sounds
        self.recordings = [r for r in sounds.recordings if not r.held_out]
        if not self.recordings:
            raise MediaError(
                "Every sound is one that is held out.", "Give more than a handful of sounds."
            )
        self.families: dict[str, list[Recording]] = {}
        for recording in self.recordings:
            self.families.setdefault(recording.family, []).append(recording)
        counts = {r.category: 0 for r in self.recordings}
        for recording in self.recordings:
            counts[recording.category] += 1
        chance = np.array([counts[r.category] ** -0.3 for r in self.recordings])
        self.chance = np.cumsum(chance / chance.sum())
        self.timbres = {r.file: sounds.timbres(r) for r in self.recordings}
        self.random = np.random.default_rng(seed)

    def batch(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Mels (size, n_mels, frames) and features (size, rows, 512)."""
        mels, features = zip(*(self.draw() for _ in range(size)), strict=True)
        return torch.from_numpy(np.stack(mels)).mT.contiguous(), torch.from_numpy(
            np.stack(features)
        )

    def draw(self) -> tuple[Curve, Curve]:
        """One scene: mel (frames, n_mels) and features (rows, 512)."""
        random = self.random
        if random.random() < 0.2:  # two sounds, one after the other
            cut = int(random.integers(FRAMES // 4, FRAMES * 3 // 4))
            parts = self._fill(0, cut) + self._fill(cut, FRAMES)
        else:
            parts = self._fill(0, FRAMES)
        mel = compose(self.sounds, parts)
        return mel, self._ask(mel, parts)

    def _fill(self, first: int, last: int) -> list[Placement]:
        """Fill the frames first to last with one thing: a stretch, a sound or several takes."""
        random = self.random
        recording = self.recordings[
            min(int(np.searchsorted(self.chance, random.random())), len(self.recordings) - 1)
        ]
        pitch = self._pitch()
        frames = _frames(recording, pitch)
        room = last - first
        gain = -0.15 * float(random.random()) ** 2
        if frames >= room:
            skip = int(random.integers(0, frames - room + 1))
            return [Placement(recording, pitch, skip, first, room, gain)]
        if frames > room // 2 or random.random() < 0.25:
            start = first + int(random.integers(0, room - frames + 1) * random.random())
            return [Placement(recording, pitch, 0, start, frames, gain)]
        return self._repeat(recording, first, last)

    def _repeat(self, recording: Recording, first: int, last: int) -> list[Placement]:
        """Takes of one family, one after another with gaps."""
        random = self.random
        family = self.families[recording.family]
        pace = float(random.uniform(8, 96))  # frames of silence, on average
        start = first + int(random.exponential(pace))
        placements: list[Placement] = []
        while start < last - 8:
            take = recording if random.random() < 0.6 else family[random.integers(len(family))]
            pitch = self._pitch()
            frames = min(_frames(take, pitch), last - start)
            gain = -0.25 * float(random.random()) ** 2
            placements.append(Placement(take, pitch, 0, start, frames, gain))
            start += int(frames * random.uniform(0.5, 1.0) + random.exponential(pace)) + 8
        return placements or [
            Placement(recording, 0, 0, first, min(last - first, _frames(recording, 0)), 0)
        ]

    def _pitch(self) -> int:
        return int(self.random.choice(len(PITCHES), p=(0.5, 0.25, 0.25)))

    def _ask(self, mel: Curve, parts: list[Placement]) -> Curve:
        """Features a cue sheet or a film would give for this scene, with their vagueness."""
        random = self.random
        style = ("cues", "bed", "heard")[int(random.choice(3, p=(0.6, 0.15, 0.25)))]
        hits = find_hits(mel)
        if style == "bed" and np.count_nonzero(hits) < 2:
            style = "cues"
        if style == "heard":
            activity = uniform_filter1d(amplitude(mel), int(random.integers(1, 24)), mode="nearest")
        elif style == "bed":  # one long cue over everything, its hits unknown
            hits, activity = np.zeros_like(hits), beds(mel, parts)
        else:
            decay = HIT_DECAY * float(np.exp(random.normal(0, 0.3)))
            activity = np.maximum(decays(hits, parts, decay), beds(mel, unstruck(mel, hits, parts)))
        word = int(random.choice(3, p=(0.35, 0.15, 0.5)))
        what = ask_what(self.sounds, parts, word, float(random.uniform(0.5, 1.0)))
        timbre = self._ask_timbre(parts) if random.random() < TIMBRE else None
        return lay_out(what, _jitter(hits, random), activity.astype(np.float32), timbre)

    def _ask_timbre(self, parts: list[Placement]) -> Curve:
        """(rows, 96): how the parts of each row sound, a little off."""
        timbre = np.zeros((FRAMES // FEATURES.bins, FEATURES.timbre_size), np.float32)
        sounding = np.zeros((len(timbre), 1), np.float32)
        for part in parts:
            covered = rows_of(part)
            timbre[covered] += self.timbres[part.recording.file][part.pitch]
            sounding[covered] += 1
        noise = self.random.normal(0, TIMBRE_NOISE, FEATURES.timbre_size).astype(np.float32)
        return np.where(sounding, timbre / np.maximum(sounding, 1) + noise, 0)


def compose(sounds: SoundSet, parts: list[Placement]) -> Curve:
    """The louder of all placements in every band: (frames, n_mels)."""
    scene = np.zeros((FRAMES, MEL.n_mels), np.float32)
    for part in parts:
        whole = sounds.mels[slice(*part.recording.spans[part.pitch])]
        mel = whole[part.skip : part.skip + part.frames].astype(np.float32)
        faded = np.where(mel > 0, mel + part.gain + _fades(part)[:, None], 0)
        place = scene[part.start : part.start + part.frames]
        np.maximum(place, faded[: len(place)], out=place)
    return scene


def _fades(part: Placement) -> Curve:
    """Ramps that take the edge off a piece cut from the middle, (frames,) on the mel scale."""
    fade = np.zeros(part.frames, np.float32)
    n = min(8, part.frames)
    if (
        part.skip + part.frames < _frames(part.recording, part.pitch)
        and part.start + part.frames < FRAMES
    ):
        fade[-n:] = np.linspace(0, -0.6, n)
    if part.skip and part.start:
        fade[:4] += np.linspace(-0.6, 0, 4)[: part.frames]
    return fade


def _frames(recording: Recording, pitch: int) -> int:
    first, last = recording.spans[pitch]
    return last - first


def unstruck(mel: Curve, hits: Curve, parts: list[Placement]) -> list[Placement]:
    """Placements that a cue sheet would call beds: nothing, or very much, is struck in them, or
    they stay within 14 dB of their peak half of the time."""
    heard = amplitude(mel)

    def is_bed(part: Placement) -> bool:
        span = slice(part.start, part.start + part.frames)
        rate = np.count_nonzero(hits[span]) * FEATURES.when_rate / part.frames
        return not 0 < rate < 6 or float(np.median(heard[span])) > 0.2 * float(heard[span].max())

    return [part for part in parts if part.frames > 48 and is_bed(part)]


def decays(hits: Curve, parts: list[Placement], decay: float) -> Curve:
    """An exponential decay after every hit, to the end of the placement it is in."""
    activity = np.zeros(FRAMES, np.float32)
    ends = [part.start + part.frames for part in parts]
    for first in np.flatnonzero(hits):
        last = min([end for end in ends if end > first], default=FRAMES)
        shape = hits[first] * np.exp(-np.arange(last - first) / decay)
        activity[first:last] = np.maximum(activity[first:last], shape)
    return activity


def beds(mel: Curve, parts: list[Placement]) -> Curve:
    """A flat level over every placement."""
    activity = np.zeros(FRAMES, np.float32)
    heard = amplitude(mel)
    for part in parts:
        span = slice(part.start, part.start + part.frames)
        activity[span] = np.maximum(activity[span], heard[span].max(initial=0))
    return activity


def ask_what(sounds: SoundSet, parts: list[Placement], word: int, confidence: float) -> Curve:
    """(rows, 384): the words of what sounds in each row, as `features.render` mixes them."""
    what = np.zeros((FRAMES // FEATURES.bins, FEATURES.what_size), np.float32)
    for part in parts:
        what[rows_of(part)] += confidence * sounds.vectors[part.recording.words[word]]
    length = np.linalg.norm(what, axis=1, keepdims=True)
    return what / np.maximum(length / confidence, 1)


def rows_of(part: Placement) -> slice:
    """The feature rows that a placement sounds in."""
    last = part.start + part.frames - 1
    return slice(part.start // FEATURES.bins, last // FEATURES.bins + 1)


def lay_out(what: Curve, hits: Curve, activity: Curve, timbre: Curve | None = None) -> Curve:
    """Rows (rows, 512) as `config.FeatureConfig` says, of curves at the frame rate."""
    rows = np.zeros((len(what), FEATURES.size), np.float32)
    size, bins = FEATURES.what_size, FEATURES.bins
    rows[:, :size] = what
    rows[:, size : size + bins] = hits.reshape(-1, bins)
    rows[:, size + bins : size + 2 * bins] = activity.reshape(-1, bins)
    if timbre is not None:
        rows[:, size + 2 * bins :] = timbre
    return rows


def _jitter(hits: Curve, random: np.random.Generator) -> Curve:
    """Hits moved by a point now and then, none lost, strengths a little off."""
    jittered = np.zeros_like(hits)
    for at in np.flatnonzero(hits):
        moved = min(len(hits) - 1, max(0, at + int(random.choice(3, p=(0.1, 0.8, 0.1))) - 1))
        jittered[moved] = max(
            jittered[moved], min(1, hits[at] * float(np.exp(random.normal(0, 0.15))))
        )
    return jittered


def held_out_examples(sounds: SoundSet, word: int = 2) -> list[tuple[Recording, Curve, Curve]]:
    """Every held-out recording alone in a window: (recording, mel, features as cues give them)."""
    examples = []
    for recording in sounds.recordings:
        if not recording.held_out:
            continue
        parts = [Placement(recording, 0, 0, 0, min(FRAMES, _frames(recording, 0)), 0)]
        mel = compose(sounds, parts)
        mel = np.concatenate(
            [np.zeros_like(mel[:8]), mel[:-8]]
        )  # so that the first hit has a start
        parts = [Placement(recording, 0, 0, 8, min(FRAMES - 8, parts[0].frames), 0)]
        hits = find_hits(mel)
        activity = np.maximum(decays(hits, parts, HIT_DECAY), beds(mel, unstruck(mel, hits, parts)))
        examples.append(
            (recording, mel, lay_out(ask_what(sounds, parts, word, 1.0), hits, activity))
        )
    return examples
