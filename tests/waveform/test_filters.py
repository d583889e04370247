"""Against scipy.ndimage, which defines them."""

import numpy as np
import pytest
from scipy import ndimage, signal, special

from foleycli.sight.layers import erf
from foleycli.waveform.filters import Recursive, slide_maximum, slide_mean, slide_minimum, smooth

CURVES = [
    np.random.default_rng(n).normal(size=shape).astype(np.float32)
    for n, shape in enumerate([(1,), (3,), (200,), (50, 7), (4, 2)])
]


@pytest.mark.parametrize("curve", CURVES, ids=lambda c: str(c.shape))
@pytest.mark.parametrize("size", [1, 3, 7, 13, 961])
def test_extremes(curve, size):
    assert np.array_equal(
        slide_maximum(curve, size), ndimage.maximum_filter1d(curve, size, axis=0, mode="nearest")
    )
    assert np.array_equal(
        slide_minimum(curve, size), ndimage.minimum_filter1d(curve, size, axis=0, mode="nearest")
    )


@pytest.mark.parametrize("curve", CURVES, ids=lambda c: str(c.shape))
@pytest.mark.parametrize("size", [1, 2, 8, 9])
def test_means(curve, size):
    theirs = ndimage.uniform_filter1d(curve, size, axis=0, mode="nearest")
    assert slide_mean(curve, size) == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("curve", CURVES, ids=lambda c: str(c.shape))
@pytest.mark.parametrize("sigma", [0.4, 1.28, 6.4])
def test_gaussians(curve, sigma):
    theirs = ndimage.gaussian_filter1d(curve, sigma, axis=0, mode="nearest")
    assert smooth(curve, sigma) == pytest.approx(theirs, abs=1e-5)


def test_the_error_function():
    x = np.linspace(-5, 5, 2001, dtype=np.float32)
    assert erf(x) == pytest.approx(special.erf(x), abs=5e-7)


@pytest.mark.parametrize("order", [1, 2])
def test_recursive_filters_in_pieces_of_any_length(order):
    b, a = signal.butter(order, 38 / 24_000, "high")
    samples = np.random.default_rng(order).normal(size=5000)
    theirs = signal.lfilter(b, a, samples)
    ours = Recursive.of(b, a)
    assert ours.run(samples)[0] == pytest.approx(theirs, abs=1e-9)
    state, parts = None, []
    for part in np.split(samples, [1, 130, 131, 900, 900, 2048]):
        out, state = ours.run(part, state)
        parts.append(out)
    assert np.concatenate(parts) == pytest.approx(theirs, abs=1e-9)
