"""How loud: true peak, a limiter that holds it, and EBU R128 loudness, all in one pass.

ITU-R BS.1770-4 (K-weighting, gates, true peak by four-times oversampling) and EBU Tech 3342
(loudness range). Blocks are float (samples,) or (samples, channels) of any length.
"""

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np

from foleycli.config import OUTPUT
from foleycli.waveform.filters import Recursive, slide_minimum

CHUNK = 1 << 16  # samples; work is cut here, so that block boundaries cannot change a result
STRETCH = 2048  # samples that are looked between if they come near the peak so far
OVERSAMPLING = 4
TAPS = 32  # of each phase of the interpolator
LIMITER_REACH = 0.010  # seconds; holds the gain still between the peaks of anything over 25 Hz
LIMITER_MARGIN = 0.995  # aim 0.04 dB under the ceiling: interpolated peaks ride the gain's slope
SILENCE = -np.inf


def to_db(amplitude: float) -> float:
    """Amplitude to dBFS; silence is -inf."""
    return 20 * float(np.log10(amplitude)) if amplitude > 0 else SILENCE


def from_db(level_db: float) -> float:
    """DBFS to amplitude."""
    return 10 ** (level_db / 20)


@cache
def interpolator() -> np.ndarray:
    """Windowed sinc at the quarters between samples, (3, TAPS): phases 1/4, 1/2, 3/4."""
    offsets = np.arange(TAPS) - (TAPS // 2 - 1)
    quarters = np.arange(1, OVERSAMPLING)[:, None] / OVERSAMPLING
    distance = offsets[None, :] - quarters
    window = np.i0(9 * np.sqrt(np.clip(1 - (distance / (TAPS / 2)) ** 2, 0, None))) / np.i0(9)
    taps = np.sinc(distance) * window
    return taps / taps.sum(axis=1, keepdims=True)


@cache
def _largest_overshoot() -> float:
    """No interpolated value is larger than the largest sample times this."""
    return float(np.abs(interpolator()).sum(axis=1).max())


def _between(samples: np.ndarray) -> np.ndarray:
    """Largest magnitude from each sample up to the next: (samples - TAPS + 1,), channels joined.

    Entry i belongs to sample i + TAPS // 2 - 1.
    """
    inner = slice(TAPS // 2 - 1, len(samples) - TAPS // 2)
    peaks = np.abs(samples[inner]).max(axis=1)
    for phase in interpolator():
        for channel in samples.T:
            np.maximum(peaks, np.abs(np.convolve(channel, phase[::-1], "valid")), out=peaks)
    return peaks


class PeakMeter:
    """True peak of a stream."""

    def __init__(self) -> None:
        self._chunks = _Rechunk()
        self._tail: np.ndarray | None = None
        self._peak = 0.0

    def add(self, block: np.ndarray) -> None:
        """Hear the next block."""
        for chunk in self._chunks.add(block):
            self._hear(chunk)

    def peak_db(self) -> float:
        """DBTP so far; -inf for silence."""
        tail, peak = self._tail, self._peak
        rest = self._chunks.rest()
        if rest is not None:
            self._hear(rest)
        if self._tail is not None:
            self._hear(np.zeros_like(self._tail))
        whole, self._peak, self._tail = self._peak, peak, tail
        return to_db(whole)

    def _hear(self, chunk: np.ndarray) -> None:
        if self._tail is None:
            self._tail = np.zeros((TAPS, chunk.shape[1]))
        samples = np.concatenate([self._tail, chunk])
        self._tail = samples[-TAPS:]
        for start in range(0, len(samples) - TAPS + 1, STRETCH):
            part = samples[start : start + STRETCH + TAPS - 1]
            if max(part.max(), -part.min()) * _largest_overshoot() > self._peak:
                self._peak = max(self._peak, float(_between(part).max()))


def true_peak(blocks: Iterable[np.ndarray]) -> float:
    """DBTP of a whole waveform given in blocks; -inf for silence."""
    meter = PeakMeter()
    for block in blocks:
        meter.add(block)
    return meter.peak_db()


def limit_peaks(
    blocks: Iterable[np.ndarray],
    ceiling_db: float = OUTPUT.true_peak_db,
    sample_rate: int = OUTPUT.sample_rate,
) -> Iterator[np.ndarray]:
    """Hold the true peak under a ceiling by turning down around each peak, channels together.

    Sound that stays under the ceiling comes out bit for bit; nothing moves in time, nothing is
    added or dropped. The gain looks ``LIMITER_REACH`` ahead and behind: the least gain asked for
    in that reach, then smoothed over the same reach, so it is never above what a peak asks for.

    Args:
        blocks: float32 (samples,) or (samples, channels).
        ceiling_db: dBTP.
        sample_rate: Hz.

    Yields:
        float32 blocks, in total the same shape.
    """
    reach = max(1, round(LIMITER_REACH * sample_rate))
    ceiling = from_db(ceiling_db)
    margin = 2 * reach + TAPS  # samples that must be known on both sides of what is put out
    flat = False
    pending: np.ndarray | None = None  # begins `margin` samples before the next sample to put out
    rechunk = _Rechunk(np.float32)
    for block in blocks:
        flat = np.ndim(block) == 1
        for chunk in rechunk.add(block):
            pending = _joined(pending, chunk, margin)
            if len(pending) > 2 * margin:
                yield _shaped(_limit(pending, ceiling, reach), flat)
                pending = pending[len(pending) - 2 * margin :]
    last = rechunk.rest()
    if last is None and pending is None:
        return
    if last is not None:
        pending = _joined(pending, last, margin)
    assert pending is not None
    silence = np.zeros((margin, pending.shape[1]), np.float32)
    yield _shaped(_limit(np.concatenate([pending, silence]), ceiling, reach), flat)


def _joined(pending: np.ndarray | None, chunk: np.ndarray, margin: int) -> np.ndarray:
    if pending is None:
        pending = np.zeros((margin, chunk.shape[1]), np.float32)
    return np.concatenate([pending, chunk])


def _shaped(samples: np.ndarray, flat: bool) -> np.ndarray:
    return samples[:, 0] if flat else samples


def _limit(samples: np.ndarray, ceiling: float, reach: int) -> np.ndarray:
    """Limit all but the ``2 * reach + TAPS`` samples at either end, which it only looks at."""
    margin = 2 * reach + TAPS
    inner = samples[margin : len(samples) - margin]
    if np.abs(samples).max(initial=0) * _largest_overshoot() <= ceiling:
        return inner
    between = _between(samples.astype(np.float64))
    first = TAPS // 2 - 1  # the sample that between[0] belongs to
    peaks = np.maximum(between[1:], between[:-1])  # what sample first + 1 + i touches
    if peaks.max() <= ceiling:
        return inner
    gain = np.where(peaks > ceiling, LIMITER_MARGIN * ceiling / np.maximum(peaks, ceiling), 1.0)
    least = slide_minimum(gain, 2 * reach + 1)
    kernel = np.hanning(2 * reach + 3)[1:-1]
    reduction = np.convolve(1 - least, kernel / kernel.sum(), "same")  # exactly 0 where all is calm
    start = margin - first - 1
    return (inner * (1 - reduction[start : start + len(inner), None])).astype(np.float32)


class LoudnessMeter:
    """Integrated loudness, its range, and the loudest moments of a stream.

    Keeps one number a channel for each 100 ms: 0.9 MB an hour in stereo at most.

    Args:
        sample_rate: Hz.
        channels: 6 are taken as L R C LFE Ls Rs, of which LFE does not count.
    """

    def __init__(self, sample_rate: int, channels: int = 1) -> None:
        weights = {6: [1, 1, 1, 0, 1.41, 1.41]}.get(channels, [1] * channels)
        self._weights = np.array(weights, dtype=np.float64)
        self._step = round(sample_rate / 10)  # samples of 100 ms
        self._filters = [Recursive.of(b, a) for b, a in k_weighting(sample_rate)]
        self._states = [[np.zeros(each.order) for each in self._filters]] * channels
        self._rest = np.zeros(0)  # squares that fill no 100 ms yet
        self._energies: list[float] = []  # mean square of each 100 ms, channels summed

    def add(self, block: np.ndarray) -> None:
        """Hear the next block."""
        samples = np.asarray(block, dtype=np.float64)
        samples = samples[:, None] if samples.ndim == 1 else samples
        power = np.concatenate([self._rest, self._power(samples)])
        whole = len(power) // self._step * self._step
        self._energies.extend(power[:whole].reshape(-1, self._step).mean(axis=1).tolist())
        self._rest = power[whole:]

    def energies(self) -> np.ndarray:
        """Mean square of each 100 ms, K-weighted, channels summed; the last one perhaps shorter."""
        rest = [self._rest.mean()] if len(self._rest) else []
        return np.array([*self._energies, *rest])

    def _power(self, samples: np.ndarray) -> np.ndarray:
        """K-weighted squares (samples,), channels summed. A channel that says what the first one
        does, as mono in stereo, is not heard again, nor one that says nothing."""
        before, total = self._states[0], np.zeros(len(samples))
        power: np.ndarray | None = None
        for i, states in enumerate(self._states):
            channel = samples[:, i]
            if power is not None and _equal(states, before) and (channel == samples[:, 0]).all():
                total += self._weights[i] * power
                self._states[i] = self._states[0]
                continue
            if not channel.any() and not np.any(states):
                continue
            heard: list[np.ndarray] = []
            for each, state in zip(self._filters, states, strict=True):
                channel, state = each.run(channel, state)
                heard.append(state)
            self._states[i] = heard
            squares = np.square(channel)
            power = squares if i == 0 else power
            total += self._weights[i] * squares
        return total

    def integrated(self) -> float:
        """LUFS over all, gated at -70 LUFS and 10 LU under what is left; -inf for silence."""
        energy = self._windows(4)
        energy = energy[_lufs(energy) > -70]
        if not energy.size:
            return SILENCE
        return float(_lufs(energy[_lufs(energy) > _lufs(energy.mean()) - 10].mean()))

    def loudness_range(self) -> float:
        """LU between the 10th and 95th percentile of 3 s windows (EBU Tech 3342); 0 if short."""
        energy = self._windows(30)
        energy = energy[_lufs(energy) > -70]
        if not energy.size:
            return 0.0
        levels = _lufs(energy[_lufs(energy) > _lufs(energy.mean()) - 20])
        low, high = np.percentile(levels, [10, 95])
        return float(high - low)

    def max_momentary(self) -> float:
        """LUFS of the loudest 400 ms."""
        return float(_lufs(self._windows(4).max(initial=0)))

    def max_short_term(self) -> float:
        """LUFS of the loudest 3 s."""
        return float(_lufs(self._windows(30).max(initial=0)))

    def _windows(self, steps: int) -> np.ndarray:
        """Mean energy of each run of so many 100 ms steps."""
        if len(self._energies) < steps:
            return np.zeros(0)
        return np.convolve(self._energies, np.full(steps, 1 / steps), "valid")


def _equal(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return all(map(np.array_equal, some, others))


def _lufs(energy: np.ndarray | float) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return -0.691 + 10 * np.log10(energy)


def k_weighting(sample_rate: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The two filters of BS.1770-4 for any rate; at 48 kHz its tables 1 and 2.

    The tables' analogue prototypes (a high shelf and a high pass), set to the rate by the
    bilinear transform.
    """
    k = np.tan(np.pi * 1681.974450955533 / sample_rate)
    quality, gain = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    middle = gain**0.4996667741545416
    a0 = 1 + k / quality + k * k
    shelf_b = [gain + middle * k / quality + k * k, 2 * (k * k - gain),
               gain - middle * k / quality + k * k]  # fmt: skip
    shelf_a = [a0, 2 * (k * k - 1), 1 - k / quality + k * k]
    k = np.tan(np.pi * 38.13547087602444 / sample_rate)
    quality = 0.5003270373238773
    pass_a = np.array([1 + k / quality + k * k, 2 * (k * k - 1), 1 - k / quality + k * k])
    return [
        (np.array(shelf_b) / a0, np.array(shelf_a) / a0),
        (np.array([1.0, -2.0, 1.0]), pass_a / pass_a[0]),
    ]


def integrated_loudness(blocks: Iterable[np.ndarray], sample_rate: int) -> float:
    """LUFS of a whole waveform given in blocks; -inf for silence or less than 400 ms."""
    meter: LoudnessMeter | None = None
    for block in blocks:
        meter = meter or LoudnessMeter(sample_rate, 1 if np.ndim(block) == 1 else block.shape[1])
        meter.add(block)
    return meter.integrated() if meter else SILENCE


class _Rechunk:
    """Cut a stream of blocks every CHUNK samples, whatever the blocks' lengths."""

    def __init__(self, dtype: type = np.float64) -> None:
        self._dtype = dtype
        self._waiting: list[np.ndarray] = []
        self._length = 0

    def add(self, block: np.ndarray) -> Iterator[np.ndarray]:
        samples = np.asarray(block, dtype=self._dtype)
        self._waiting.append(samples[:, None] if samples.ndim == 1 else samples)
        self._length += len(samples)
        if self._length < CHUNK:
            return
        joined = np.concatenate(self._waiting)
        whole = self._length - self._length % CHUNK
        self._waiting, self._length = [joined[whole:]], self._length - whole
        yield from np.split(joined[:whole], whole // CHUNK)

    def rest(self) -> np.ndarray | None:
        """What has not filled a chunk yet."""
        return np.concatenate(self._waiting) if self._length else None
