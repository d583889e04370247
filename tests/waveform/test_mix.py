"""Sounds summed and ducked, streaming."""

import numpy as np
import pytest

from foleycli.waveform.mix import duck_sounds, mix_sounds, spread

RATE = 48_000


def joined(blocks):
    return np.concatenate(list(blocks))


def test_mix_is_the_sum_and_as_long_as_the_longer():
    existing = np.random.default_rng(0).standard_normal((70_000, 2)).astype(np.float32)
    foley = np.random.default_rng(1).standard_normal(100_001).astype(np.float32)
    out = joined(mix_sounds(np.array_split(existing, 9), np.array_split(foley, 4), 2))
    assert out.shape == (100_001, 2)
    assert np.array_equal(out[:70_000], existing + foley[:70_000, None])
    assert np.array_equal(out[70_000:], np.repeat(foley[70_000:, None], 2, axis=1))


def test_mono_plays_from_the_centre_of_a_surround_and_stereo_from_its_sides():
    assert spread(np.ones(1, np.float32), 6).tolist() == [[0, 0, 1, 0, 0, 0]]
    assert spread(np.ones((1, 2), np.float32), 6).tolist() == [[1, 1, 0, 0, 0, 0]]
    assert spread(np.ones((1, 1), np.float32), 2).tolist() == [[1, 1]]
    assert spread(np.ones((1, 1), np.float32), 4, centre=None).tolist() == [[1, 1, 0, 0]]  # quad


def test_foley_ducks_under_what_is_heard_and_comes_back():
    time = np.arange(4 * RATE) / RATE
    voice = np.where((time > 1) & (time < 2), 0.2 * np.sin(2 * np.pi * 200 * time), 0)
    voice = voice.astype(np.float32)[:, None]
    foley = np.full(4 * RATE, 0.1, np.float32)
    gain = (joined(duck_sounds([voice], [foley], 1, RATE)) - voice)[:, 0] / 0.1
    assert gain[: RATE - 480] == pytest.approx(1, abs=1e-4)
    assert 20 * np.log10(gain[int(1.5 * RATE)]) == pytest.approx(-12, abs=0.2)
    assert gain[-1] > 0.95
    assert np.abs(np.diff(gain)).max() < 0.01  # no step to hear


def test_a_voice_ducks_alike_in_mono_in_one_channel_and_in_the_centre():
    voice = np.sin(np.arange(RATE) / 20).astype(np.float32)[:, None] * 0.03
    foley = np.full((RATE, 1), 0.1, np.float32)
    mono = joined(duck_sounds([voice], [foley], 1, RATE)) - voice
    for channels, channel in ((2, 0), (6, 2)):
        wide = np.zeros((RATE, channels), np.float32)
        wide[:, channel] = voice[:, 0]
        mixed = joined(duck_sounds([wide], [foley], channels, RATE)) - wide
        np.testing.assert_allclose(mixed[:, channel], mono[:, 0], atol=1e-7)


def test_ducking_does_not_care_for_block_boundaries():
    rng = np.random.default_rng(0)
    voice, foley = rng.standard_normal((2, 130_000, 1)).astype(np.float32) * 0.1
    whole = joined(duck_sounds([voice], [foley], 1, RATE))
    parts = joined(duck_sounds(np.array_split(voice, 7), np.array_split(foley, 3), 1, RATE))
    assert np.array_equal(whole, parts)
