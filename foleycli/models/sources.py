"""The sources of sound: what turns features and cues into a waveform, by name."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from foleycli.config import OUTPUT, GenerateConfig
from foleycli.errors import ModelError
from foleycli.features.cues import Cue
from foleycli.features.encode import encode_video
from foleycli.features.features import Features
from foleycli.frames.decode import Picture
from foleycli.library.bank import Bank
from foleycli.library.place import place_cues


class Source(Protocol):
    """Something that sees a picture and sounds."""

    name: str
    fingerprint: str  # changes when its weights or recordings change

    def encode(self, pictures: Iterable[Picture]) -> Features:
        """What the picture says about its sound."""
        ...

    def render(
        self, features: Features, cues: list[Cue], config: GenerateConfig
    ) -> Iterator[np.ndarray]:
        """Blocks (samples,) float32 at 48 kHz, in total exactly round(duration x 48000)."""
        ...


class LibrarySource:
    """Recordings set at the cues."""

    name = "library"

    def __init__(self, folder: Path | None = None) -> None:
        self.bank = Bank.open(folder)
        self.fingerprint = self.bank.fingerprint

    def encode(self, pictures: Iterable[Picture]) -> Features:
        """What the picture says about its sound."""
        return encode_video(pictures)

    def render(
        self, features: Features, cues: list[Cue], config: GenerateConfig
    ) -> Iterator[np.ndarray]:
        """Blocks (samples,) float32 at 48 kHz."""
        return place_cues(
            cues,
            self.bank,
            features.duration,
            OUTPUT.sample_rate,
            config.seed,
            cuts=features.cuts,
            avoid=config.negative_prompt,
        )


def open_source(config: GenerateConfig) -> Source:
    """Open what ``config.model`` names.

    Raises:
        ModelError: unknown or not installed.
    """
    name = "library" if config.library else config.model
    if name == "auto":
        name = best_installed()
    if name == "library":
        return LibrarySource(Path(config.library) if config.library else None)
    raise ModelError(f"There is no model named {name!r}.", "Known: auto, library, small.")
