"""The vocabulary of what can be seen to sound, and the way back from a vector to its words.

``phrases.csv`` holds the words. A feature row is the sum of their embeddings, each times its share
of what is seen; as there are fewer phrases than numbers in a row, the shares can be read back, also
from the mean of many rows.

``asked.csv`` has what no picture shows and people ask for in words all the same: sounds of its own,
a car's horn or a zipper, and other words for those that are known.

The vectors of the words ship; after a change of either table this writes them anew:

    python -m foleycli.spot.phrases
"""

import csv
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from foleycli.spot.cues import LAYERS, Cue, Kind, Layer, layer_of
from foleycli.spot.text import embed_text, keep_vectors, stem

# hit: single hits; run: hits that may follow fast; grains: many small sounds, as dense as the
# motion; bed: sounds on while something moves; hold: sounds on at its own level, moving or not
How = Literal["hit", "run", "grains", "bed", "hold"]
STRIKES = re.compile(
    r"(.+?) (?:hitt?|strik|strike|tapp?|beat|bang|knock|slapp?|pound|kick)(?:s|es|ing)"
    r"(?: on| against| at)?(?: an?| the)? (.+)",
    re.IGNORECASE,
)
SAME = {"drumstick": "wooden stick", "drumsticks": "wooden stick"}  # what it is, not what it is for
SAME_MEANING = 0.72  # likeness from which words mean what a phrase means
UNDERSTOOD = 0.5  # likeness to any phrase from which words are a sound at all
SMALL_WORDS = frozenset(
    "a an and at away by down for from in into near of off on out over the to up with".split()
)
MOST_SAID = 3  # sounds that one part of a prompt asks for, at most
ROWS_AT_ONCE = 1024  # read in double precision, which for all of a long film would be large
RIDGE = 1e-3  # keeps near-synonyms from cancelling each other when shares are read back


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sound in words.

    ``layer`` is the track it belongs to, ``how`` how it sounds, and ``gap`` how soon, in seconds, a
    hit can follow another.
    """

    words: str
    layer: Layer
    how: How
    gap: float = 0.0

    @property
    def kind(self) -> Kind:
        """Of its cues."""
        return "hit" if self.how in ("hit", "run") else "bed"


@lru_cache(maxsize=1)
def vocabulary() -> tuple[Phrase, ...]:
    """Every phrase of ``phrases.csv``, in its order."""
    with (files("foleycli.spot") / "phrases.csv").open(encoding="utf-8") as file:
        return tuple(
            Phrase(row["words"], layer_of(row["layer"]), how_of(row["how"]), float(row["gap"]))
            for row in csv.DictReader(file)
        )


@lru_cache(maxsize=1)
def asked_vocabulary() -> tuple[Phrase, ...]:
    """The phrases of ``asked.csv``: sounds that are only ever asked for in words."""
    return tuple(
        Phrase(row["words"], layer_of(row["layer"]), how_of(row["how"]), float(row["gap"]))
        for row in _asked_rows()
        if not row["sounds"]
    )


@lru_cache(maxsize=1)
def other_words() -> dict[str, str]:
    """Words -> the sounds of the vocabulary that they ask for, as a row of ``scenes.csv`` has
    them."""
    return {row["words"]: row["sounds"] for row in _asked_rows() if row["sounds"]}


@lru_cache(maxsize=1)
def _asked_rows() -> tuple[dict[str, str], ...]:
    with (files("foleycli.spot") / "asked.csv").open(encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


@lru_cache(maxsize=1)
def phrase_vectors() -> NDArray[np.float32]:
    """Embeddings of the vocabulary, (phrases, 384), unit rows."""
    return embed_text([phrase.words for phrase in vocabulary()])


@lru_cache(maxsize=1)
def _reader() -> NDArray[np.float64]:
    """(384, phrases): takes a row to the shares it was made of."""
    vectors = phrase_vectors().astype(np.float64)
    gram = vectors @ vectors.T + RIDGE * np.eye(len(vectors))
    return np.asarray(np.linalg.solve(gram, vectors), np.float64).T


def read_shares(what: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows (n, 384) or their mean (384,) -> share of each phrase, (n, phrases) or (phrases,)."""
    if what.ndim == 1:
        return np.maximum(0, what @ _reader()).astype(np.float32)
    parts = (what[i : i + ROWS_AT_ONCE] @ _reader() for i in range(0, len(what), ROWS_AT_ONCE))
    return np.concatenate([np.maximum(0, part).astype(np.float32) for part in parts])


def split_prompt(prompt: str) -> list[str]:
    """The sounds that a prompt asks for in words, each to be found and timed on its own.

    Commas, semicolons, slashes, "and", "while" and "then" part sounds; what stands in brackets is
    a remark, and a verb alone ("then flying off") is what somebody does who was named before.

    Example:
        "dog barking, man at door (night)" -> "dog barking"; "man at door"
    """
    plain = re.sub(r"\([^)]*\)|\[[^\]]*\]", " ", prompt)
    parts = re.split(r"[,;/&+\n]|\band\b|\bwhile\b|\bthen\b", plain, flags=re.IGNORECASE)
    wordy = [" ".join(part.split()) for part in parts if re.search(r"[^\W\d_]{2,}", part)]
    sounds = [words for words in wordy if not _is_verb(words) or said_names(words)]
    return [words for words in sounds or wordy or prompt.split("\n")[:1] if words.strip()]


