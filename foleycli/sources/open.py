"""The sources of sound: what turns features and cues into a waveform, by name."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from foleycli.config import GENERATE, OUTPUT, GenerateConfig
from foleycli.errors import UsageError
from foleycli.frames.decode import Picture
from foleycli.latents.sampler import Progress
from foleycli.library.bank import Bank
from foleycli.library.place import place_cues
from foleycli.models.bundle import Bundle
from foleycli.models.identity import (
    DIFF_FOLEY,
    SELVA,
    find_family,
    find_folder,
    resolve,
    small_fingerprint,
)
from foleycli.sources.small import SHIPPED, SmallModel
from foleycli.sources.timbre import Examples
from foleycli.spot.cues import Cue
from foleycli.spot.encode import Encoder, encode_video
from foleycli.spot.features import Features, row_count
from foleycli.spot.render import render_features
from foleycli.spot.text import embed_text
from foleycli.waveform.join import (
    Share,
    Stretch,
    nobody,
    plan_windows,
    sound_stretches,
    watch_windows,
)

BED_DB = -8.0  # of what sounds on to what is struck, as among the library's recordings (kinds.csv)


class Source(Protocol):
    """Something that sees a picture and sounds."""

    name: str
    fingerprint: str  # changes when its weights or recordings change
    looking: float  # share of the time that goes by until it begins to sound; for a progress bar

    def encode(self, pictures: Iterable[Picture], words: Sequence[str] = ()) -> Features:
        """What the picture says about its sound, and about each of some words."""
        ...

    def render(
        self,
        features: Features,
        cues: list[Cue],
        config: GenerateConfig,
        told: Share = nobody,
    ) -> Iterator[np.ndarray]:
        """Blocks (samples,) float32 at 48 kHz, in total exactly round(duration x 48000).

        ``told`` hears how far a block has come that takes long.
        """
        ...


class LibrarySource:
    """Recordings set at the cues."""

    name = "library"
    looking = 0.8  # measured on 1080p H.264

    def __init__(
        self, folder: Path | None = None, device: str = "cpu", encoder: str = GENERATE.encoder
    ) -> None:
        self.bank = Bank.open(folder)
        self.fingerprint = self.bank.fingerprint
        self._encoder = Encoder.open(encoder, device)

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
        return place_cues(
            cues,
            self.bank,
            features.duration,
            OUTPUT.sample_rate,
            config.seed,
            cuts=features.cuts,
            avoid=config.negative_prompt or "",
        )


class SmallSource:
    """Latent diffusion over the features that the cues render to, shot by shot."""

    looking = 0.4  # measured on 1080p H.264

    def __init__(
        self,
        folder: Path = SHIPPED,
        device: str = "cpu",
        encoder: str = GENERATE.encoder,
        name: str = "small",
    ) -> None:
        self.name = name
        self.model = SmallModel.load(folder, device)
        self._bank = Bank.open(None)
        self.fingerprint = small_fingerprint(folder, self._bank)
        self._encoder = Encoder.open(encoder, device)

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
        unwanted = embed_text([config.negative_prompt])[0] if config.negative_prompt else None

        def sound_window(rows: np.ndarray, seed: int, progress: Progress) -> np.ndarray:
            return self.model.generate(
                rows, seed, config.steps, config.guidance, unwanted, progress
            )

        windows = sum(len(plan_windows(row_count(end - start))) for start, end in features.shots())
        watched = watch_windows(sound_window, windows, told)
        examples = Examples(self._bank, self.model.mel, config.seed)
        shots = (_shot(cues, start, end, examples) for start, end in features.shots())
        return sound_stretches(shots, watched, self.model.mel.sample_rate, config.seed)


def _shot(cues: list[Cue], start: Fraction, end: Fraction, examples: Examples) -> Stretch:
    """The rows that the cues of one shot render to, counted from its first frame."""
    inside = [
        replace(
            cue,
            start=max(cue.start, start) - start,
            duration=min(cue.end, end) - max(cue.start, start),
            level_db=cue.level_db + (BED_DB if cue.kind == "bed" else 0),
        )
        for cue in cues
        if cue.start < end and cue.end > start
    ]
    return Stretch(render_features(inside, end - start, timbre=examples).rows, start, start, end)


def open_source(config: GenerateConfig) -> Source:
    """Open what ``config.model`` names.

    Raises:
        ModelError: it is unknown, or not installed.
        UsageError: there is no such device.
    """
    name, device = resolve(config), find_device(config.device)
    if name == "library":
        folder = Path(config.library) if config.library else None
        return LibrarySource(folder, device, config.encoder)
    if name == "small":
        return SmallSource(device=device, encoder=config.encoder)
    folder = find_folder(name)
    family = find_family(folder)
    if family == SELVA:
        from foleycli.sources.selva import SelvaSource

        return SelvaSource(Bundle.open(folder), name, device)
    if family != DIFF_FOLEY:
        return SmallSource(folder, device, config.encoder, name)
    from foleycli.sources.diff_foley import DiffFoleySource  # diffusers takes seconds to import

    return DiffFoleySource(Bundle.open(folder), name, device)


def find_device(name: str) -> str:
    """``auto`` is the quickest there is.

    Raises:
        UsageError: this machine has no such device.
    """
    known = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return "cuda" if known["cuda"] else "mps" if known["mps"] else "cpu"
    if not known.get(name.partition(":")[0]):
        there = ", ".join(device for device, there in known.items() if there)
        raise UsageError(f"There is no device {name!r} here.", f"Choose auto, {there}.")
    return name
