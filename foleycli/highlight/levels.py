"""How loud each stem is, ten times a second, where somebody speaks, and where sounds begin.

One pass over the stems. Loudness is that of BS.1770-4: K-weighted, channels summed, in 100 ms; what
is kept grows by ten numbers a second and stem.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foleycli.highlight.curves import Stem
from foleycli.highlight.speech import RATE as SPEECH_RATE
from foleycli.highlight.speech import SURE, SpeechReader, to_mono
from foleycli.highlight.stems import Stems
from foleycli.waveform.loudness import LoudnessMeter

Floats = NDArray[np.float64]
STEPS = 10  # of energy, a second
QUIET = -70.0  # LUFS under which there is nothing
ONSET_RATE = 100  # points of the onset strength, a second
BANDS = 24
FLOOR_DB = -80.0  # of a band, under full scale, below which a rise is no onset


@dataclass(frozen=True, slots=True)
class Levels:
    """What was heard of the stems."""

    energies: dict[Stem, Floats]  # mean square of each 100 ms, K-weighted, channels summed
    speech: NDArray[np.bool_]  # of each 100 ms, whether somebody speaks in the dialogue
    onsets: dict[Stem, Floats] = field(default_factory=dict)  # rise of the spectrum, dB, 100 a s
    alike: float = 0.0  # correlation of dialogue and effects, sample by sample


def lufs(energy: Floats | float) -> Floats:
    """Energy to LUFS; nothing is -inf."""
    with np.errstate(divide="ignore"):
        return np.asarray(-0.691 + 10 * np.log10(energy), np.float64)


def gated(energies: Floats) -> float:
    """Loudness of 100 ms energies with the gates of BS.1770-4, blocks of 400 ms; -inf: silent.

    Less than 400 ms is one block (as the muddy mix of arXiv 2505.12154 measures short clips).
    """
    width = min(4, len(energies))
    if not width:
        return -np.inf
    blocks = np.convolve(energies, np.full(width, 1 / width), "valid")
    blocks = blocks[lufs(blocks) > QUIET]
    if not len(blocks):
        return -np.inf
    return float(lufs(blocks[lufs(blocks) > lufs(blocks.mean()) - 10].mean()))


def hear_stems(
    stems: Stems,
    *,
    onsets: tuple[Stem, ...] = (),
    alike: bool = False,
    told: Callable[[float], None] = lambda done: None,
) -> Levels:
    """Listen to all stems once.

    Args:
        onsets: of which stems to follow the onsets.
        alike: whether to ask how much of the dialogue is in the effects, too.
        told: how much is done, 0 to 1.
    """
    loudness = {stem: LoudnessMeter(stems.sample_rate, stems.channels) for stem in stems.names}
    rises = {stem: OnsetReader(stems.sample_rate) for stem in onsets if stem in stems.names}
    voice = SpeechReader(stems.sample_rate) if "dialogue" in stems.names else None
    shared = np.zeros((2, 2))

    def hear(stem: Stem, block: NDArray[np.float32]) -> None:
        loudness[stem].add(block)
        if stem in rises:
            rises[stem].add(block)
        if stem == "dialogue" and voice:
            voice.add(block)

    with ThreadPoolExecutor(2) as pool:  # networks and filters let others run meanwhile
        for first, blocks in stems.blocks():
            if alike:
                pair = [to_mono(blocks[s]).astype(np.float64) for s in ("dialogue", "effects")]
                shared += np.stack(pair) @ np.stack(pair).T
            list(pool.map(hear, blocks, blocks.values()))
            told(first / max(1, stems.samples))
    energies = {stem: meter.energies() for stem, meter in loudness.items()}
    steps = max(map(len, energies.values()))
    speech = np.zeros(steps, bool)
    if voice:
        speech = spoken(voice.probabilities(), steps)
    scale = float(np.sqrt(shared[0, 0] * shared[1, 1]))
    same = float(shared[0, 1]) / scale if scale > 0 else 0.0
    return Levels(energies, speech, {s: r.strength() for s, r in rises.items()}, same)


def spoken(probabilities: NDArray[np.float32], steps: int) -> NDArray[np.bool_]:
    """Which of so many 100 ms hold speech."""
    said = np.zeros(steps, bool)
    places = (np.flatnonzero(probabilities >= SURE) + 0.5) / SPEECH_RATE * STEPS
    said[np.minimum(places.astype(int), steps - 1)] = True
    return said


class OnsetReader:
    """Rise of the spectrum, 100 a second: mean over bands of positive dB steps over 20 ms.

    The spectral flux of Boeck and Widmer (DAFx 2013) without its vibrato filter.
    """

    def __init__(self, sample_rate: int) -> None:
        self._hop = sample_rate / ONSET_RATE
        self._size = 1 << int(np.ceil(np.log2(sample_rate / 50)))
        self._window = np.hanning(self._size)
        frequencies = np.fft.rfftfreq(self._size, 1 / sample_rate)
        edges = np.geomspace(60, min(16_000, sample_rate / 2.1), BANDS + 1)
        self._edges = np.unique(np.searchsorted(frequencies, edges))
        self._rest = np.zeros(self._size // 2)
        self._taken = 0  # windows
        self._begin = -(self._size // 2)  # sample that `_rest` begins with
        self._bands: list[NDArray[np.float32]] = []

    def add(self, block: NDArray[np.float32]) -> None:
        """Hear the next block, (samples, channels)."""
        self._rest = np.concatenate([self._rest, to_mono(block)])
        starts = []
        while True:
            at = round(self._taken * self._hop) - self._size // 2 - self._begin
            if at + self._size > len(self._rest):
                break
            starts.append(at)
            self._taken += 1
        if starts:
            rows = np.stack([self._rest[at : at + self._size] for at in starts]) * self._window
            power = np.abs(np.fft.rfft(rows)) ** 2 / np.square(self._window.sum())
            summed = np.add.reduceat(power, self._edges[:-1], axis=1)
            self._bands.append((10 * np.log10(summed + 1e-12)).astype(np.float32))
            keep = max(0, round(self._taken * self._hop) - self._size // 2 - self._begin)
            self._rest, self._begin = self._rest[keep:], self._begin + keep

    def strength(self) -> Floats:
        """(points,), 0 where nothing begins."""
        if not self._bands:
            return np.zeros(0)
        levels = np.maximum(np.concatenate(self._bands), FLOOR_DB)
        if len(levels) < 3:
            return np.zeros(len(levels))
        rises = np.maximum(0, levels[2:] - levels[:-2]).mean(axis=1)
        return np.pad(rises, (1, 1)).astype(np.float64)
