"""A bank of recordings that can be searched by words; `table` says what it is made of."""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from foleycli.library.like import likeness, listen
from foleycli.library.table import (
    SHIPPED,
    Category,
    Kind,
    Recording,
    read_aliases,
    read_categories,
    read_recordings,
)
from foleycli.spot.cues import LIKE, split_like
from foleycli.spot.text import embed_text, stem

LABEL_WEIGHT, CLASS_WEIGHT, WORD_WEIGHT, TYPICAL_WEIGHT = 0.6, 0.4, 0.25, 0.1
UNKNOWN_WEIGHT = 0.5  # of a word that no label has, against the rarest that one has
AVOID_WEIGHT = 1.0
LATE_WEIGHT, PROMPT_MS, LATE_MS = 0.1, 60.0, 400.0  # a hit that swells loses up to 0.1
SINGLE_WORD = 0.9  # likeness of a single word of a phrase, against that of the phrase
GENERIC_WEIGHT = 0.3  # of a word that says little of what sounds
GENERIC = frozenset(
    stem(word)
    for word in "hit strike sound noise man woman boy girl person people someone play make use go"
    " old young small big large left right front back video close near slow fast off from into"
    " through over under with and the while for away out down upon their his her its some many"
    " two three".split()
)
LIKE_SCORE = 1.0  # of the recording that is least like a sound: some one is always the most
LIKE_WORDS = 0.5  # of words beside the sound that is to be met
SURE, UNSURE = 0.80, 0.40  # scores that mean confidence 1 and 0
LEAST_SCORE = 0.62  # under which a recording is of something else
LEAST_MEANT = 0.80  # the same of one whose label shares no word with what is asked for
NOTHING = 0.4  # of a label that answers nothing
ALIAS_SCORE, ALIAS_STEP = 1.2, 0.03  # of an alias's first label, and less for each further one


@dataclass(frozen=True, slots=True)
class Match:
    """A recording found for words; ``score`` orders matches, ``confidence`` is 0 to 1."""

    recording: Recording
    score: float

    @property
    def confidence(self) -> float:
        """How likely the recording is what the words mean."""
        return float(np.clip((self.score - UNSURE) / (SURE - UNSURE), 0, 1))


