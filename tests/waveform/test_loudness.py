"""True peak, limiter and loudness against BS.1770's tables, a finer oversampling and pyloudnorm."""

import numpy as np
import pytest
import soxr

from foleycli.waveform.loudness import (
    LoudnessMeter,
    integrated_loudness,
    k_weighting,
    limit_peaks,
    to_db,
    true_peak,
)

RATE = 48_000


def sine(frequency, seconds=1.0, level=1.0, phase=0.0):
    time = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * frequency * time + phase)).astype(np.float32)


def limited(sound, block=4096, **options):
    blocks = [sound[i : i + block] for i in range(0, len(sound), block)]
    return np.concatenate(list(limit_peaks(blocks, **options)))


def test_true_peak_sees_between_samples():
    # at a quarter of the rate and 45 degrees every sample is 3.01 dB under the peak
    sound = sine(RATE / 4, phase=np.pi / 4) * np.hanning(RATE).astype(np.float32)
    assert to_db(np.abs(sound).max()) == pytest.approx(-3.01, abs=0.02)
    assert true_peak([sound]) == pytest.approx(0, abs=0.05)
    assert true_peak(np.array_split(sound, 13)) == true_peak([sound])
    assert true_peak([np.zeros(100)]) == -np.inf


@pytest.mark.parametrize("frequency", [30, 100, 997, 5000, 11_999, 19_000])
def test_limiter_holds_the_ceiling(frequency):
    out = limited(sine(frequency, level=1.5), ceiling_db=-2)
    fine = np.abs(soxr.resample(out, RATE, 16 * RATE, quality="VHQ"))[8000:-8000]
    assert to_db(fine.max()) <= -1.9


def test_limiter_leaves_the_rest_bit_for_bit_and_in_place():
    sound = sine(440, seconds=3, level=0.5)
    sound[70_000:70_050] *= 3
    out = limited(sound)
    assert out.dtype == np.float32 and out.shape == sound.shape
    reach = 70_000 - 2 * 480 - 40
    assert np.array_equal(out[:reach], sound[:reach])
    assert np.array_equal(out[70_050 + 1000 :], sound[70_050 + 1000 :])
    assert true_peak([out]) <= -2 < true_peak([sound])
    calm = sine(440, seconds=3, level=0.5)
    assert np.array_equal(limited(calm), calm)


def test_limiter_does_not_care_for_block_boundaries():
    sound = (np.random.default_rng(0).standard_normal(200_000) * 0.5).astype(np.float32)
    whole = limited(sound, block=200_000)
    assert np.array_equal(limited(sound, block=777), whole)
    assert np.array_equal(limited(sound, block=65_536), whole)


@pytest.mark.parametrize("samples", [0, 1, 100, 65_536, 65_537, 132_000])
def test_limiter_keeps_any_length_and_shape(samples):
    sound = np.full((samples, 2), 0.9, np.float32)
    blocks = list(limit_peaks([sound])) if samples else [sound]
    assert np.concatenate(blocks).shape == sound.shape
    flat = list(limit_peaks([sound[:, 0]]))
    assert sum(len(block) for block in flat) == samples


def test_limiter_turns_channels_together():
    sound = np.stack([sine(440, level=2.0), sine(440, level=0.2)], axis=1)
    out = limited(sound)
    middle = slice(10_000, 11_000)
    assert np.allclose(out[middle, 0], 10 * out[middle, 1], atol=1e-5)


def test_k_weighting_is_the_tables_of_bs_1770():
    (shelf_b, shelf_a), (pass_b, pass_a) = k_weighting(48_000)
    table_1 = [1.53512485958697, -2.69169618940638, 1.19839281085285]
    assert shelf_b == pytest.approx(table_1, abs=1e-8)
    assert shelf_a == pytest.approx([1, -1.69065929318241, 0.73248077421585], abs=1e-8)
    assert list(pass_b) == [1, -2, 1]
    assert pass_a == pytest.approx([1, -1.99004745483398, 0.99007225036621], abs=1e-8)


def test_loudness_of_the_standards_own_examples():
    # BS.1770-4: a 997 Hz sine at 0 dBFS in one channel reads -3.01 LKFS; EBU Tech 3341 case 1:
    # stereo at -23 dBFS reads -23 LUFS
    assert integrated_loudness([sine(997, 5)], RATE) == pytest.approx(-3.01, abs=0.02)
    stereo = np.stack([sine(1000, 20, 10 ** (-23 / 20))] * 2, axis=1)
    assert integrated_loudness([stereo], RATE) == pytest.approx(-23, abs=0.1)
    assert integrated_loudness([np.zeros(RATE)], RATE) == -np.inf


def test_gates_ignore_silence_and_blocks_do_not_matter():
    # EBU Tech 3341 case 3: -36, -23, -36 dBFS reads -23 LUFS
    parts = [(-36, 10), (-23, 60), (-36, 10)]
    mono = np.concatenate([sine(1000, s, 10 ** (db / 20)) for db, s in parts])
    sound = np.stack([mono, mono], axis=1)
    meter = LoudnessMeter(RATE, 2)
    for start in range(0, len(sound), 33_333):
        meter.add(sound[start : start + 33_333])
    assert meter.integrated() == pytest.approx(-23, abs=0.1)
    assert meter.max_momentary() == pytest.approx(-23, abs=0.1)
    assert meter.max_short_term() == pytest.approx(-23, abs=0.1)


def test_loudness_range():
    # EBU Tech 3342 case 1: 20 s at -20 dBFS then 20 s at -30 dBFS is 10 LU
    mono = np.concatenate([sine(1000, 20, 0.1), sine(1000, 20, 10 ** (-30 / 20))])
    meter = LoudnessMeter(RATE, 2)
    meter.add(np.stack([mono, mono], axis=1))
    assert meter.loudness_range() == pytest.approx(10, abs=1)
