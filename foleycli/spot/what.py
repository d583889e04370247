"""What is seen, in words of what it would sound like.

Each of ImageNet's classes has the main sound of the scene it speaks for most, and the air of its
likeliest place; probabilities that share a sound are added up: a hundred breeds of dog bark alike.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foleycli.sight.lite import open_classifier, open_student
from foleycli.spot.phrases import phrase_vectors, vocabulary
from foleycli.spot.scene import (
    CLASSES,
    Witnesses,
    all_places,
    all_scenes,
    night_witnesses,
    place_witnesses,
    scene_witnesses,
)

DARK = 50.0  # median brightness, of 255, under which a picture is dark


class Seer:
    """Sees what is in pictures, in shares of the vocabulary.

    Args:
        weights: of a student; None for published networks.
        versions: of EfficientNet-lite; what they hold for likely is averaged.
    """

    def __init__(self, weights: Path | None = None, versions: Sequence[int] = (0,)) -> None:
        opened = [open_student(weights)] if weights else [open_classifier(v) for v in versions]
        self._classifiers = opened
        self._by_day, self._by_night = class_sounds()

    def look(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Pictures (n, 224, 224, 3) -> rows (n, 384): phrase embeddings times their shares.

        Rows add: the mean of the rows of a shot says what is seen in all of it.
        """
        return self.words(self.classify(frames), is_dark(frames))

    def words(
        self, probabilities: NDArray[np.float32], dark: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """ImageNet probabilities (n, 1000) of pictures, and which are dark (n,) -> rows of
        `look`."""
        return self.weigh(probabilities, dark) @ phrase_vectors()

    def shares(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Pictures (n, 224, 224, 3) -> (n, phrases): probability of every sound and every place.

        Sounds sum to about 1 at most (what is silent has none), and so do places.
        """
        return self.weigh(self.classify(frames), is_dark(frames))

    def weigh(
        self, probabilities: NDArray[np.float32], dark: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """ImageNet probabilities (n, 1000) of pictures, and which are dark (n,) -> `shares`."""
        by_night, by_day = probabilities @ self._by_night, probabilities @ self._by_day
        return np.where(dark[:, None], by_night, by_day)

    def classify(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Pictures (n, 224, 224, 3) -> ImageNet probabilities (n, 1000)."""
        shares = [classifier.classify(frames) for classifier in self._classifiers]
        return np.stack(shares).mean(axis=0)

    def see(self, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same, and the embeddings (n, networks, 1280) that they are made of."""
        shares, embeddings = zip(*(net.see(frames) for net in self._classifiers), strict=True)
        return np.stack(shares).mean(axis=0), np.stack(embeddings, axis=1)


def is_dark(frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pictures (n, 224, 224, 3) -> (n,)."""
    return np.median(frames[:, ::4, ::4].mean(axis=3), axis=(1, 2)) < DARK


@lru_cache(maxsize=1)
def class_sounds() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """By day and in the dark, (1000, phrases): weights of what a class sounds like, and its place.

    In the dark, what looks like a spider or a jellyfish is likelier a firework.
    """
    sounds = [scene.lines[0].phrase.words if scene.lines else "" for scene in all_scenes()]
    airs = [place.air.phrase.words for place in all_places()]
    place = _said_most(place_witnesses(), airs)
    day, night = (_said_most(w, sounds) for w in (scene_witnesses(), night_witnesses()))
    return np.maximum(day, place), np.maximum(night, place)


def _said_most(witnesses: Witnesses, words: Sequence[str]) -> NDArray[np.float32]:
    """(1000, phrases): 1 at the words of what a class speaks for most, if it does and has words."""
    columns = {phrase.words: i for i, phrase in enumerate(vocabulary())}
    spoken = witnesses.weights[witnesses.groups[:CLASSES]]
    table = np.zeros((CLASSES, len(columns)), np.float32)
    for row, weights in zip(table, spoken, strict=True):
        said = words[int(weights.argmax())]
        if weights.max() > 0 and said:
            row[columns[said]] = 1
    return table
