import numpy as np
import pytest
import torch

from foleycli.evaluate.highlight import HOP, N_FFT, SAMPLE_RATE, WINDOW, envelope, mag, w_dis


@pytest.fixture
def sounds():
    rng = np.random.default_rng(0)
    return [(0.1 * rng.standard_normal(SAMPLE_RATE)).astype(np.float32) for _ in range(2)]


def test_mag_is_that_of_the_published_stft(sounds):
    def magnitudes(sound):
        return torch.stft(
            torch.from_numpy(sound), N_FFT, HOP, WINDOW, torch.hann_window(WINDOW),
            return_complex=True,
        ).abs()  # fmt: skip

    published = (magnitudes(sounds[0]) - magnitudes(sounds[1])).abs().mean()
    assert mag(*sounds) == pytest.approx(float(published), rel=1e-5)
    assert mag(sounds[0], sounds[0]) == 0


def test_envelope_of_tones_is_their_size():
    times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = np.sin(2 * np.pi * 441 * times).astype(np.float32)
    assert envelope(tone, 0.25 * tone) == pytest.approx(0.75, rel=1e-3)
    other_phase = np.cos(2 * np.pi * 441 * times).astype(np.float32)
    assert envelope(tone, other_phase) == pytest.approx(0, abs=1e-2)


def test_w_dis_does_not_look_at_when(sounds):
    assert w_dis(sounds[0], sounds[0][::-1]) == pytest.approx(0, abs=1e-9)
    assert w_dis(sounds[0], sounds[0] + 0.5) == pytest.approx(0.5, rel=1e-5)
    assert w_dis(np.array([0.0, 1.0]), np.array([0.0, 3.0])) == pytest.approx(1)


def test_sounds_of_two_lengths_are_compared_over_the_shorter(sounds):
    assert mag(sounds[0], sounds[0][:30_000]) == pytest.approx(0, abs=1e-2)
    assert envelope(sounds[0][:100], sounds[0][:90]) < 0.2
