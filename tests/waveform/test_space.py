"""Gains of places: power, mono sums, distance and what air takes."""

import numpy as np
import pytest

from foleycli.config import SPACE
from foleycli.waveform.space import (
    SPEAKERS,
    Space,
    Where,
    air_absorption,
    distance_db,
    dull,
    glide,
    pan_gains,
    to_mono,
    to_stereo,
    treble_loss_db,
    wide_gains,
)

RATE = 48_000
NOISE = np.random.default_rng(0).standard_normal((3, RATE)).astype(np.float32) * 0.1


def db(sound):
    return 10 * np.log10(np.square(sound, dtype=np.float64).sum())


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_pan_keeps_the_power(channels) -> None:
    gains = pan_gains(np.linspace(-1, 1, 21), channels)
    assert np.square(gains).sum(axis=-1) == pytest.approx(1, abs=1e-6)


def test_the_middle_of_six_channels_is_the_centre_and_lfe_is_empty() -> None:
    assert SPEAKERS[6] == ("L", "R", "C", "LFE", "Ls", "Rs")
    assert pan_gains(0.0, 6).tolist() == [0, 0, 1, 0, 0, 0]
    assert pan_gains(-1.0, 6) == pytest.approx([1, 0, 0, 0, 0, 0], abs=1e-7)
    assert not pan_gains(np.linspace(-1, 1, 9), 6)[:, 3:].any()
    assert not wide_gains(6)[:, 3].any() and not wide_gains(6)[:, 2].any()


@pytest.mark.parametrize("pan", [-1.0, -0.4, 0.0, 1.0])
def test_a_mono_sum_of_what_stands_as_wide_as_usual_loses_less_than_1_db(pan) -> None:
    for channels in (2, 6):
        sound = Space(channels).set(NOISE[0], 0, RATE, Where(pans=(pan,)))
        assert -0.75 < db(to_mono(sound)) - db(sound) < 1.8


@pytest.mark.parametrize("channels", [2, 6])
def test_what_is_wide_is_as_loud_and_loses_less_than_1_db_in_mono(channels) -> None:
    air = Where(layer="air")
    others = {1 / 2: NOISE[1], 1 / 3: NOISE[2]}
    wide = Space(channels).set(NOISE[0], 0, RATE, air, others.__getitem__)
    assert db(wide) - db(NOISE[0]) == pytest.approx(0, abs=0.05)
    assert -1 < db(to_mono(wide)) - db(wide) < 1
    left, right = wide[:, 0], wide[:, 1]
    assert 0.5 < np.corrcoef(left, right)[0, 1] < 0.9
    if channels == 6:
        rear = np.square(wide[:, 4:]).sum() / np.square(wide).sum()
        assert rear == pytest.approx(SPACE.surround, abs=0.02)
        assert to_stereo(wide).shape == (RATE, 2)


def test_twice_as_far_is_6_db_less_at_full_perspective() -> None:
    near, far = distance_db(2.0, 2.0, 1.0), distance_db(4.0, 2.0, 1.0)
    assert near == 0 and far == pytest.approx(-6.02, abs=0.01)
    assert distance_db(4.0, 2.0, 0.5) == pytest.approx(-3.01, abs=0.01)
    assert distance_db(0.0, 2.0, 1.0) == 0  # unknown
    assert distance_db(4.0, 2.0, 0.0) == 0
    assert distance_db(1e4, 2.0, 1.0) == SPACE.farthest_db


@pytest.mark.parametrize(("frequency", "loss"), [(1000, 5.0), (2000, 9.0), (4000, 22.9)])
def test_air_takes_what_iso_9613_says(frequency, loss) -> None:
    """dB a kilometre at 20 degrees and 70 %: ISO 9613-2:1996, table 2."""
    assert 1000 * air_absorption(frequency, 20, 70) == pytest.approx(loss, rel=0.02)


def test_far_things_lose_treble_and_near_ones_none() -> None:
    assert treble_loss_db(2.0, 2.0, 1.0) == 0 and treble_loss_db(30.0, 2.0, 0.0) == 0
    loss = treble_loss_db(12.0, 2.0, 1.0)
    assert 5 < loss < SPACE.dullest_db
    spectrum = np.abs(np.fft.rfft(dull(NOISE[0], loss, RATE))) / np.abs(np.fft.rfft(NOISE[0]))
    at = np.fft.rfftfreq(RATE, 1 / RATE)
    low, high = (20 * np.log10(np.median(spectrum[(at > f / 1.1) & (at < f * 1.1)]))
                 for f in (100, 8_000))  # fmt: skip
    assert abs(low) < 0.5 and high == pytest.approx(-loss, abs=0.5)


def test_a_sound_that_moves_glides_and_keeps_its_power() -> None:
    where = Where((0, RATE // 2), (-1.0, 1.0), (0.0, 0.0), "hard")
    tone = np.ones(RATE, np.float32)
    sound = Space(2, width=1.0).set(tone, 0, RATE, where)
    assert sound[0] == pytest.approx([1, 0], abs=1e-6)
    assert sound[-1] == pytest.approx([0, 1], abs=1e-6)
    assert np.square(sound).sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert np.abs(np.diff(sound, axis=0)).max() < 4 / (SPACE.glide * RATE)


def test_a_glide_is_halfway_at_its_edge() -> None:
    values = glide(np.arange(200), [0, 100], [0.0, 1.0], 40)
    assert values[79] == 0 and values[100] == pytest.approx(0.5) and values[121] == 1


def test_one_channel_without_perspective_is_the_sound_itself() -> None:
    set_ = Space(1, perspective=0.0).set(NOISE[0], 5, RATE, Where(pans=(0.7,), distances=(9.0,)))
    assert np.array_equal(set_[:, 0], NOISE[0])


def test_what_is_far_sends_a_larger_share_to_the_room_and_air_sends_none() -> None:
    space = Space(2, perspective=1.0, sends=True)
    tone = np.ones(100, np.float32)
    near, far = (space.lay(tone, 0, RATE, Where(distances=(d,), layer="hard")) for d in (6.0, 24.0))
    shares = [float(np.sqrt(x[0, 2] ** 2 / np.square(x[0, :2]).sum())) for x in (near, far)]
    assert shares == pytest.approx([1, 2], rel=0.01)
    assert not space.lay(tone, 0, RATE, Where(layer="air"))[:, 2].any()
