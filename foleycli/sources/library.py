"""``library``: recordings set at the cues. Needs no torch, so that it starts quickly."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from foleycli.config import GENERATE, OUTPUT, GenerateConfig
from foleycli.frames.decode import Picture
from foleycli.library.index import open_bank
from foleycli.library.place import arrange, name_recordings, place_cues
from foleycli.library.table import Recording
from foleycli.spot.cues import Cue
from foleycli.spot.encode import Encoder, encode_video
from foleycli.spot.features import Features
from foleycli.waveform.join import Share, nobody
from foleycli.waveform.space import Space


class LibrarySource:
    """Recordings set at the cues."""

    name = "library"
    looking = 0.8  # measured on 1080p H.264
    own_speed = None  # it has no steps

    def __init__(self, folder: Path | None = None, encoder: str = GENERATE.encoder) -> None:
        self.bank = open_bank(folder)
        self.fingerprint = self.bank.fingerprint
        self._encoder = Encoder.open(encoder)

    def encode(self, pictures: Iterable[Picture], words: Sequence[str] = ()) -> Features:
        """What the picture says about its sound, and where what words name moves."""
        return encode_video(pictures, self._encoder, words)

    def render(
        self,
        features: Features,
        cues: list[Cue],
        config: GenerateConfig,
        told: Share = nobody,
    ) -> Iterator[np.ndarray]:
        """Blocks (samples,) float32 at 48 kHz."""
        return self.render_in(None, features, cues, config)

    def render_in(
        self, space: Space | None, features: Features, cues: list[Cue], config: GenerateConfig
    ) -> Iterator[np.ndarray]:
        """Blocks (samples, columns) of a space, each sound at its own place in it."""
        return place_cues(
            cues,
            self.bank,
            features.duration,
            OUTPUT.sample_rate,
            config.seed,
            cuts=features.cuts,
            avoid=config.negative_prompt or "",
            space=space,
        )

    def choose(
        self, features: Features, cues: Sequence[Cue], config: GenerateConfig
    ) -> list[tuple[Recording, ...] | None]:
        """The recordings that `render` gives each cue, in the order they are heard; none where
        there is no recording of that, None where the cue begins after the end."""
        voices = arrange(
            cues,
            self.bank,
            features.duration,
            OUTPUT.sample_rate,
            config.seed,
            features.cuts,
            avoid=config.negative_prompt or "",
        )
        return name_recordings(cues, voices, features.duration, OUTPUT.sample_rate)
