"""A source of sound that is quick, for tests of what surrounds it."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from foleycli.config import GenerateConfig
from foleycli.frames.decode import Picture
from foleycli.spot.cues import Cue
from foleycli.spot.features import Features

SAMPLE_RATE = 48_000


class Clicks:
    """One hit at 1/8 s whatever is seen; a click a cue over a soft constant."""

    name, fingerprint, looking = "library", "1", 0.8
    own_speed = None

    def __init__(self) -> None:
        self.looked = 0

    def encode(self, pictures: Iterable[Picture]) -> Features:
        self.looked += 1
        end = Fraction(0)
        for picture in pictures:
            end = picture.end
        rows = int(end * 4) + 1
        hits = np.zeros(rows * 16, np.float32)
        hits[8] = 1.0
        classes = np.zeros((rows, 1000), np.float16)
        classes[:, 577] = 0.9  # a gong
        return Features.assemble(
            np.zeros((rows, 384), np.float32), hits, hits, end, classes=classes
        )

    def render(
        self, features: Features, cues: list[Cue], config: GenerateConfig, told=None
    ) -> Iterator[np.ndarray]:
        sound = np.full(round(features.duration * SAMPLE_RATE), 0.01, np.float32)
        for cue in cues:
            at = round(cue.start * SAMPLE_RATE)
            sound[at : at + 480] = 0.5 + config.seed % 7 / 100
        yield from np.array_split(sound, 3)
