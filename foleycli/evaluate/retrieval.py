"""Does a sound find its picture? Clips are muted, and each one's own sound looks for it.

Two clips of one source and class are near copies and left out of each other's candidates: the
CSV's columns ``source`` and ``class`` (or ``label``) say so. A query is scored against every
candidate by words (cosine of what is heard and what is seen), by motion (correlation of onsets with
beginnings of motion, plus that with hits, within 120 ms, times the root of the length), and by
both, each in spreads over the candidates.
"""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from foleycli.errors import MediaError, UsageError
from foleycli.evaluate.clipset import Example, read_set
from foleycli.evaluate.interval import bootstrap
from foleycli.evaluate.table import Table
from foleycli.listeners.yamnet import SAMPLE_RATE
from foleycli.visualize.hear import Heard, hear, hear_waveform
from foleycli.visualize.index import Seen, open_index
from foleycli.visualize.match import heard_words, onset_curve, smooth, unit
from foleycli.visualize.rushes import MOTION, WORDS
from foleycli.visualize.seen import seen_vectors
from foleycli.visualize.sound import open_sound, read_blocks
from foleycli.waveform.sound import at_loudness, read_sound

LISTENERS = ("ear", "yamnet")
LAGS = 3  # points at 25 Hz: 120 ms
RADIO_DB = -6.0  # of a sound that is laid under every query
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Ranks of each query's own picture, by how it was looked for; 0 is found at once."""

    clips: tuple[str, ...]
    ranks: dict[str, NDArray[np.int64]]
    candidates: NDArray[np.int64]  # how many each query had to choose from
    left_out: int  # pairs that are near copies

    def table(self, title: str) -> Table:
        """Recall at 1 and at 5 with intervals over clips, and the median rank."""
        rows = [[name, *_cells(ranks)] for name, ranks in self.ranks.items()]
        chance = ["chance", *(f"{np.mean(np.minimum(1, k / self.candidates)):.3f}" for k in (1, 5))]
        rows.append([*chance, f"{(np.median(self.candidates) + 1) / 2:.0f}"])
        notes = [
            f"{len(self.clips)} clips; {self.left_out} pairs of one source and class are left out "
            "of each other's candidates; brackets: 95 % over resampled clips"
        ]
        return Table(
            title, ["looked for by", "recall at 1", "recall at 5", "median rank"], rows, notes
        )

    def told(self) -> dict[str, dict[str, float]]:
        """The same for --json."""
        return {
            name: {
                "recall_1": float(np.mean(ranks < 1)),
                "recall_5": float(np.mean(ranks < 5)),
                "median_rank": float(np.median(ranks) + 1),
            }
            for name, ranks in self.ranks.items()
        }


def _cells(ranks: NDArray[np.int64]) -> list[str]:
    cells = []
    for k in (1, 5):
        mean, low, high = bootstrap((ranks < k).astype(float))
        cells.append(f"{mean:.3f} [{low:.2f}, {high:.2f}]")
    return [*cells, f"{np.median(ranks) + 1:.0f}"]