class Bank:
    """Recordings, found by words.

    Args:
        recordings: in any order.
        categories: a superset of the recordings' classes.
        labels: (number of different labels, 384) unit rows, in the order of the sorted labels.
        words: (number of all categories' words, 384) unit rows.
        aliases: words -> labels that answer them, the best first; none if nothing does.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        categories: Sequence[Category],
        labels: NDArray[np.floating],
        words: NDArray[np.floating],
        aliases: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._aliases = dict(aliases or {})
        self.recordings = list(recordings)
        self.categories = {category.name: category for category in categories}
        self._label_vectors = labels.astype(np.float32)
        self._word_vectors = words.astype(np.float32)
        self._first_word = np.cumsum([0, *(len(category.words) for category in categories[:-1])])
        self._names = sorted({recording.label for recording in recordings})
        label_row = {label: row for row, label in enumerate(self._names)}
        class_row = {category.name: row for row, category in enumerate(categories)}
        self._label_of = np.array([label_row[r.label] for r in self.recordings], np.intp)
        self._class_of = np.array([class_row[r.category] for r in self.recordings], np.intp)
        self._is_hit = np.array([r.kind == "hit" for r in self.recordings])
        self._merit = np.array([_merit(r) for r in self.recordings], np.float32)
        self._found: dict[tuple[str, str], NDArray[np.float32]] = {}

    @classmethod
    def open(cls, folder: Path | None = None) -> "Bank":
        """Open a bank's folder, by default the shipped bank; `index.open_bank` takes any."""
        folder = SHIPPED if folder is None else folder
        categories = read_categories(folder / "kinds.csv")
        vectors = load_file(folder / "embeddings.safetensors")
        recordings = read_recordings(folder)
        aliases = read_aliases(folder)
        return cls(recordings, categories, vectors["labels"], vectors["words"], aliases)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with any recording, for recipes."""
        digest = hashlib.blake2b(digest_size=8)
        for recording in self.recordings:
            digest.update(repr(replace(recording, file=Path(recording.file.name))).encode())
        return digest.hexdigest()

    @cached_property
    def sounds(self) -> NDArray[np.float32]:
        """How each recording sounds: (recordings, size), see `like.describe`."""
        return listen(self.recordings, self.fingerprint)

    @cached_property
    def by_id(self) -> dict[str, Recording]:
        """Recordings by their ids."""
        return {recording.id: recording for recording in self.recordings}

    def find(
        self, words: str, kind: Kind | None = None, most: int = 8, avoid: str | None = None
    ) -> list[Match]:
        """The recordings nearest to words, best first.

        Words in brackets are remarks and do not count; parts between commas, slashes or "and" are
        several sounds, and the matches alternate between them.

        Args:
            words: "dog barking, man at door".
            kind: hits or beds only; None means both.
            avoid: words whose sounds are not wanted.
        """
        allowed = np.ones(len(self.recordings), bool)
        if kind is not None:
            allowed = self._is_hit if kind == "hit" else ~self._is_hit
        ranked = []
        for phrase in split_phrases(words):
            scores = np.where(allowed, self.scores(phrase, avoid), -np.inf)
            best = np.argsort(-scores, kind="stable")[:most]
            ranked.append([(int(i), float(scores[i])) for i in best if scores[i] >= LEAST_SCORE])
        merged: dict[int, float] = {}
        for place in range(most):
            for matches in ranked:
                if place < len(matches):
                    merged.setdefault(*matches[place])
        return [Match(self.recordings[i], score) for i, score in list(merged.items())[:most]]

    def scores(self, phrase: str, avoid: str | None = None) -> NDArray[np.float32]:
        """How well each recording fits one phrase: (recordings,), about 0 to 1."""
        key = (phrase, avoid or "")
        if key not in self._found:
            scores = self._wanted(phrase)
            if avoid and avoid.strip():
                unwanted = [self._nearness(part) for part in split_phrases(avoid)]
                scores = scores - AVOID_WEIGHT * np.maximum(0, np.max(unwanted, axis=0) - 0.25)
            if len(self._found) > 256:
                self._found.clear()
            self._found[key] = np.asarray(scores + self._merit, np.float32)
        return self._found[key]

    def usual_db(self, recording: Recording) -> float:
        """How loud this recording usually is in a film's effects, LUFS."""
        category = self.categories[recording.category]
        return category.hit_db if recording.kind == "hit" else category.bed_db

    def class_likeness(self, phrase: str) -> NDArray[np.float32]:
        """Cosine of a phrase, or of one of its words, and each category's nearest word."""
        parts = [phrase, *content_words(phrase)]
        likeness = self._word_vectors @ embed_text(parts).T
        likeness[:, 1:] *= SINGLE_WORD
        return np.maximum.reduceat(likeness.max(axis=1), self._first_word)

    def _wanted(self, phrase: str) -> NDArray[np.float32]:
        """Likeness to a phrase, or to the sound that it names, or to both."""
        words, file = split_like(phrase)
        if not file:
            return self._similarity(phrase)
        alike = LIKE_SCORE + likeness(self.sounds, Path(file))
        if words:
            alike = alike + LIKE_WORDS * self._similarity(words)
        return np.asarray(alike, np.float32)

    def _similarity(self, phrase: str) -> NDArray[np.float32]:
        """How near each recording is to a phrase, and little where it is none of that."""
        near = self._nearness(phrase)
        if phrase in self._aliases or not self._aliases:  # a bank of one's own knows no synonyms
            return near
        # aliases have said which other words answer: likeness in meaning alone must be great
        meant = self._shares_word(phrase)[self._label_of] | (near + self._merit >= LEAST_MEANT)
        return np.where(meant, near, np.minimum(near, NOTHING)).astype(np.float32)

    def _nearness(self, phrase: str) -> NDArray[np.float32]:
        if phrase in self._aliases:
            return self._answered(self._aliases[phrase])
        vector = embed_text([phrase])[0]
        by_label = LABEL_WEIGHT * (self._label_vectors @ vector) + WORD_WEIGHT * self._overlap(
            phrase
        )
        by_class = CLASS_WEIGHT * self.class_likeness(phrase)
        return (by_label[self._label_of] + by_class[self._class_of]).astype(np.float32)

    def _shares_word(self, phrase: str) -> NDArray[np.bool_]:
        """(labels,): those with a word of the phrase's that can name a sound."""
        sets, _ = self._stems
        said = {stem(word) for word in re.findall(r"[a-z]{2,}", phrase.lower())}
        named = said - GENERIC or said
        return np.array([bool(label & named) for label in sets], bool)

    def _answered(self, labels: Sequence[str]) -> NDArray[np.float32]:
        """Scores where it is known which labels answer; nothing else does."""
        by_label = np.zeros(len(self._names), np.float32)
        for place, label in enumerate(labels):
            if label in self._names:
                by_label[self._names.index(label)] = ALIAS_SCORE - ALIAS_STEP * place
        return by_label[self._label_of]

    def _overlap(self, phrase: str) -> NDArray[np.float32]:
        """Share of the phrase's word weight that each label says too; rare words weigh more."""
        sets, counts = self._stems
        words = {stem(word) for word in re.findall(r"[a-z]{2,}", phrase.lower())}
        weights = {
            word: math.log(len(sets) / counts[word]) * (GENERIC_WEIGHT if word in GENERIC else 1)
            for word in words
            if word in counts
        }
        unknown = UNKNOWN_WEIGHT * math.log(len(sets) + 1) * (len(words) - len(weights))
        total = sum(weights.values()) + unknown or 1.0
        shares = [sum(weights[w] for w in label & weights.keys()) / total for label in sets]
        return np.array(shares, np.float32)

    @cached_property
    def _stems(self) -> tuple[list[frozenset[str]], dict[str, int]]:
        """Stemmed words of every label, and in how many labels each stem is."""
        sets = [frozenset(stem(word) for word in label.split()) for label in self._names]
        counts: dict[str, int] = {}
        for words in sets:
            for word in words:
                counts[word] = counts.get(word, 0) + 1
        return sets, counts


