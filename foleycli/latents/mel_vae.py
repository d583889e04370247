"""A mel spectrogram to latents and back, with layers that keep magnitudes (Karras et al., arXiv
2312.02696): MMAudio's autoencoder (arXiv 2412.15322).

Modules carry the public names; weights are those of the public file *folded* by `fold`: normalised
once, gains multiplied in. The formulas are those of arXiv 2312.02696, appendix B.
"""

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foleycli.config import MEL_VAE, MelVaeConfig

EPS = 1e-4
RESIDUAL = 0.3  # share of what a layer adds
SILU_GAIN = 1 / 0.596  # keeps the magnitude of a unit normal
BOUND = 256.0  # activations are clamped there
LEVELS = 3
GAIN = "learnable_gain"
LOG_VARIANCES = (-30.0, 20.0)


def fold(public: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The public file's tensors with every convolution normalised and its gain multiplied in.

    w / (1e-4 + |w| / sqrt(n)) / sqrt(n), n inputs of a channel: once, since the
    weights no longer move.
    """
    folded = {}
    for name, tensor in public.items():
        if name.endswith(".weight"):
            inputs = tensor[0].numel()
            weight = tensor.float()
            lengths = weight.flatten(1).norm(dim=1).view(-1, *[1] * (tensor.ndim - 1))
            folded[name] = weight / (EPS + lengths / math.sqrt(inputs)) / math.sqrt(inputs)
        elif not name.endswith(GAIN):
            folded[name] = tensor
    for name, gain in public.items():
        if name.endswith(GAIN):
            end = name.replace(GAIN, "conv_out.weight")
            folded[end] = folded[end] * (1 + gain.float())
    return folded


def conv(inputs: int, outputs: int, width: int) -> nn.Conv1d:
    """Over time, without bias, as long as before."""
    return nn.Conv1d(inputs, outputs, width, padding=width // 2, bias=False)


def unit(rows: Tensor) -> Tensor:
    """Magnitude 1 over channels (batch, channels, length), float32."""
    rows = rows.float()
    return rows / (EPS + rows.square().mean(1, keepdim=True).sqrt())


def bend(rows: Tensor) -> Tensor:
    """SiLU that keeps magnitudes."""
    return F.silu(rows) * SILU_GAIN


def add(rows: Tensor, more: Tensor) -> Tensor:
    """A sum that keeps magnitudes."""
    return rows.lerp(more.to(rows.dtype), RESIDUAL) / math.hypot(1 - RESIDUAL, RESIDUAL)


class ResBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = conv(inputs, outputs, 3)
        self.conv2 = conv(outputs, outputs, 3)
        if inputs != outputs:
            self.nin_shortcut = conv(inputs, outputs, 1)
        self.changes = inputs != outputs

    def forward(self, rows: Tensor) -> Tensor:
        """(batch, inputs, length) -> (batch, outputs, length)"""
        rows = unit(rows)
        more = self.conv2(bend(self.conv1(bend(rows))))
        if self.changes:
            rows = self.nin_shortcut(rows).float()
        return add(rows, more)


class Attention(nn.Module):
    """Each moment asks all, by one head."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.qkv = conv(size, 3 * size, 1)
        self.proj_out = conv(size, size, 1)

    def forward(self, rows: Tensor) -> Tensor:
        """(batch, size, length) -> the same"""
        query, key, value = (
            unit(part).mT for part in self.qkv(rows).unflatten(1, (-1, 3)).unbind(2)
        )
        heard = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None])
        return add(rows, self.proj_out(heard[:, 0].mT))


class Upsample(nn.Module):
    """Twice as many moments."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv = conv(size, size, 3)

    def forward(self, rows: Tensor) -> Tensor:
        """(batch, size, length) -> (batch, size, 2 length)"""
        return self.conv(F.interpolate(rows, scale_factor=2.0, mode="nearest"))


class Downsample(nn.Module):
    """Half as many moments."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv1 = conv(size, size, 1)
        self.conv2 = conv(size, size, 1)

    def forward(self, rows: Tensor) -> Tensor:
        """(batch, size, length) -> (batch, size, length / 2)"""
        return self.conv2(F.avg_pool1d(self.conv1(rows), 2))


def middle(size: int) -> nn.ModuleDict:
    """What both halves have at their coarsest level."""
    return nn.ModuleDict(
        {
            "block_1": ResBlock(size, size),
            "attn_1": Attention(size),
            "block_2": ResBlock(size, size),
        }
    )


def through_middle(parts: nn.ModuleDict, rows: Tensor) -> Tensor:
    """Pass the coarsest level."""
    for name in ("block_1", "attn_1", "block_2"):
        rows = parts[name](rows)
    return rows.clamp(-BOUND, BOUND)


