"""Mel spectrogram to waveform with a network: a small Vocos (arXiv 2306.00814).

ConvNeXt blocks see mel frames and chance, and give the magnitude and the phase of every bin of an
inverse STFT. Magnitudes start from those that the mel's filters imply; the network says how far
they are off. Chance is what the texture of rain or cloth is drawn from: the same mel has many
waveforms.
"""

import json
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from foleycli.config import MelConfig, VocoderConfig
from foleycli.errors import ModelError
from foleycli.output import atomic_output
from foleycli.waveform.mel import expand, hann, mel_filters

QUIETEST = 1e-5  # magnitude; the bottom of the mel's scale
LARGEST_CHANGE = 6.0  # of a log magnitude: a factor of 400


class Block(nn.Module):
    """A ConvNeXt block over time (arXiv 2201.03545): each channel alone, then all at each frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.over_time = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 3 * width)
        self.narrow = nn.Linear(3 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, frames) -> the same."""
        inner = self.norm(self.over_time(x).mT)
        return x + (self.scale * self.narrow(F.gelu(self.widen(inner)))).mT


class VocoderNet(nn.Module):
    """A mel spectrogram and chance -> a waveform."""

    def __init__(self, mel: MelConfig, sizes: VocoderConfig) -> None:
        super().__init__()
        self.mel, self.sizes = mel, sizes
        width, bins = sizes.width, mel.n_fft // 2 + 1
        self.hop_length = mel.hop_length // sizes.finer
        self.frames_in = nn.Conv1d(mel.n_mels, width, 7, padding=3)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(sizes.depth)))
        self.split = nn.Conv1d(width, width * sizes.finer, 1) if sizes.finer > 1 else None
        self.chance_in = nn.Conv1d(sizes.noise, width, 3, padding=1)
        self.fine_blocks = nn.Sequential(*(Block(width) for _ in range(max(1, sizes.fine_depth))))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 3 * bins)  # change of log magnitude, cosine, sine
        with torch.no_grad():
            self.out.weight[:bins] *= 0.1
            self.out.bias[:bins] = 0

    def forward(self, mel: Tensor, noise: Tensor) -> Tensor:
        """Sound a mel spectrogram.

        Args:
            mel: (batch, n_mels, frames) as `mel.log_mel` makes it.
            noise: (batch, sizes.noise, 1 + frames * finer), standard normal.

        Returns:
            (batch, frames * hop_length)
        """
        frames = mel.shape[-1]
        x = self.blocks(self.frames_in(mel))
        if self.split is not None:
            x = self.split(x).unflatten(1, (self.sizes.width, self.sizes.finer)).mT.flatten(2)
        x = torch.cat([x, x[..., -1:]], dim=-1) + self.chance_in(noise)
        x = self.norm(self.fine_blocks(x).mT)
        change, cosine, sine = self.out(x).float().mT.chunk(3, dim=1)
        change = LARGEST_CHANGE * torch.tanh(change / LARGEST_CHANGE)
        magnitudes = (self.implied(mel).log() + change).exp()
        length = (cosine.square() + sine.square() + 1e-8).rsqrt() * magnitudes
        spectrogram = torch.complex(cosine * length, sine * length) * self.centred(mel.device)
        return torch.istft(
            spectrogram,
            self.mel.n_fft,
            self.hop_length,
            window=hann(self.mel.n_fft).to(mel.device),
            length=frames * self.mel.hop_length,
        )

    def implied(self, mel: Tensor) -> Tensor:
        """Magnitudes (batch, bins, 1 + frames * finer) that the mel's filters imply."""
        size = 1 + mel.shape[-1] * self.sizes.finer
        closed = torch.cat([mel, mel[..., -1:]], dim=-1).float()
        between = F.interpolate(closed, size=size, mode="linear", align_corners=True)
        spread = _spread(self.mel).to(mel.device)
        return (spread @ expand(between)).clamp(min=QUIETEST)

    def centred(self, device: torch.device) -> Tensor:
        """(bins, 1) signs that make a click in the middle of a window a phase of zero."""
        bins = torch.arange(self.mel.n_fft // 2 + 1, device=device)
        return (1 - 2 * (bins % 2))[:, None]

    def draw_noise(self, batch: int, frames: int, random: torch.Generator) -> Tensor:
        """Chance for `forward`, drawn on the CPU."""
        size = (batch, self.sizes.noise, 1 + frames * self.sizes.finer)
        return torch.randn(size, generator=random)

    @torch.inference_mode()
    def sound(self, mel: Tensor, seed: int = 0) -> Tensor:
        """(n_mels, frames) -> (frames * hop_length,); the same seed, the same samples."""
        random = torch.Generator().manual_seed(seed)
        noise = self.draw_noise(1, mel.shape[-1], random).to(mel.device)
        return self(mel[None], noise)[0]


@lru_cache(maxsize=4)
@torch.inference_mode(False)
def _spread(config: MelConfig) -> Tensor:
    """(bins, n_mels): each bin takes the level of the bands over it, as a flat spectrum would."""
    filters = mel_filters(config)
    cover = filters.T / filters.sum(dim=0)[:, None].clamp(min=1e-9)  # of a bin, over its bands
    return cover / filters.sum(dim=1).clamp(min=1e-9)


def save_vocoder(path: Path, net: VocoderNet, half: bool = False) -> None:
    """Write a network with its sizes and its mel in the metadata."""
    tensors = net.state_dict()
    ready = {name: (t.half() if half else t).cpu().contiguous() for name, t in tensors.items()}
    facts = {"mel": json.dumps(asdict(net.mel)), "sizes": json.dumps(asdict(net.sizes))}
    with atomic_output(path, overwrite=True) as beside:
        save_file(ready, beside, metadata=facts)
        beside.chmod(0o644)


def load_vocoder(path: Path) -> VocoderNet:
    """Read such a file.

    Raises:
        ModelError: it is none.
    """
    try:
        with safe_open(path, "pt") as file:
            facts = file.metadata()
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        net = VocoderNet(
            MelConfig(**json.loads(facts["mel"])), VocoderConfig(**json.loads(facts["sizes"]))
        )
        net.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path} is no vocoder ({error}).", "Train it again.") from error
    return net.eval().requires_grad_(False)
