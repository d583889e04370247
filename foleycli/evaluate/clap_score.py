"""CLAP scores: how well a sound fits words, and another sound, as LAION CLAP places them.

The CLAP score of papers on sound for text and video (such as MMAudio, arXiv 2412.15322, by
hkchengrex/av-benchmark) is the cosine between a sound and the words it was made for.
"""

from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from foleycli.listeners.extractors import open_extractor
from foleycli.listeners.heard import Heard


class Reader(Protocol):
    """A listener that reads, too."""

    def read(self, words: str) -> NDArray[np.float32]:
        """A row (size,) in the space of its embeddings."""
        ...


def clap_score(candidate: Heard, words: str) -> float:
    """Cosine between a sound and words; nan when there are none."""
    if not words.strip():
        return float("nan")
    reader = cast(Reader, open_extractor("clap"))
    return cosine(candidate.embedding, reader.read(words))


def clap_audio(own: Heard, candidate: Heard) -> float:
    """Cosine between two sounds."""
    return cosine(own.embedding, candidate.embedding)


def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """From -1 to 1."""
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
