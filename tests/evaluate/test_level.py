import numpy as np
import pytest

from foleycli.evaluate.level import clipping, loudness, silence
from foleycli.waveform.sound import integrated_loudness

pyloudnorm = pytest.importorskip("pyloudnorm")
RATE = 16_000


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_loudness_is_that_of_pyloudnorm(rate):
    rng = np.random.default_rng(0)
    swell = (0.1 * rng.standard_normal(7 * rate) * np.linspace(0.01, 1, 7 * rate)).astype("f4")
    meter = pyloudnorm.Meter(rate, filter_class="DeMan")  # the filters of BS.1770 at any rate
    assert loudness(swell, rate) == pytest.approx(meter.integrated_loudness(swell), abs=1e-4)


def test_silence_has_no_loudness():
    assert np.isnan(loudness(np.zeros(RATE, np.float32), RATE))


def test_a_blip_is_as_loud_as_the_same_sound_going_on():
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    assert integrated_loudness(tone[:3200]) == pytest.approx(integrated_loudness(tone), abs=0.2)
    assert integrated_loudness(tone[:0]) == -np.inf


def test_silent_share():
    waveform = np.zeros(RATE, np.float32)
    waveform[: RATE // 4] = 0.1
    assert silence(waveform, RATE) == 72  # of 6.25 blocks the last is not silent as a whole
    assert silence(10 ** (-61 / 20) * np.ones(RATE, np.float32), RATE) == 100
    assert silence(10 ** (-59 / 20) * np.ones(RATE, np.float32), RATE) == 0
    assert silence(np.zeros(0, np.float32), RATE) == 100


def test_flat_tops_are_clipped_and_single_peaks_are_not():
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    assert clipping(tone.astype(np.float32)) == 0
    hot = np.clip(2 * tone, -1, 1).astype(np.float32)
    flat = 100 * np.mean(np.abs(2 * tone) >= 1)
    assert clipping(hot) == pytest.approx(flat, abs=0.1)
    assert clipping(np.zeros(0, np.float32)) == 0
