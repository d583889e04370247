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
from foleycli.features.what import Seer
from foleycli.frames.decode import Picture
from foleycli.library.bank import Bank
from foleycli.library.place import place_cues
from foleycli.models.registry import MODELS, find_model

AUTO_SCORE = "clips_kl"  # KL of what is heard against real clips' own sound; lower is better


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

    def __init__(self, folder: Path | None = None, device: str = "cpu") -> None:
        self.bank = Bank.open(folder)
        self.fingerprint = self.bank.fingerprint
        self._seer = Seer(device)

    def encode(self, pictures: Iterable[Picture]) -> Features:
        """What the picture says about its sound."""
        return encode_video(pictures, self._seer)

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
            avoid=config.negative_prompt or "",
        )


def open_source(config: GenerateConfig) -> Source:
    """Open what ``config.model`` names.

    Raises:
        ModelError: it is unknown, or not installed.
    """
    name = resolve(config)
    if name == "library":
        return LibrarySource(Path(config.library) if config.library else None)
    raise ModelError(f"{name} is not installed.", "`foley models list` shows what is.")


def resolve(config: GenerateConfig) -> str:
    """The name of the source that will be used.

    ``auto`` is the installed one with the best figure on real clips, by its model card; recordings
    given with ``library`` are always used.
    """
    if config.library:
        return "library"
    if config.model != "auto":
        return find_model(config.model).name
    installed = [model for model in MODELS if model.installed and AUTO_SCORE in model.scores]
    return min(installed, key=lambda model: model.scores[AUTO_SCORE], default=MODELS[0]).name