def retrieve(
    folder: Path,
    table: Path | None = None,
    index: Path | None = None,
    listener: str = LISTENERS[0],
    radio: Path | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> Retrieval:
    """Look for every clip of a set by its own sound; a control looks by the next clip's.

    Args:
        index: where what is seen is kept.
        listener: ``ear``, which ships, or ``yamnet`` to compare with.
        radio: a sound that belongs to no picture and is laid under every query, 6 dB softer.

    Raises:
        MediaError: there are fewer than ten clips with sound.
        UsageError: an unknown listener.
    """
    if listener not in LISTENERS:
        raise UsageError(f"--listener {listener} is not known.", f"Give {' or '.join(LISTENERS)}.")
    examples = read_set(folder, table)
    films = open_index(
        folder, index, lambda done: progress(0.5 * done), among=[e.clip for e in examples]
    )
    by_path = {seen.path: seen for seen in films}
    pairs: list[tuple[Example, Seen, Heard]] = []
    for number, example in enumerate(examples):
        if example.clip in by_path:
            try:
                heard = _listen(example.clip, radio)
            except MediaError:
                continue  # it has no sound to look by
            pairs.append((example, by_path[example.clip], heard))
        progress(0.5 + 0.5 * number / len(examples))
    if len(pairs) < 10:
        raise MediaError(f"{folder} has {len(pairs)} clips with sound.", "Give ten or more.")
    seen = [pair[1] for pair in pairs]
    heard = [pair[2] for pair in pairs]
    allowed = ~_near_copies([pair[0] for pair in pairs], folder, table)
    words = word_scores(heard, seen, _yamnet_words(pairs, radio) if listener == "yamnet" else None)
    motion = motion_scores(heard, seen)
    both = np.float32(WORDS) * _spreads(words, allowed)
    both = (both + np.float32(MOTION) * _spreads(motion, allowed)).astype(np.float32)
    scores = {"words and motion": both, "words": words, "motion": motion}
    ranks = {name: _ranks(matrix, allowed) for name, matrix in scores.items()}
    # the sound of a clip that is no near copy looks for this picture, and should not find it
    ranks["another clip's sound"] = _ranks(_others(both, allowed), allowed)
    left_out = int((~allowed).sum() // 2)
    clips = tuple(pair[0].id for pair in pairs)
    return Retrieval(clips, ranks, allowed.sum(axis=1), left_out)


def word_scores(
    heard: Sequence[Heard], seen: Sequence[Seen], vectors: Floats | None = None
) -> Floats:
    """(queries, candidates) cosines of what is heard and what is seen, each less its mean."""
    if vectors is None:
        vectors = np.stack([heard_words(one, 0, one.duration) for one in heard])
    centred = vectors - vectors.mean(axis=0)
    queries = np.stack([unit(row) for row in centred])
    return queries @ seen_vectors([(film, 0.0, float(film.duration)) for film in seen]).T


def motion_scores(heard: Sequence[Heard], seen: Sequence[Seen]) -> Floats:
    """(queries, candidates): how well onsets and motion agree, the pictures' means taken off."""
    scores = np.zeros((len(heard), len(seen)), np.float32)
    for i, one in enumerate(heard):
        onsets = onset_curve(one, 0, one.duration)
        for j, film in enumerate(seen):
            count = min(len(onsets), len(film.motion), len(film.hits))
            agree = sum(_lagged(onsets[:count], c[:count]) for c in (film.motion, film.hits))
            scores[i, j] = agree * np.sqrt(count)
    return scores - scores.mean(axis=0)


def _lagged(onsets: Floats, motion: Floats) -> float:
    """The largest correlation within 120 ms, not under 0."""
    a, b = smooth(onsets), smooth(motion)
    a, b, best = a - a.mean(), b - b.mean(), 0.0
    for lag in range(-LAGS, LAGS + 1):
        x = a[max(0, lag) : len(a) + min(0, lag)]
        y = b[max(0, -lag) : len(b) - max(0, lag)]
        scale = float(np.linalg.norm(x) * np.linalg.norm(y))
        best = max(best, float(x @ y) / scale if scale > 1e-6 else 0.0)
    return best


def _spreads(scores: Floats, allowed: NDArray[np.bool_]) -> Floats:
    """Each query's scores less their mean, in spreads, over its candidates."""
    known = np.where(allowed, scores, np.nan)
    mean, spread = np.nanmean(known, axis=1), np.nanstd(known, axis=1)
    return ((scores - mean[:, None]) / np.maximum(spread, 1e-6)[:, None]).astype(np.float32)


def _ranks(scores: Floats, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many candidates score higher than each query's own picture."""
    better = (scores > np.diag(scores)[:, None]) & allowed
    return better.sum(axis=1)


def _others(scores: Floats, allowed: NDArray[np.bool_]) -> Floats:
    """Rows given to another query: the next one that is no near copy."""
    order = np.empty(len(scores), int)
    for n in range(len(scores)):
        step = next(k for k in range(1, len(scores)) if allowed[n, (n + k) % len(scores)])
        order[n] = (n + step) % len(scores)
    return scores[order]


def _near_copies(
    examples: Sequence[Example], folder: Path, table: Path | None
) -> NDArray[np.bool_]:
    """(clips, clips): pairs of one source and class; none with itself."""
    groups = _groups(folder, table)
    names = [groups.get(example.clip.name, example.id) for example in examples]
    same = np.array([[a == b for b in names] for a in names])
    np.fill_diagonal(same, val=False)
    return same


def _groups(folder: Path, table: Path | None) -> dict[str, str]:
    path = table or next(iter(sorted(folder.glob("*.csv"))), None)
    if path is None:
        return {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("file") and row.get("source")]
    kind = "class" if rows and "class" in rows[0] else "label"
    return {Path(row["file"]).name: json.dumps([row["source"], row.get(kind)]) for row in rows}


def _listen(clip: Path, radio: Path | None) -> Heard:
    sound = open_sound(clip)
    if radio is None:
        return hear(sound)
    mono = np.concatenate([block.mean(axis=1) for block in read_blocks(sound)])
    waveform = soxr.resample(mono, sound.sample_rate, SAMPLE_RATE).astype(np.float32)
    return hear_waveform(with_radio(waveform, radio))


def with_radio(waveform: Floats, radio: Path) -> Floats:
    """A sound at 16 kHz with another one under it, 6 dB softer, from its beginning on."""
    other = np.resize(read_sound(radio), len(waveform))
    own, under = at_loudness(waveform), at_loudness(other)
    return (own + under * 10 ** (RADIO_DB / 20)).astype(np.float32)


def _yamnet_words(pairs: Sequence[tuple[Example, Seen, Heard]], radio: Path | None) -> Floats:
    """The same vectors by YAMNet's 521 classes, for comparison."""
    from foleycli.listeners.yamnet import class_names, yamnet
    from foleycli.spot.text import embed_text

    names = embed_text(class_names())
    names = names - names.mean(axis=0)
    vectors = []
    for example, _, _ in pairs:
        waveform = at_loudness(read_sound(example.clip))
        if radio is not None:
            waveform = with_radio(waveform, radio)
        shares = np.sqrt(yamnet()(waveform).scores.mean(axis=0))
        vectors.append(unit(shares @ names))
    return np.stack(vectors)


@dataclass(frozen=True, slots=True)
class Fit:
    """How a film's picture goes with its sound, beside what chance gives."""

    sync_z: float  # of its own sound
    shifted: float  # mean of the sound shifted by half a second to half of its length
    av_align: float
    metronome: float  # what AV-Align gives a click every three frames


def judge_film(film: Path, shifts: int = 8) -> Fit:
    """Measure a film that was made for a sound; the measures are those of sounds for a film.

    Raises:
        MediaError: it has no sound, or no picture.
        ModelError: OpenCV is missing, which AV-Align's motion needs.
    """
    from foleycli.evaluate.av_align import (
        AUDIO,
        av_align,
        find_peaks_of_sound,
        flow_curve,
        frame_rate_of,
    )
    from foleycli.evaluate.sync import motion_curve, strength_curve, sync_z
    from foleycli.evaluate.timing import onset_strength

    strength = strength_curve(onset_strength(read_sound(film)))
    motion = motion_curve(film)
    moved = [
        sync_z(np.roll(strength, round(len(strength) * part)), motion)
        for part in np.linspace(0.1, 0.9, shifts)
    ]
    exact = frame_rate_of(film)
    rate, flow = float(exact), flow_curve(film, exact)  # small pictures: the size costs minutes
    onsets = find_peaks_of_sound(read_sound(film, AUDIO.sample_rate))
    clicks = np.arange(0, len(flow), 3) / rate
    return Fit(
        sync_z(strength, motion),
        float(np.mean(moved)),
        av_align(onsets, flow, rate),
        av_align(clicks, flow, rate),
    )


def other_sound(film: Path, sound: Path) -> float:
    """sync_z of a film's picture with another sound, which should be lower than with its own."""
    from foleycli.evaluate.sync import motion_curve, strength_curve, sync_z
    from foleycli.evaluate.timing import onset_strength

    return sync_z(strength_curve(onset_strength(read_sound(sound))), motion_curve(film))
