"""The sources of sound: what turns features and cues into a waveform, by name.

What a source needs is imported when it is opened: ``library`` starts without torch.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from foleycli.config import GenerateConfig
from foleycli.errors import UsageError
from foleycli.frames.decode import Picture
from foleycli.models.bundle import Bundle
from foleycli.sources.identity import DIFF_FOLEY, SELVA, find_family, find_folder, resolve
from foleycli.spot.cues import Cue
from foleycli.spot.features import Features
from foleycli.waveform.join import Share, nobody


class Source(Protocol):
    """Something that sees a picture and sounds."""

    name: str
    fingerprint: str  # changes when its weights or recordings change
    looking: float  # share of the time that goes by until it begins to sound; for a progress bar

    @property
    def own_speed(self) -> str | None:
        """Of `config.SPEEDS`, where none is asked for; None: it has no steps."""
        ...

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


def open_source(config: GenerateConfig) -> Source:
    """Open what ``config.model`` names.

    Raises:
        ModelError: it is unknown, or not installed.
        UsageError: there is no such device.
    """
    name = resolve(config)
    if name == "library":
        from foleycli.sources.library import LibrarySource

        if config.device not in ("auto", "cpu"):
            find_device(config.device)  # it runs on the CPU, but refuses what is not there
        return LibrarySource(Path(config.library) if config.library else None, config.encoder)
    device = find_device(config.device)
    family = "small" if name == "small" else find_family(find_folder(name))
    if family == DIFF_FOLEY:
        from foleycli.sources.diff_foley import DiffFoleySource  # diffusers takes seconds to import

        return DiffFoleySource(Bundle.open(find_folder(name)), name, device)
    if family == SELVA:
        from foleycli.sources.selva import SelvaSource

        return SelvaSource(Bundle.open(find_folder(name)), name, device)
    from foleycli.sources.diffused import SmallSource

    if name == "small":
        return SmallSource(device=device, encoder=config.encoder)
    return SmallSource(find_folder(name), device, config.encoder, name)


def find_device(name: str) -> str:
    """``auto`` is the quickest there is.

    Raises:
        UsageError: this machine has no such device.
    """
    import torch

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
