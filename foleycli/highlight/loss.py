"""How far a balanced mix is from the true one, over spectrograms of three resolutions.

VisAH (arXiv 2505.12154) is trained on the mean distance of log magnitudes, times .1; its paper
writes the distance of plain magnitudes. Both are here.
"""

from typing import TypedDict

import torch
from torch import Tensor

RESOLUTIONS = (2048, 1024, 512)  # samples of a window; half as far apart
POWER_FLOOR = 1e-7
WEIGHT = 0.1


class Distances(TypedDict):
    """Of one resolution."""

    convergence: float  # ||M_t - M_p|| / ||M_t||, over the whole batch
    log: float  # mean |ln M_t - ln M_p|
    linear: float  # mean |M_t - M_p|


def magnitudes(sound: Tensor, n_fft: int) -> Tensor:
    """(batch, samples) -> (batch, bins, frames), floored."""
    window = torch.hann_window(n_fft, device=sound.device)
    spectrum = torch.stft(sound, n_fft, n_fft // 2, window=window, return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    return power.clamp(min=POWER_FLOOR).sqrt()


def log_magnitude_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """The loss that the published network learned by; both (batch, samples)."""
    distances = [
        (magnitudes(target, n_fft).log() - magnitudes(prediction, n_fft).log()).abs().mean()
        for n_fft in RESOLUTIONS
    ]
    return WEIGHT * torch.stack(distances).mean()


def magnitude_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """The loss that its paper writes: plain magnitudes, the sum over resolutions."""
    distances = [
        (magnitudes(target, n_fft) - magnitudes(prediction, n_fft)).abs().mean()
        for n_fft in RESOLUTIONS
    ]
    return torch.stack(distances).sum()


def resolution_distances(prediction: Tensor, target: Tensor, n_fft: int) -> Distances:
    """All three distances at one resolution."""
    p, t = magnitudes(prediction, n_fft), magnitudes(target, n_fft)
    return Distances(
        convergence=float((t - p).norm() / t.norm()),
        log=float((t.log() - p.log()).abs().mean()),
        linear=float((t - p).abs().mean()),
    )
