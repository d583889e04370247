"""Measures of whole sets against what published implementations make of the same numbers."""

import numpy as np
import pytest

from foleycli.evaluate.divergence import kl_sigmoid, kl_softmax
from foleycli.evaluate.fad import fad, fd, frechet_distance
from foleycli.evaluate.inception import inception_score, score_logits
from foleycli.evaluate.kid import kid, squared_discrepancy
from foleycli.listeners.heard import Heard


@pytest.fixture
def numbers():
    """Two sets of embeddings and two of logits, always the same."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((60, 32)).astype("f4")
    b = (rng.standard_normal((50, 32)) * 1.2 + 0.1).astype("f4")
    return a, b, 3 * rng.standard_normal((40, 20)), 3 * rng.standard_normal((40, 20))


def test_frechet_distance_is_that_of_two_packages(numbers):
    a, b, _, _ = numbers
    # frechet-audio-distance 0.3.4 and torch-fidelity 0.4.0 agree on it to 12 digits
    assert frechet_distance(a, b) == pytest.approx(14.906578918904, rel=1e-9)


def test_kid_is_that_of_torch_fidelity(numbers):
    a, b, _, _ = numbers
    # torch-fidelity 0.4.0, one subset of all, degree 3, coefficient 1, in 32 bits
    assert squared_discrepancy(a[:50], b) == pytest.approx(7.61986e-4, rel=1e-3)


def test_kid_of_two_halves_of_one_crowd_is_zero_and_grows_with_distance():
    rng = np.random.default_rng(1)
    crowd = rng.standard_normal((400, 8))
    assert abs(squared_discrepancy(crowd[:200], crowd[200:])) < 0.05
    near, far = (squared_discrepancy(crowd, crowd + shift) for shift in (0.3, 1.0))
    assert 0 < near < far


def test_inception_score_is_that_of_torch_fidelity(numbers):
    logits = numbers[2]
    assert score_logits(logits, splits=10) == pytest.approx(2.622392527203, rel=1e-9)


def test_inception_score_counts_classes():
    sure = 50 * np.eye(7)[np.arange(70) % 7]
    assert score_logits(sure) == pytest.approx(7)
    assert score_logits(np.tile(sure[:1], (9, 1))) == pytest.approx(1)


def test_divergences_are_those_of_audioldm_eval(numbers):
    true, made = (
        [Heard(np.zeros((1, 1), "f4"), row[None]) for row in logits] for logits in numbers[2:]
    )
    softmax = np.mean([kl_softmax(p, q) for p, q in zip(true, made, strict=True)])
    sigmoid = np.mean([kl_sigmoid(p, q) for p, q in zip(true, made, strict=True)])
    assert softmax == pytest.approx(4.4083729143, rel=1e-9)  # its kl.py on torch 2.13
    assert sigmoid == pytest.approx(9.6129337595, rel=1e-9)


def test_divergence_by_hand():
    own, made = (Heard(np.zeros((1, 1), "f4"), np.log([row])) for row in ([0.5, 0.5], [0.2, 0.8]))
    by_hand = 0.5 * np.log(0.5 / 0.2) + 0.5 * np.log(0.5 / 0.8)
    assert kl_softmax(own, made) == pytest.approx(by_hand, abs=1e-5)
    assert kl_softmax(own, own) == pytest.approx(0, abs=1e-5)


def test_patches_count_for_fad_and_sounds_for_the_others():
    rng = np.random.default_rng(2)
    sounds = [Heard(rng.standard_normal((5, 4)).astype("f4")) for _ in range(6)]
    others = [Heard(rng.standard_normal((3, 4)).astype("f4") + 1) for _ in range(7)]
    rows = [np.concatenate([heard.embeddings for heard in crowd]) for crowd in (sounds, others)]
    means = [np.stack([heard.embedding for heard in crowd]) for crowd in (sounds, others)]
    assert fad(sounds, others) == pytest.approx(frechet_distance(*rows))
    assert fd(sounds, others) == pytest.approx(frechet_distance(*means))
    assert kid(sounds, others) == pytest.approx(1000 * squared_discrepancy(*means))


def test_inception_score_looks_at_the_candidates_only():
    logits = 50 * np.eye(3, dtype="f4")
    sounds = [Heard(np.zeros((1, 1), "f4"), row[None]) for row in logits]
    assert inception_score([], sounds) == pytest.approx(3)


def test_one_row_has_no_spread():
    one = [Heard(np.zeros((1, 4), "f4"))]
    for measure in (fad, fd, kid):
        with pytest.raises(ValueError, match="two rows"):
            measure(one, one)
