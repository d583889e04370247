"""Stems times their curves, summed: block by block, and as exact as 24 bits are.

Where no curve turns anything, the sum is that of the stems to the last bit and nothing limits it.
Else one gain for the whole keeps its peaks under the ceiling; nothing is compressed.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foleycli.config import HIGHLIGHT, LoudnessTarget
from foleycli.highlight.curves import Curve, Span, Stem, keyframes
from foleycli.highlight.stems import Stems
from foleycli.waveform.loudness import LoudnessMeter, PeakMeter, from_db, to_db
from foleycli.waveform.write import BITS

LOG = logging.getLogger("foleycli")
STEPS = 2.0 ** (BITS - 1)
LEAST_ROOM = 1e-6  # under the ceiling, for what rounding may add


@dataclass(frozen=True, slots=True)
class Remix:
    """Stems, and what they are turned by."""

    stems: Stems
    curves: Mapping[Stem, Curve]
    gain: float = 1.0  # of all

    @classmethod
    def of(cls, stems: Stems, spans: Sequence[Span]) -> "Remix":
        """Every stem with its curve of ``spans``."""
        rate = stems.sample_rate
        return cls(stems, {s: Curve(keyframes(spans, s), rate) for s in stems.names})

    @property
    def is_untouched(self) -> bool:
        """Whether no curve turns anything."""
        return all(curve.is_one() for curve in self.curves.values())

    def blocks(self) -> Iterator[dict[Stem, NDArray[np.float32]]]:
        """Of each stem (samples, channels) on the 24-bit grid; their sum is the mix."""
        for first, blocks in self.stems.blocks():
            yield {
                stem: _rounded(self.curves[stem].shape(block, first) * self.gain)
                for stem, block in blocks.items()
            }

    def mix(self, told: Callable[[float], None] = lambda done: None) -> Iterator[NDArray]:
        """(samples, channels) float64, the sum of what `blocks` gives, exactly."""
        done = 0
        for blocks in self.blocks():
            total = sum(block.astype(np.float64) for block in blocks.values())
            assert isinstance(total, np.ndarray)
            done += len(total)
            told(done / max(1, self.stems.samples))
            yield total

    def turned(self, blocks: Mapping[Stem, NDArray[np.float32]], first: int) -> NDArray:
        """The sum of a block's stems (samples, channels), turned but not rounded."""
        total = sum(self.curves[stem].shape(block, first) for stem, block in blocks.items())
        assert isinstance(total, np.ndarray)
        return total

    def bound(self, blocks: Mapping[Stem, NDArray[np.float32]], first: int) -> float:
        """What no sample of `turned` is larger than; a look at the blocks alone."""
        return sum(
            max(float(block.max(initial=0)), -float(block.min(initial=0)))
            * self.curves[stem].largest(first, len(block))
            for stem, block in blocks.items()
        )

    def stem(self, name: Stem) -> Iterator[NDArray[np.float32]]:
        """One stem as it goes into the mix."""
        for blocks in self.blocks():
            yield blocks[name]


def settle(
    remix: Remix,
    target: LoudnessTarget | None = None,
    peak_db: float = HIGHLIGHT.peak_db,
    told: Callable[[float], None] = lambda done: None,
    exact: bool | None = None,
) -> Remix:
    """Give a remix the one gain that it needs: for the peak, and for a loudness that is asked for.

    An untouched one without a target stays as it is, and what passes full scale is said; ``exact``
    says that of one which only looks untouched, or not.
    """
    meters = None
    if target:
        rate, channels = remix.stems.sample_rate, remix.stems.channels
        meters = LoudnessMeter(rate, channels), PeakMeter()
    peak, ceiling = 0.0, from_db(peak_db)
    for first, blocks in remix.stems.blocks():
        told(first / max(1, remix.stems.samples))
        if not meters and remix.bound(blocks, first) <= max(peak, min(ceiling, 1.0)):
            continue
        block = remix.turned(blocks, first)
        peak = max(peak, float(block.max(initial=0)), -float(block.min(initial=0)))
        if meters:
            meters[0].add(block)
            meters[1].add(block)
    if meters and target:
        return _with_gain(remix, _to_target(meters[0].integrated(), meters[1].peak_db(), target))
    if remix.is_untouched if exact is None else exact:
        if peak > 1:
            LOG.warning(
                "the sum of the stems passes full scale by %.1f dB and is cut off there; "
                "lower them, or give --strength above 0",
                to_db(peak),
            )
        return remix
    return _with_gain(remix, (ceiling - LEAST_ROOM) / peak) if peak > ceiling else remix


def _to_target(integrated: float, true_peak_db: float, target: LoudnessTarget) -> float:
    if not np.isfinite(integrated):
        return 1.0
    gain_db = min(target.integrated - integrated, target.true_peak_db - true_peak_db)
    if integrated + gain_db < target.integrated - target.tolerance:
        reached = integrated + gain_db
        LOG.warning("%.1f LUFS, not %g: its peaks allow no more", reached, target.integrated)
    return from_db(gain_db)


def _with_gain(remix: Remix, gain: float) -> Remix:
    return Remix(remix.stems, remix.curves, gain)


def _rounded(block: NDArray[np.float64]) -> NDArray[np.float32]:
    return (np.rint(block * STEPS) / STEPS).astype(np.float32)
