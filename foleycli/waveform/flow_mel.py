"""The log mel that MMAudio's autoencoders encode (arXiv 2412.15322): at 16 kHz and at 44.1 kHz."""

import torch
import torch.nn.functional as F
from torch import Tensor

from foleycli.config import MelConfig
from foleycli.waveform.mel import hann, mel_filters

FLOOR = 1e-5
EPS = 1e-9  # under the root of the power


def flow_mel(waveform: Tensor, config: MelConfig) -> Tensor:
    """Log mel of a waveform, no window centred on a sample: half a window less a hop is mirrored.

    Args:
        waveform: (batch, samples), clamped to [-1, 1].
        config: below 32 kHz the logarithm is the common one, above it the natural one.

    Returns:
        (batch, n_mels, samples // hop_length)
    """
    edge = (config.n_fft - config.hop_length) // 2
    padded = F.pad(waveform.clamp(-1, 1)[:, None], (edge, edge), mode="reflect")[:, 0]
    spectrogram = torch.stft(
        padded,
        config.n_fft,
        config.hop_length,
        window=hann(config.n_fft).to(waveform.device),
        center=False,
        return_complex=True,
    )
    magnitudes = torch.view_as_real(spectrogram).square().sum(-1).add(EPS).sqrt()
    mel = (mel_filters(config).to(waveform.device) @ magnitudes).clamp(min=FLOOR)
    return mel.log10() if config.sample_rate < 32_000 else mel.log()
