"""What Griffin-Lim must keep: pitch, time, length, silence."""

import numpy as np
import torch

from foleycli.config import MEL, MelConfig
from foleycli.waveform.mel import log_mel, stft
from foleycli.waveform.vocoder import Frames, finer, istft, mel_to_waveform

TIME = torch.arange(MEL.sample_rate) / MEL.sample_rate  # one second


def test_pitch_is_kept():
    """The public model's own inverse plays 5.5 semitones low; here 440 Hz stays 440 Hz."""
    back = mel_to_waveform(log_mel(0.3 * torch.sin(2 * torch.pi * 440 * TIME), MEL), MEL)
    spectrum = np.abs(np.fft.rfft(back.numpy() * np.hanning(len(back))))
    assert abs(int(spectrum.argmax()) - 440) < 15  # Hz; a band is 27 Hz wide there


def test_a_burst_stays_where_it_was():
    burst = torch.zeros(MEL.sample_rate)
    burst[16_000:16_640] = 0.3 * torch.randn(640, generator=torch.Generator().manual_seed(0))
    back = mel_to_waveform(log_mel(burst, MEL), MEL).square()
    assert float(back[15_500:17_200].sum() / back.sum()) > 0.95


def test_level_is_kept():
    noise = 0.1 * torch.randn(MEL.sample_rate, generator=torch.Generator().manual_seed(0))
    back = mel_to_waveform(log_mel(noise, MEL), MEL)
    assert abs(20 * float((back.std() / noise.std()).log10())) < 2  # dB


def test_same_seed_same_samples_and_exact_length():
    mel = log_mel(0.1 * torch.sin(2 * torch.pi * 300 * TIME), MEL)[:, :24]
    first, again, other = (mel_to_waveform(mel, MEL, seed, 4) for seed in (1, 1, 2))
    assert first.shape == (24 * 500,)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_silence_stays_silent():
    assert float(mel_to_waveform(torch.zeros(128, 16), MEL).abs().max()) < 1e-5


def test_frames_are_added_until_four_windows_overlap():
    mel = torch.rand(128, 10)
    denser, config = finer(mel, MEL)
    assert (denser.shape, config.hop_length) == ((128, 21), 250)
    torch.testing.assert_close(denser[:, :20:2], mel)
    reference = MelConfig(sample_rate=16_000, n_fft=1024, hop_length=256)
    assert finer(mel, reference)[1] == reference


def test_frames_are_those_of_the_stft():
    config = MelConfig(hop_length=250)
    wave = torch.randn(250 * 40, generator=torch.Generator().manual_seed(0))
    spectrogram = stft(wave, config)
    frames = Frames(spectrogram.shape[1], len(wave), config)
    back = frames.synthesise(spectrogram.T.contiguous()).clone()
    torch.testing.assert_close(frames.cut(back), wave, atol=1e-5, rtol=0)
    torch.testing.assert_close(frames.cut(back), istft(spectrogram, len(wave), config))
    spectra = torch.empty_like(spectrogram.T, memory_format=torch.contiguous_format)
    torch.testing.assert_close(frames.analyse(back, spectra).T, spectrogram, atol=1e-4, rtol=0)


def test_phases_agree_better_after_more_iterations():
    mel = log_mel(0.1 * torch.randn(16_000, generator=torch.Generator().manual_seed(0)), MEL)

    def error(iterations):
        back = log_mel(mel_to_waveform(mel, MEL, 0, iterations), MEL)
        return float((back[:, : mel.shape[1]] - mel).square().mean())

    assert error(16) < error(4) < error(0)
