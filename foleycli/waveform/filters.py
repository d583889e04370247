"""Sliding filters over curves, in numpy: scipy takes longer to import than they take to run.

The edge is repeated, and windows are centred, as scipy.ndimage does with ``mode="nearest"``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Curve = NDArray[np.floating]
BLOCK = 32  # samples that a recursive filter takes in at once


def slide_maximum(curve: Curve, size: int) -> Curve:
    """The largest of ``size`` neighbours along the first axis, an odd number: the same shape."""
    return _slide(curve, size, np.maximum)


def slide_minimum(curve: Curve, size: int) -> Curve:
    """The smallest of ``size`` neighbours along the first axis, an odd number: the same shape."""
    return _slide(curve, size, np.minimum)


def slide_mean(curve: Curve, size: int) -> Curve:
    """The mean of ``size`` neighbours along the first axis; of an even number one more before."""
    padded = _padded(curve, size // 2, size - size // 2 - 1)
    sums = np.cumsum(padded, axis=0, dtype=np.float64)
    sums = np.concatenate([np.zeros_like(sums[:1]), sums])
    return ((sums[size:] - sums[:-size]) / size).astype(curve.dtype)


def smooth(curve: Curve, sigma: float) -> Curve:
    """Weighted by a Gaussian, cut at four sigma, along the first axis: the same shape."""
    reach = int(4 * sigma + 0.5)
    taps = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / sigma))
    taps = (taps / taps.sum()).astype(curve.dtype)
    windows = sliding_window_view(_padded(curve, reach, reach), 2 * reach + 1, axis=0)
    return np.asarray(windows @ taps, curve.dtype)


def _slide(curve: Curve, size: int, extreme: np.ufunc) -> Curve:
    """Windows of doubling lengths, so that it takes as many steps as the size has bits."""
    wide = _padded(curve, size // 2, size // 2)
    length = 1
    while length < size:
        step = min(length, size - length)
        wide = extreme(wide[:-step], wide[step:])
        length += step
    return wide


def _padded(curve: Curve, before: int, after: int) -> Curve:
    return np.pad(curve, [(before, after)] + [(0, 0)] * (curve.ndim - 1), mode="edge")


@dataclass(frozen=True, slots=True)
class Recursive:
    """A recursive filter, b over a, that runs over long signals in blocks, as products.

    Within a block every output is a sum over its inputs (the impulse response) and over the state
    at the block's beginning; the states are summed over blocks by doubling reach (Hillis and
    Steele, 1986). The state is scipy.signal.lfilter's (direct form II, transposed). Up to two
    poles: more of them near 1 cannot be told apart in this form.
    """

    response: NDArray[np.float64]  # (BLOCK, BLOCK), input to output
    seen: NDArray[np.float64]  # (order, BLOCK), state to output
    kept: NDArray[np.float64]  # (BLOCK, order), input to the next state
    step: NDArray[np.float64]  # (order, order), state to the state a block later
    once: NDArray[np.float64]  # the same, a sample later

    @classmethod
    def of(cls, b: Sequence[float] | Curve, a: Sequence[float] | Curve) -> "Recursive":
        """Of the coefficients of a transfer function; a[0] is 1."""
        b, a = (np.asarray(part, np.float64) for part in (b, a))
        order = max(len(b), len(a)) - 1
        if order > 2 or a[0] != 1:
            raise ValueError("a filter of up to two poles, with a[0] = 1")
        b, a = (np.pad(part, (0, order + 1 - len(part))) for part in (b, a))
        once = np.eye(order, k=1)
        once[:, 0] -= a[1:]
        into = b[1:] - a[1:] * b[0]
        seen = np.empty((order, BLOCK))
        row = np.eye(order)[0]
        for n in range(BLOCK):
            seen[:, n] = row
            row = row @ once
        impulse = np.concatenate([[b[0]], into @ seen[:, :-1]])
        delays = np.arange(BLOCK) - np.arange(BLOCK)[:, None]
        response = np.where(delays >= 0, impulse[delays], 0.0)
        kept = np.empty((BLOCK, order))
        for n in reversed(range(BLOCK)):
            kept[n] = into
            into = once @ into
        return cls(response, seen, kept, np.linalg.matrix_power(once, BLOCK), once)

    @property
    def order(self) -> int:
        """Numbers of a state."""
        return len(self.step)

    def run(
        self, samples: Curve, state: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Filter (samples,), from a state (order,), silence if None; the output and the state."""
        whole = len(samples) // BLOCK * BLOCK
        blocks = np.asarray(samples[:whole], np.float64).reshape(-1, BLOCK)
        states = np.empty((len(blocks) + 1, self.order))  # at the beginning of every block
        states[0] = 0 if state is None else state
        states[1:] = blocks @ self.kept
        step, reach = self.step.T, 1
        while reach < len(
            states
        ):  # each holds what the last `reach` blocks pushed, then twice that
            states[reach:] += states[:-reach] @ step
            step, reach = step @ step, 2 * reach
        now = states[-1]
        out = np.empty(len(samples))
        out[:whole] = (blocks @ self.response + states[:-1] @ self.seen).reshape(-1)
        rest = len(samples) - whole
        if rest:
            last = np.asarray(samples[whole:], np.float64)
            out[whole:] = last @ self.response[:rest, :rest] + now @ self.seen[:, :rest]
            now = np.linalg.matrix_power(self.once, rest) @ now
            now += last @ self.kept[BLOCK - rest :]
        return out, now
