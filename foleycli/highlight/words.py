"""Are the words of the effects seen? What is heard in them, or what they are called, by second.

What is heard is a vector of words by our own listener (`listeners.ear`), what is seen one by what
sees pictures for cues (`spot.encode`); both lie in the space of `spot.text`. What all sounds, and
all pictures, have in common is taken off both.
"""

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from foleycli.clip.probe import probe
from foleycli.frames.decode import decode_ticks
from foleycli.frames.resize import Shrinker
from foleycli.highlight.speech import to_mono
from foleycli.highlight.stems import Stems
from foleycli.listeners.ear import PATCH, PATCH_HOP, ear, frames_of
from foleycli.listeners.yamnet import HOP, SAMPLE_RATE, WINDOW
from foleycli.spot.encode import Encoder
from foleycli.spot.text import embed_text

Floats = NDArray[np.float32]
Curve = NDArray[np.float64]
RATE = 1  # pictures a second that are looked at
TOGETHER = 32  # patches, or pictures, at once
STEP = PATCH_HOP * HOP / SAMPLE_RATE  # seconds from one patch to the next: 0.48
LONG = (PATCH - 1) * HOP + WINDOW  # samples of a patch
MIDDLE = 0.12  # cosine between words that are seen and words that are not, on 59 clips
SURE = 0.25  # cosine from there on that counts as certain
LEAST = 1e-4  # amplitude under which nothing is heard in a patch: -80 dBFS


class WordsReader:
    """Hears blocks of a sound and says what is heard in them, in vectors of words.

    Args:
        sample_rate: Hz of the blocks.
    """

    def __init__(self, sample_rate: int) -> None:
        self._resampler = soxr.ResampleStream(sample_rate, SAMPLE_RATE, 1, dtype="float32")
        self._rest = np.zeros(0, np.float32)
        self._patches: list[Floats] = []
        self._quiet: list[bool] = []
        self._heard: list[Floats] = []

    def add(self, block: Floats) -> None:
        """Hear the next block, (samples, channels)."""
        self._take(self._resampler.resample_chunk(to_mono(block)))

    def vectors(self) -> Floats:
        """Of all that was heard, (patches, 384), one each 0.48 s; 0 where there was nothing."""
        self._take(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        if len(self._rest) and (self._rest.any() or not self._quiet):
            self._take(np.zeros(LONG - len(self._rest), np.float32))
        self._listen()
        return np.concatenate(self._heard) if self._heard else np.zeros((0, 384), np.float32)

    def _take(self, samples: Floats) -> None:
        held = np.concatenate([self._rest, samples])
        start = 0
        while start + LONG <= len(held):
            patch = held[start : start + LONG]
            self._patches.append(frames_of(patch))
            self._quiet.append(bool(np.abs(patch).max() < LEAST))
            start += PATCH_HOP * HOP
            if len(self._patches) == TOGETHER:
                self._listen()
        self._rest = held[start:]

    def _listen(self) -> None:
        if self._patches:
            _, words = ear().hear(np.stack(self._patches))
            words[self._quiet[-len(words) :]] = 0
            self._heard.append(words)
            self._patches = []


def find_words(path: Path, stems: Stems, edges: Sequence[Fraction], named: str = "") -> Curve:
    """-1 to 1 of each span: whether the words of the effects are seen in a clip.

    Args:
        path: the clip.
        stems: of which the effects are heard.
        edges: where spans begin, and the end of the last.
        named: what the effects are called, in place of what is heard in them.
    """
    heard = named_vector(named)[None] if named else hear_words(stems)
    return seen_words(heard, read_seen(path), edges)


def hear_words(stems: Stems) -> Floats:
    """What is heard in the effects, as `WordsReader` says it."""
    reader = WordsReader(stems.sample_rate)
    for _, blocks in stems.blocks():
        reader.add(blocks["effects"])
    return reader.vectors()


def named_vector(words: str) -> Floats:
    """What effects are called, as a vector (384,) less what all words have in common."""
    return embed_text([words])[0] - ear().mean


def read_seen(path: Path) -> Floats:
    """What is seen in a clip, (seconds, 384), of length 1 less what all have in common.

    Raises:
        MediaError: it cannot be read.
    """
    film = probe(path)
    shrinker, seer = Shrinker(film.rotation), Encoder.open().seer
    pictures = decode_ticks(film, RATE, shrinker.rgb)
    rows = []
    while several := list(itertools.islice(pictures, TOGETHER)):
        rows.append(seer.look(np.stack(several)))
    seen = np.concatenate(rows)
    return _unit(seen) - ear().mean


def seen_words(heard: Floats, seen: Floats, edges: Sequence[Fraction]) -> Curve:
    """-1 to 1 of each span: its effects' words are seen, or others are; 0 where none are heard.

    Args:
        heard: (patches, 384) of `WordsReader`, or one row for the whole: how they are called.
        seen: (seconds, 384) of `read_seen`.
        edges: where spans begin, and the end of the last.
    """
    found = np.zeros(len(edges) - 1)
    for i, (start, end) in enumerate(itertools.pairwise(edges)):
        first, last = int(start * RATE), max(int(start * RATE) + 1, math.ceil(end * RATE))
        shown = seen[min(first, len(seen) - 1) : last].mean(axis=0)
        if len(heard) == 1:
            said = heard[0]
        else:
            low = max(0, round(float(start) / STEP) - 1)
            high = max(low + 1, round(float(end) / STEP))
            said = heard[low:high].sum(axis=0)
        if said.any():
            found[i] = np.clip((_cosine(said, shown) - MIDDLE) / SURE, -1, 1)
    return found


def _unit(rows: Floats) -> Floats:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)


def _cosine(one: Floats, other: Floats) -> float:
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size > 1e-9 else 0.0
