"""The mel spectrogram against librosa's (the reference's golden file), and against facts."""

import numpy as np
import pytest
import torch

from foleycli.config import MEL, MelConfig
from foleycli.waveform.mel import compress, expand, hann, log_mel, mel_filters, to_hertz, to_mel

DIFF_FOLEY = MelConfig(sample_rate=16_000, n_fft=1024, hop_length=256, f_min=125, f_max=7600)


def test_filters_and_spectrogram_are_those_of_the_reference(reference):
    golden = np.load(reference / "golden" / "mel.npz")
    np.testing.assert_allclose(mel_filters(DIFF_FOLEY), golden["mel_basis"], atol=1e-7)
    mel = log_mel(torch.from_numpy(golden["wav_in"]), DIFF_FOLEY)
    np.testing.assert_allclose(mel, golden["mel"], atol=2e-6)


def test_a_sine_is_loudest_in_the_band_of_its_frequency():
    time = torch.arange(MEL.sample_rate) / MEL.sample_rate
    mel = log_mel(0.1 * torch.sin(2 * torch.pi * 1000 * time), MEL)
    edges = to_hertz(np.linspace(*to_mel(np.array([MEL.f_min, MEL.f_max])), MEL.n_mels + 2))
    loudest = int(mel[:, 30].argmax())
    assert edges[loudest] < 1000 < edges[loudest + 2]


@pytest.mark.parametrize("samples", [1, 499, 500, 501, 256_000])
def test_every_started_hop_has_a_frame(samples):
    assert log_mel(torch.zeros(samples), MEL).shape == (128, -(-samples // 500))


def test_silence_is_zero_and_comes_back_as_silence():
    mel = log_mel(torch.zeros(4000), MEL)
    assert float(mel.abs().max()) == 0
    assert float(expand(mel).abs().max()) == 0


def test_expand_undoes_compress():
    magnitudes = torch.logspace(-3.9, 0.9, 50)
    torch.testing.assert_close(expand(compress(magnitudes)), magnitudes, rtol=1e-4, atol=0)


def test_slaney_scale_is_linear_to_1_khz_and_then_27_steps_a_factor_of_6_4():
    np.testing.assert_allclose(to_mel(np.array([0.0, 200.0, 1000.0, 6400.0])), [0, 3, 15, 42])
    np.testing.assert_allclose(to_hertz(np.array([3.0, 15.0, 42.0])), [200, 1000, 6400])


def test_what_is_kept_while_listening_can_be_learned_with():
    hann.cache_clear()
    mel_filters.cache_clear()
    with torch.inference_mode():
        window, filters = hann(MEL.n_fft), mel_filters(MEL)
    weight = torch.ones(MEL.n_fft, requires_grad=True)
    (filters @ torch.fft.rfft(weight * window).abs()).sum().backward()
    assert weight.grad is not None
