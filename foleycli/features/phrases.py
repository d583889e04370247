"""The vocabulary of what can be seen to sound, and the way back from a vector to its words.

``phrases.csv`` holds the words. A feature row is the sum of their embeddings, each times its share
of what is seen; as there are fewer phrases than numbers in a row, the shares can be read back, also
from the mean of many rows.
"""

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from foleycli.features.text import embed_text

Kind = Literal["hit", "bed"]
Role = Literal["source", "contact", "scene"]
ROLES: dict[str, Role] = {"source": "source", "contact": "contact", "scene": "scene"}
RIDGE = 1e-2  # keeps near-synonyms from cancelling each other when shares are read back


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sound in words.

    A ``source`` sounds by itself, a ``contact`` when it is touched or moves, a ``scene`` is what
    is heard around; ``gap`` is how soon, in seconds, a hit can follow another.
    """

    words: str
    kind: Kind
    role: Role = "source"
    gap: float = 0.0


@lru_cache(maxsize=1)
def vocabulary() -> tuple[Phrase, ...]:
    """Every phrase of ``phrases.csv``, in its order."""
    with (files("foleycli.features") / "phrases.csv").open(encoding="utf-8") as file:
        return tuple(
            Phrase(
                row["words"],
                "hit" if row["kind"] == "hit" else "bed",
                ROLES[row["role"]],
                float(row["gap"]),
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
    return np.asarray(np.linalg.solve(gram, vectors)).T


def read_shares(what: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows (n, 384) or their mean (384,) -> share of each phrase, (n, phrases) or (phrases,)."""
    return np.maximum(0, what @ _reader()).astype(np.float32)


def phrase_of(words: str) -> Phrase:
    """The user's own words as a phrase: kind and gap are those of the nearest known one."""
    similar = phrase_vectors() @ embed_text([words])[0]
    nearest = vocabulary()[int(similar.argmax())]
    return Phrase(words, nearest.kind, nearest.role, nearest.gap)
