"""A clip's own mix, given anew by the public network: no stems, no gains, only the sound."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from foleycli.highlight.context import read_context
from foleycli.highlight.curves import Span
from foleycli.highlight.stems import Stems, stems_of
from foleycli.highlight.visah import RATE, highlight_mix, open_visah
from foleycli.mux.soundtrack import read_soundtrack

Block = NDArray[np.float32]


def remake(
    sources: Stems,
    folder: Path,
    weights: Path,
    context: Path | None,
    strength: float,
    told: Callable[[float], None],
) -> tuple[Stems, list[Span]]:
    """Run a mix through VisAH's network at 44.1 kHz, into a folder.

    At strength 0 the network is not asked, and the mix stays as it is, at its own rate.

    Args:
        sources: of which "effects" is the mix.
        context: rows of what is seen, one a second.
        told: how much is done, 0 to 1.

    Raises:
        ModelError: the weights cannot be read.
        MediaError: the rows cannot.
    """
    spans = [Span(Fraction(0), sources.duration, {"effects": 0.0}, {}, "by visah")]
    net = open_visah(weights)
    rows = read_context(context, net.config.context_size) if context else None
    if strength == 0:
        return sources, spans
    part = sources.parts["effects"][0]
    samples = round(sources.duration * RATE)
    heard = read_soundtrack(part.path, part.index, RATE, part.origin)
    made = highlight_mix(
        _exactly(heard, samples, part.channels), samples, net, rows, strength, told
    )
    wav = folder / "made.wav"
    with soundfile.SoundFile(str(wav), "w", RATE, part.channels, "FLOAT") as file:
        for block in made:  # it may pass full scale
            file.write(block)
    return stems_of({"effects": wav}, samples), spans


def _exactly(blocks: Iterable[Block], samples: int, channels: int) -> Iterator[Block]:
    """Cut, or filled with silence, to so many samples."""
    given = 0
    for block in blocks:
        part = block[: samples - given]
        given += len(part)
        yield part
    if given < samples:
        yield np.zeros((samples - given, channels), np.float32)
