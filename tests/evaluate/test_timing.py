import numpy as np
import pytest

from foleycli.evaluate.timing import (
    correlation,
    env,
    find_onsets,
    level_curve,
    onf1c,
    onset_f1,
    onset_strength,
)


def clicks(times, seconds=4.0, decay=400):
    waveform = np.zeros(int(seconds * 16_000), np.float32)
    burst = np.random.default_rng(0).standard_normal(3200) * np.exp(-np.arange(3200) / decay)
    for time in times:
        start = round(time * 16_000)
        waveform[start : start + 3200] += burst[: len(waveform) - start]
    return 0.1 * waveform


def test_level_of_a_square_wave_is_its_amplitude():
    wave = np.full(16_000, 0.1, np.float32)
    assert level_curve(wave) == pytest.approx(np.full(25, -20.0), abs=1e-4)


def test_silence_is_flat_and_correlates_with_nothing():
    assert env(level_curve(np.zeros(16_000, np.float32)), level_curve(clicks([0.5], 1.0))) == 0
    assert correlation(np.ones(5, np.float32), np.arange(5, dtype=np.float32)) == 0


def test_env_forgives_120_ms_and_no_more():
    rng = np.random.default_rng(0)
    curve = rng.standard_normal(100).astype(np.float32)
    assert env(curve, curve) == pytest.approx(1)
    assert env(curve[3:], curve[:-3]) == pytest.approx(1)
    assert env(curve[:-3], curve[3:]) == pytest.approx(1)
    assert env(curve[4:], curve[:-4]) < 0.5


def test_onsets_of_clicks_are_found_within_15_ms():
    times = [0.5, 1.1, 1.35, 2.72, 3.5]
    found = find_onsets(onset_strength(clicks(times)))
    assert len(found) == len(times)
    assert np.abs(found - times).max() < 0.015


def test_steady_sound_and_silence_have_no_onset():
    tone = np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000).astype(np.float32)
    assert not len(find_onsets(onset_strength(tone)))
    assert not len(find_onsets(onset_strength(np.zeros(16_000, np.float32))))


def test_f1_matches_one_to_one():
    own = np.array([1.0, 2.0, 3.0])
    assert onset_f1(own, own) == 1
    assert onset_f1(own, np.array([1.04, 1.06, 2.2])) == pytest.approx(2 * 1 / 6)
    assert onset_f1(own, own + 0.07, tolerance=0.05) == 0
    assert onset_f1(own, np.empty(0)) == 0
    assert np.isnan(onset_f1(np.empty(0), np.empty(0)))


def test_onf1c_takes_chance_away():
    own = np.array([1.0, 2.5, 3.1, 7.0])
    assert onf1c(own, own, 8.0) > 0.75
    dense = np.arange(0, 8, 0.1)  # an onset everywhere matches anything, shifted or not
    assert onf1c(own, dense, 8.0) == pytest.approx(0, abs=0.02)
    assert onf1c(own, np.empty(0), 8.0) == 0
    assert np.isnan(onf1c(np.empty(0), own, 8.0))
