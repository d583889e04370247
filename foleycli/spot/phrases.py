"""The vocabulary of what can be seen to sound, and the way back from a vector to its words.

``phrases.csv`` holds the words. A feature row is the sum of their embeddings, each times its share
of what is seen; as there are fewer phrases than numbers in a row, the shares can be read back, also
from the mean of many rows.

The vectors of the words ship; after a change of ``phrases.csv`` this writes them anew:

    python -m foleycli.spot.phrases
"""

import csv
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from foleycli.spot.text import embed_text, keep_vectors

Kind = Literal["hit", "bed"]
Role = Literal["source", "contact", "scene"]
ROLES: dict[str, Role] = {"source": "source", "contact": "contact", "scene": "scene"}
STRIKES = re.compile(
    r"(.+?) (?:hitt?|strik|strike|tapp?|beat|bang|knock|slapp?|pound|kick)(?:s|es|ing)"
    r"(?: on| against| at)?(?: an?| the)? (.+)",
    re.IGNORECASE,
)
SAME = {"drumstick": "wooden stick", "drumsticks": "wooden stick"}  # what it is, not what it is for
CLOSE, SYNONYM = 0.6, 0.98  # similarity from which words mean the same; above, they are the same
ROWS_AT_ONCE = 1024  # read in double precision, which for all of a long film would be large
RIDGE = 1e-3  # keeps near-synonyms from cancelling each other when shares are read back


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sound in words.

    A ``source`` sounds by itself, a ``contact`` when it is touched or moves, a ``scene`` is what
    is heard around; ``gap`` is how soon, in seconds, a hit can follow another; ``weight`` makes up
    for what ImageNet knows only by what lies around it (no class is a baby, diapers are one).
    """

    words: str
    kind: Kind
    role: Role = "source"
    gap: float = 0.0
    weight: float = 1.0


@lru_cache(maxsize=1)
def vocabulary() -> tuple[Phrase, ...]:
    """Every phrase of ``phrases.csv``, in its order."""
    with (files("foleycli.spot") / "phrases.csv").open(encoding="utf-8") as file:
        return tuple(
            Phrase(
                row["words"],
                "hit" if row["kind"] == "hit" else "bed",
                ROLES[row["role"]],
                float(row["gap"]),
                float(row["weight"]),
            )
            for row in csv.DictReader(file)
        )


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


def parse_prompt(prompt: str) -> list[Phrase]:
    """The sounds that a prompt asks for, each to be found and timed on its own.

    Commas, semicolons, slashes, "and", "while" and "then" part sounds; what stands in brackets is
    a remark. Of "stick hitting metal rail" the struck thing sounds with the striker; what means
    nearly the same as a known phrase is looked for by those words too.

    Examples:
        "dog barking, man at door (night)" -> "dog barking"; "man at door"
        "hammer hitting a metal rail" -> "metal rail impact, hammer"
        "people cheering" -> "people cheering, crowd cheering"
    """
    plain = re.sub(r"\([^)]*\)|\[[^\]]*\]", " ", prompt)
    parts = re.split(r"[,;/&+\n]|\band\b|\bwhile\b|\bthen\b", plain, flags=re.IGNORECASE)
    wordy = [" ".join(part.split()) for part in parts if re.search(r"[^\W\d_]{2,}", part)]
    return [phrase_of(words) for words in wordy or prompt.split("\n")[:1] if words.strip()]


def phrase_of(words: str) -> Phrase:
    """The user's own words as a phrase: kind and gap are those of the nearest known one."""
    if struck := STRIKES.match(words):
        striker = SAME.get(struck[1].lower(), struck[1])
        words = f"{struck[2]} impact, {striker}"
    similar = phrase_vectors() @ embed_text([words.partition(",")[0]])[0]
    nearest = vocabulary()[int(similar.argmax())]
    if CLOSE <= similar.max() < SYNONYM and "," not in words:
        words = f"{words}, {nearest.words}"
    return Phrase(words, nearest.kind, nearest.role, nearest.gap)


if __name__ == "__main__":
    keep_vectors([phrase.words for phrase in vocabulary()])
