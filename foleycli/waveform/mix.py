"""Two sounds become one: summed, or with the new one ducked under what was there."""

from collections.abc import Iterable, Iterator

import numpy as np

from foleycli.config import DUCK, DuckConfig

CENTRE = 2  # channel of the middle speaker where nothing else is known: L R C ...
CHUNK = 48_000  # samples taken from both sounds at a time; a multiple of 10 ms at usual rates


def mix_sounds(
    existing: Iterable[np.ndarray],
    foley: Iterable[np.ndarray],
    channels: int,
    centre: int | None = CENTRE,
) -> Iterator[np.ndarray]:
    """Sum two sounds that begin together; the shorter one is silent after its end.

    Args:
        existing: float32 (samples, channels).
        foley: float32 (samples,) or (samples, 1 or 2).
        centre: channel of the middle speaker; see `spread`.

    Yields:
        float32 (samples, channels)
    """
    for one, other in _side_by_side(existing, foley, channels, centre):
        yield one + other


def duck_sounds(
    existing: Iterable[np.ndarray],
    foley: Iterable[np.ndarray],
    channels: int,
    sample_rate: int,
    centre: int | None = CENTRE,
    config: DuckConfig = DUCK,
) -> Iterator[np.ndarray]:
    """As `mix_sounds`, the foley turned down while the existing sound is heard."""
    duck = _Duck(sample_rate, config)
    for one, other in _side_by_side(existing, foley, channels, centre):
        yield one + other * duck.gain(one)[:, None]


def spread(sound: np.ndarray, channels: int, centre: int | None = CENTRE) -> np.ndarray:
    """Set a mono or stereo sound into more channels, at its own level.

    Mono plays from the centre of a surround, and where there is none, as in stereo and quad, from
    both sides; stereo from its left and right, which come first in every layout.

    Returns:
        (samples, channels)
    """
    sound = sound[:, None] if sound.ndim == 1 else sound
    given = sound.shape[1]
    if given == channels:
        return sound
    if given > channels:
        return np.repeat(sound.mean(axis=1, keepdims=True), channels, axis=1)
    wide = np.zeros((len(sound), channels), sound.dtype)
    if given == 1 and channels > 2 and centre is not None:
        wide[:, centre] = sound[:, 0]
    else:
        wide[:, :2] = sound
    return wide


class _Duck:
    """A compressor's gain, driven by the level of another sound (side chain)."""

    def __init__(self, sample_rate: int, config: DuckConfig) -> None:
        self._config = config
        self._hop = max(1, sample_rate // 100)  # samples of 10 ms
        self._attack = 1 - np.exp(-0.010 / config.attack)
        self._release = 1 - np.exp(-0.010 / config.release)
        self._gain_db = 0.0

    def gain(self, driving: np.ndarray) -> np.ndarray:
        """Gain for each sample of a chunk; chunks are whole hops but for the last one."""
        if not len(driving):
            return np.zeros(0, np.float32)
        hops = -(-len(driving) // self._hop)
        points = np.empty(hops + 1)
        points[0] = self._gain_db
        for index in range(hops):
            hop = driving[index * self._hop : (index + 1) * self._hop]
            # the loudest channel: dialogue in the centre alone counts as much as in mono
            energies = np.square(hop, dtype=np.float64).mean(axis=0)
            points[index + 1] = self._follow(float(energies.max()))
        places = np.arange(len(driving)) / self._hop
        gain_db = np.interp(places, np.arange(hops + 1), points)
        return (10 ** (gain_db / 20)).astype(np.float32)

    def _follow(self, energy: float) -> float:
        level_db = 10 * np.log10(energy + 1e-12)
        over = max(0.0, level_db - self._config.threshold_db)
        wanted = -min(over * (1 - 1 / self._config.ratio), self._config.depth_db)
        pace = self._attack if wanted < self._gain_db else self._release
        self._gain_db += pace * (wanted - self._gain_db)
        return self._gain_db


def _side_by_side(
    existing: Iterable[np.ndarray],
    foley: Iterable[np.ndarray],
    channels: int,
    centre: int | None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Equal chunks of both, to the end of the longer."""
    one, other = _Reader(existing), _Reader(foley)
    while True:
        first, second = one.read(CHUNK), other.read(CHUNK)
        length = max(len(first), len(second))
        if not length:
            return
        yield (
            _filled(spread(first, channels, centre), length),
            _filled(spread(second, channels, centre), length),
        )


def _filled(sound: np.ndarray, length: int) -> np.ndarray:
    return np.pad(sound, ((0, length - len(sound)), (0, 0)))


class _Reader:
    """Takes so many samples at a time from blocks of any length."""

    def __init__(self, blocks: Iterable[np.ndarray]) -> None:
        self._blocks = iter(blocks)
        self._rest = np.zeros((0, 1), np.float32)

    def read(self, samples: int) -> np.ndarray:
        """(samples, channels), fewer at the end only."""
        parts = [self._rest] if len(self._rest) else []
        held = len(self._rest)
        while held < samples:
            block = next(self._blocks, None)
            if block is None:
                break
            if len(block):
                parts.append(block[:, None] if block.ndim == 1 else block)
                held += len(block)
        joined = np.concatenate(parts) if parts else self._rest
        self._rest = joined[samples:]
        return joined[:samples]
