"""Windows join without a click, bounded by cuts, with every sample accounted for."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from foleycli.config import OUTPUT
from foleycli.waveform.join import Stretch, join_windows, plan_windows, resample, sound_stretches

RATE = 32_000


def test_windows_cover_every_row_and_the_last_is_never_dropped():
    assert plan_windows(1) == [slice(0, 1)]
    assert plan_windows(32) == [slice(0, 32)]
    assert plan_windows(33) == [slice(0, 32), slice(30, 33)]
    for rows in range(1, 200):
        windows = plan_windows(rows)
        assert windows[-1].stop == rows
        assert all(b.start == a.stop - 2 for a, b in itertools.pairwise(windows))


def test_a_seam_keeps_the_power_of_independent_sounds():
    rng = np.random.default_rng(0)
    windows = rng.standard_normal((2, 40_000)).astype(np.float32)
    joined = np.concatenate(list(join_windows(windows, 20_000)))
    assert len(joined) == 60_000
    assert joined[20_000:40_000].std() == pytest.approx(1, abs=0.03)


def test_a_seam_does_not_click():
    """Two tones of different pitch and phase: no step is larger than the tones' own steepest."""
    t = np.arange(16_000, dtype=np.float32)
    windows = [np.sin(0.05 * t), np.sin(0.031 * t + 1)]
    joined = np.concatenate(list(join_windows(windows, 4000)))
    assert np.abs(np.diff(joined)).max() < 0.05 * 1.42


def test_resampling_keeps_time():
    pulse = np.zeros(RATE, np.float32)
    pulse[RATE // 2] = 1
    out = np.concatenate(list(resample(np.split(pulse, 10), RATE, 48_000)))
    assert abs(len(out) - 48_000) <= 1
    assert abs(int(out.argmax()) - 24_000) <= 1


@pytest.mark.parametrize("begin,end", [("1/30", "7/3"), ("0", "1/24"), ("1/8", "17")])
def test_a_stretch_has_its_exact_length_and_ends_softly(begin, end):
    begin, end = Fraction(begin), Fraction(end)
    rows = np.ones((int(-(-end * 4 // 1)), 512), np.float32)

    def hum(rows, seed):
        return np.ones(len(rows) * RATE // 4, np.float32)

    stretch = Stretch(rows, Fraction(0), begin, end)
    sound = np.concatenate(list(sound_stretches([stretch], hum, RATE, seed=0)))
    rate = OUTPUT.sample_rate
    assert len(sound) == round(end * rate) - round(begin * rate)
    assert abs(sound[0]) < 0.02 and abs(sound[-1]) < 0.02
    assert np.abs(sound).max() > 0.9


def test_a_window_does_not_depend_on_what_was_made_before():
    seeds = []

    def note(rows, seed):
        seeds.append(seed)
        return np.zeros(len(rows) * RATE // 4, np.float32)

    early = Stretch(np.ones((40, 512), np.float32), Fraction(0), Fraction(0), Fraction(10))
    late = Stretch(np.ones((8, 512), np.float32), Fraction(10), Fraction(10), Fraction(12))
    list(sound_stretches([early, late], note, RATE, seed=7))
    list(sound_stretches([late], note, RATE, seed=7))
    assert len(set(seeds[:3])) == 3 and seeds[3] == seeds[2]
