import numpy as np
import pytest

from foleycli.evaluate.onset_precision import average_precision, onset_precision
from foleycli.evaluate.timing import onset_f1

RATE = 1000


def _waveform(onsets: dict[float, float]) -> np.ndarray:
    waveform = np.zeros(4 * RATE, np.float32)
    for time, size in onsets.items():
        waveform[round(time * RATE)] = size
    return waveform


def _score(own: list[float], candidate: dict[float, float], tolerance=0.1, **options) -> float:
    times = np.array(list(candidate))
    return onset_precision(np.array(own), times, _waveform(candidate), RATE, tolerance, **options)


def test_average_precision_by_hand():
    hits, confidence = np.array([True, False, True]), np.array([0.9, 0.8, 0.7])
    assert average_precision(hits, confidence, 2) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(hits, confidence, 4) == pytest.approx((1 + 2 / 3) / 4)
    assert average_precision(hits, np.ones(3), 2) == pytest.approx(2 / 3)  # all at one threshold


def test_own_onsets_score_one_and_silence_nothing():
    assert _score([0.5, 1.5], {0.5: 1.0, 1.5: 0.5}) == 1
    assert _score([0.5, 1.5], {}) == 0
    assert np.isnan(_score([], {0.5: 1.0}))


def test_the_published_script_gives_silence_full_marks():
    assert _score([0.5, 1.5], {}, as_published=True) == 1


def test_loud_false_alarms_cost_more_than_soft_ones():
    loud = _score([0.5, 1.5], {0.5: 0.5, 1.5: 0.5, 2.5: 1.0})
    soft = _score([0.5, 1.5], {0.5: 1.0, 1.5: 1.0, 2.5: 0.5})
    assert loud == pytest.approx(2 / 3)
    assert soft == 1


def test_tolerance_and_neighbours():
    late = {0.58: 1.0}
    assert _score([0.5], late, 0.1) == 1
    assert _score([0.5], late, 0.05) == 0
    assert _score([0.5], {0.5: 1.0, 0.53: 0.9}) == 1  # the weaker of two within 50 ms is dropped


def test_onset_f1_is_that_of_mir_eval():
    rng = np.random.default_rng(0)
    own, other = np.sort(rng.random(12) * 5), np.sort(rng.random(15) * 5)
    # mir_eval 0.8.2, onset.f_measure
    assert onset_f1(own, other, 0.05) == pytest.approx(0.2962962963)
    assert onset_f1(own, other, 0.1) == pytest.approx(0.4444444444)