def _is_verb(words: str) -> bool:
    content = [word for word in words.lower().split() if word not in SMALL_WORDS]
    return len(content) == 1 and content[0].endswith("ing")


def said_names(words: str) -> list[str]:
    """The phrases and other words of the tables all of whose words are said, none of them twice;
    the rarest words first, then the likest."""
    said = {stem(word) for word in re.findall(r"[a-z]+", words.lower())}
    names, sets, weights = _stems()
    there = [i for i, stems in enumerate(sets) if stems and stems <= said]
    if not there:
        return []
    vectors = embed_text([words, *(names[i] for i in there)])
    likeness = dict(zip(there, vectors[1:] @ vectors[0], strict=True))
    found: list[str] = []
    for i in sorted(there, key=lambda i: (-sum(weights[w] for w in sets[i]), -likeness[i])):
        if sets[i] <= said and len(found) < MOST_SAID:
            found.append(names[i])
            said -= sets[i]
    return found


def said_phrase(words: str) -> Phrase | None:
    """The known phrase all of which the words say, the one of the rarest words if there are
    several."""
    names = said_names(words)
    if not names:
        return None
    sounds = other_words().get(names[0], names[0])
    return known_phrase(sounds.split(";")[0].partition("@")[0].strip())


@lru_cache(maxsize=4096)  # sheets of thousands of events say few words, and are asked often
def phrase_of(words: str) -> Phrase:
    """The user's own words as a phrase.

    Where they say all that a known phrase says, or mean the same, it is that phrase, whose
    recordings are known: "boy hitting tennis balls indoors" is "tennis ball hit". Else they are
    looked for as they are; kind, layer and gap are those of the nearest phrase. Of "hammer hitting
    a bronze rail" the struck thing sounds with the striker: "bronze rail impact, hammer".
    """
    if known := said_phrase(words):
        return known
    likeness = _all_vectors() @ embed_text([words])[0]
    nearest = _all_phrases()[int(likeness.argmax())]
    if likeness.max() >= SAME_MEANING:
        return nearest
    if struck := STRIKES.match(words):
        striker = SAME.get(struck[1].lower(), struck[1])
        nearest = known_phrase("wood impact") if nearest.kind == "bed" else nearest
        return replace(nearest, words=f"{struck[2]} impact, {striker}")
    return replace(nearest, words=words)


def in_layers(cues: Iterable[Cue]) -> dict[Layer, list[Cue]]:
    """The cues of each layer that has any, in the order of `LAYERS`; one that does not say its
    layer belongs to that of the sound which its words are nearest to."""
    dealt: dict[Layer, list[Cue]] = {layer: [] for layer in LAYERS}
    for cue in cues:
        dealt[cue.layer or phrase_of(cue.what).layer].append(cue)
    return {layer: found for layer, found in dealt.items() if found}


def is_understood(phrase: Phrase) -> bool:
    """Whether words are near enough to some known phrase to be looked for in its place."""
    return bool((_all_vectors() @ embed_text([phrase.words])[0]).max() >= UNDERSTOOD)


@lru_cache(maxsize=1)
def _stems() -> tuple[list[str], list[frozenset[str]], dict[str, float]]:
    """Phrases and other words; the stems of each that say something; and how rare each stem is."""
    names = [*(phrase.words for phrase in _all_phrases()), *other_words()]
    sets = [
        frozenset(stem(w) for w in name.replace("-", " ").split() if w not in SMALL_WORDS)
        for name in names
    ]
    counts = Counter(word for words in sets for word in words)
    return names, sets, {word: math.log(1 + len(sets) / count) for word, count in counts.items()}


@lru_cache(maxsize=1)
def _all_phrases() -> tuple[Phrase, ...]:
    return *vocabulary(), *asked_vocabulary()


@lru_cache(maxsize=1)
def _all_vectors() -> NDArray[np.float32]:
    return np.concatenate(
        [phrase_vectors(), embed_text([phrase.words for phrase in asked_vocabulary()])]
    )


@lru_cache(maxsize=1)
def _by_words() -> dict[str, Phrase]:
    return {phrase.words: phrase for phrase in _all_phrases()}


def known_phrase(words: str) -> Phrase:
    """The phrase of either table with exactly these words."""
    return _by_words()[words]


def how_of(text: str) -> How:
    """A text as one of the ways in which a phrase sounds.

    Raises:
        ValueError: it is none.
    """
    for how in get_args(How):
        if how == text:
            return how
    raise ValueError(f"{text!r} is not how a phrase sounds: {', '.join(get_args(How))}")


if __name__ == "__main__":
    known = [phrase.words for phrase in _all_phrases()]  # and their words: a bank asks for them too
    keep_vectors(list(dict.fromkeys([*known, *" ".join(known).lower().split()])))
