"""The listeners, by name: networks that turn a sound into embeddings and, most of them, classes.

A number is comparable only with one of the same listener, so a measure's name ends in its
listener's: ``fad_yamnet``, ``fad_vggish``.
"""

from collections.abc import Callable
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foleycli.errors import UsageError
from foleycli.listeners.heard import Heard
from foleycli.listeners.yamnet import yamnet


class Extractor(Protocol):
    """A listener."""

    name: str
    fingerprint: str  # changes when it may hear otherwise
    sample_rate: int  # Hz, that it wants
    levelled: bool  # whether it wants sounds at -20 LUFS; if not, as they are

    def __call__(self, waveform: NDArray[np.float32]) -> Heard:
        """Hear a mono waveform (samples,)."""
        ...


def _aisfx() -> Extractor:
    from foleycli.listeners.aisfx import open_aisfx  # torch takes a second to import

    return open_aisfx()


def _vggish() -> Extractor:
    from foleycli.listeners.vggish import VggishListener

    return VggishListener()


def _panns() -> Extractor:
    from foleycli.listeners.panns import PannsListener

    return PannsListener()


def _passt() -> Extractor:
    from foleycli.listeners.passt import PasstListener

    return PasstListener()


def _clap() -> Extractor:
    from foleycli.listeners.clap import ClapListener

    return ClapListener()


def _imagebind() -> Extractor:
    from foleycli.listeners.imagebind import ImageBindListener

    return ImageBindListener()


OPENERS: dict[str, Callable[[], Extractor]] = {
    "yamnet": yamnet,
    "aisfx": _aisfx,
    "vggish": _vggish,
    "panns": _panns,
    "passt": _passt,
    "clap": _clap,
    "imagebind": _imagebind,
}


@cache
def open_extractor(name: str) -> Extractor:
    """The listener of that name, opened once.

    Raises:
        ModelError: its weights are not here; the remedy says how they come.
        UsageError: there is none.
    """
    if name not in OPENERS:
        raise UsageError(f"There is no listener named {name!r}.", f"Known: {', '.join(OPENERS)}.")
    return OPENERS[name]()
