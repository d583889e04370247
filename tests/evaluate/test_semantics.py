import numpy as np
import pytest

from foleycli.evaluate.semantics import cosy, kl, mean_embedding, score_distribution


def test_distribution_has_the_floor_and_sums_to_one():
    scores = np.array([[0.5, 0, 0], [0.7, 0, 0]], np.float32)
    assert score_distribution(scores) == pytest.approx(np.array([0.6001, 1e-4, 1e-4]) / 0.6003)


def test_kl_in_closed_form():
    p, q = np.array([0.5, 0.5]), np.array([0.9, 0.1])
    assert kl(p, q) == pytest.approx(0.5 * np.log(0.5 / 0.9) + 0.5 * np.log(5))
    assert kl(p, p) == 0
    assert kl(p, q) != pytest.approx(kl(q, p))


def test_cosine_is_centred():
    mean = np.full(3, 10.0, np.float32)
    a, b = mean + np.float32([1, 0, 0]), mean + np.float32([0, 2, 0])
    assert cosy(a, a, mean) == pytest.approx(1)
    assert cosy(a, b, mean) == pytest.approx(0)
    assert cosy(a, 2 * mean - a, mean) == pytest.approx(-1)
    assert cosy(a, mean, mean) == 0


def test_the_shipped_centre():
    assert mean_embedding().shape == (1024,)
    assert mean_embedding().min() >= 0