def level(inputs: int, outputs: int, blocks: int, change: nn.Module | None, name: str):
    """Blocks of one level, and what changes the number of moments after them, where it does."""
    parts: dict[str, nn.Module] = {
        "block": nn.ModuleList(
            ResBlock(inputs if i == 0 else outputs, outputs) for i in range(blocks)
        )
    }
    if change is not None:
        parts[name] = change
    return nn.ModuleDict(parts)


class Decoder(nn.Module):
    """Latents -> a mel of mean 0 and deviation 1."""

    def __init__(self, config: MelVaeConfig = MEL_VAE) -> None:
        super().__init__()
        sizes = [config.size << i for i in range(LEVELS)]
        self.conv_in = conv(config.channels, sizes[-1], 3)
        self.mid = middle(sizes[-1])
        self.up = nn.ModuleList(
            level(
                sizes[min(i + 1, LEVELS - 1)],
                sizes[i],
                3,
                Upsample(sizes[i]) if i == 1 else None,
                "upsample",
            )
            for i in range(LEVELS)
        )
        self.conv_out = conv(sizes[0], config.n_mels, 3)

    def forward(self, latent: Tensor) -> Tensor:
        """(batch, channels, length) -> (batch, n_mels, 2 length)"""
        rows = through_middle(self.mid, self.conv_in(latent).float())
        for i in reversed(range(LEVELS)):
            parts = self.up[i]
            assert isinstance(parts, nn.ModuleDict)
            for block in parts["block"]:  # type: ignore[union-attr]
                rows = block(rows).clamp(-BOUND, BOUND)
            if "upsample" in parts:
                rows = parts["upsample"](rows)
        return self.conv_out(bend(rows)).float()


class Encoder(nn.Module):
    """A mel of mean 0 and deviation 1 -> mean and log variance of its latents."""

    def __init__(self, config: MelVaeConfig = MEL_VAE) -> None:
        super().__init__()
        sizes = [config.size << i for i in range(LEVELS)]
        self.conv_in = conv(config.n_mels, sizes[0], 3)
        self.down = nn.ModuleList(
            level(
                sizes[max(0, i - 1)],
                sizes[i],
                2,
                Downsample(sizes[i]) if i == 0 else None,
                "downsample",
            )
            for i in range(LEVELS)
        )
        self.mid = middle(sizes[-1])
        self.conv_out = conv(sizes[-1], 2 * config.channels, 3)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, n_mels, length) -> two of (batch, channels, length / 2)"""
        rows = self.conv_in(mel).float()
        for parts in self.down:
            assert isinstance(parts, nn.ModuleDict)
            for block in parts["block"]:  # type: ignore[union-attr]
                rows = block(rows).clamp(-BOUND, BOUND)
            if "downsample" in parts:
                rows = parts["downsample"](rows)
        mean, log_variance = self.conv_out(bend(through_middle(self.mid, rows))).float().chunk(2, 1)
        return mean, log_variance.clamp(*LOG_VARIANCES)


class MelVae(nn.Module):
    """Both halves, and the mean and deviation of every band.

    Args:
        encodes: whether it has the half that training needs.
    """

    def __init__(self, config: MelVaeConfig = MEL_VAE, encodes: bool = False) -> None:
        super().__init__()
        self.data_mean: Tensor
        self.data_std: Tensor
        mean, deviation = statistics(config.n_mels)
        self.register_buffer("data_mean", torch.tensor(mean)[None, :, None])
        self.register_buffer("data_std", torch.tensor(deviation)[None, :, None])
        if encodes:
            self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def decode(self, latent: Tensor) -> Tensor:
        """(batch, channels, length) -> log mel (batch, n_mels, 2 length)"""
        return self.decoder(latent) * self.data_std + self.data_mean

    def encode(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Log mel (batch, n_mels, length) -> mean, log variance (batch, channels, length / 2)"""
        return self.encoder((mel - self.data_mean) / self.data_std)


@lru_cache(maxsize=4)
def statistics(n_mels: int) -> tuple[list[float], list[float]]:
    """Mean and deviation of every band of VGGSound's log mels, at 16 kHz (80 bands) and at 44.1 kHz
    (128): those the public files hold. Other numbers of bands have 0 and 1."""
    known = json.loads((files("foleycli.latents") / "mel_statistics.json").read_text("utf-8"))
    found = known.get(str(n_mels), {"mean": [0.0] * n_mels, "std": [1.0] * n_mels})
    return found["mean"], found["std"]
