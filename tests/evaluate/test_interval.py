import numpy as np
import pytest

from foleycli.evaluate.interval import bootstrap


def test_interval_is_that_of_the_normal():
    values = np.random.default_rng(0).standard_normal(400)
    mean, low, high = bootstrap(values)
    assert mean == pytest.approx(values.mean())
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.05)


def test_nan_is_left_out():
    assert bootstrap(np.array([1.0, np.nan, 1.0])) == (1.0, 1.0, 1.0)
    assert np.isnan(bootstrap(np.array([np.nan]))[0])
