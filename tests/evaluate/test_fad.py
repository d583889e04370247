import numpy as np
import pytest

from foleycli.evaluate.fad import diagonal_distance, frechet_distance


def test_shifted_copies_differ_by_the_squared_shift():
    rows = np.random.default_rng(0).standard_normal((50, 4))
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(rows, rows + np.array([3, 4, 0, 0])) == pytest.approx(25)


def test_scaled_copies_in_closed_form():
    rows = np.random.default_rng(0).standard_normal((500, 3))
    rows -= rows.mean(axis=0)
    # tr(S + 4 S - 2 * 2 S) = tr S, for fewer and for more columns than rows alike
    assert frechet_distance(rows, 2 * rows) == pytest.approx(np.trace(np.cov(rows.T)))
    few = rows.T - rows.T.mean(axis=0)
    assert frechet_distance(few, 2 * few) == pytest.approx(np.trace(np.cov(few.T)))


def test_without_covariances_in_closed_form():
    rows = np.random.default_rng(0).standard_normal((500, 3))
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    assert diagonal_distance(rows, 2 * rows + np.array([0, 1, 2])) == pytest.approx(3 + 5)
    turned = rows @ np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    assert diagonal_distance(rows, turned) == pytest.approx(0, abs=0.01)


def test_one_row_has_no_spread():
    with pytest.raises(ValueError, match="two rows"):
        frechet_distance(np.zeros((1, 3)), np.zeros((5, 3)))