def _merit(recording: Recording) -> float:
    """What a recording's score gains by being typical, and loses by not hitting at once."""
    late = min(1.0, max(0.0, recording.attack_ms - PROMPT_MS) / (LATE_MS - PROMPT_MS))
    return TYPICAL_WEIGHT * recording.typical - LATE_WEIGHT * late


def split_phrases(words: str) -> list[str]:
    """The sounds that words ask for: "dog barking, man (left) and door" -> three phrases.

    What is to sound like a file says so in each: "door, glass like:a.wav" -> "door like:a.wav" ...
    """
    words, file = split_like(words)
    if file:
        parts = split_phrases(words) if words else [""]
        return [f"{part} {LIKE}{file}".strip() for part in parts]
    plain = re.sub(r"\([^)]*\)|\[[^\]]*\]", " ", words)
    parts = re.split(r"[,;/&+]|\band\b|\bwhile\b|\bthen\b", plain, flags=re.IGNORECASE)
    phrases = [" ".join(part.split()) for part in parts if re.search(r"[^\W\d_]{2,}", part)]
    return phrases or [" ".join(words.split())]


def content_words(phrase: str) -> list[str]:
    """The words of a phrase that can name what sounds, when there are several words."""
    words = re.findall(r"[a-z]{3,}", phrase.lower())
    return [word for word in words if stem(word) not in GENERIC] if len(words) > 1 else []
