"""BEATs iter3+ (arXiv 2212.09058), whose layers TempoTokens reads: patches of a log-mel picture.

A transformer after its attention and feed-forward (post-norm, scaled as DeepNet does), with gated
relative positions. Names of the tensors are the published checkpoint's. Facts: microsoft/unilm,
beats (MIT).
"""

import math
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foleycli.errors import ModelError
from foleycli.listeners.fbank import fbank

SAMPLE_RATE = 16_000  # Hz
N_MELS = 128
PATCH = 16  # frames, and bands, of a patch
MEAN, SPREAD = 15.41663, 6.55582  # of the training set's log-mel
POVEY = 0.85  # power of the Hann window
FULL_SCALE = 32_768.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatsConfig:
    """Sizes, by the names of the checkpoint's own ``cfg``; the defaults are iter3+'s."""

    encoder_layers: int = 12
    encoder_embed_dim: int = 768
    encoder_ffn_embed_dim: int = 3072
    encoder_attention_heads: int = 12
    embed_dim: int = 512
    conv_pos: int = 128
    conv_pos_groups: int = 16
    num_buckets: int = 320
    max_distance: int = 800
    predictor_class: int = 527


def beats_fbank(waveform: Tensor) -> Tensor:
    """(samples,) at 16 kHz in [-1, 1] -> (frames, 128), a hundred a second, about unit variance."""
    return (fbank(waveform * FULL_SCALE, N_MELS, POVEY) - MEAN) / (2 * SPREAD)


def relative_buckets(distance: Tensor, buckets: int, longest: int) -> Tensor:
    """Buckets of relative positions (key less query): each near one its own, far ones in logarithm.

    Args:
        distance: whole numbers, of any shape.
        buckets: how many, half of them for what comes after.
        longest: distance from which all are in the last bucket.
    """
    half = buckets // 2
    near = half // 2
    away = distance.abs()
    far = torch.log(away.clamp(min=1).float() / near) / math.log(longest / near) * (half - near)
    bucket = torch.where(away < near, away, (near + far.long()).clamp(max=half - 1))
    return bucket + half * (distance > 0)


class Attention(nn.Module):
    """Attention with a bias for the relative position, which each query opens or closes."""

    def __init__(self, config: BeatsConfig, positions: nn.Embedding) -> None:
        super().__init__()
        size, self.heads = config.encoder_embed_dim, config.encoder_attention_heads
        head = size // self.heads
        self.grep_a = nn.Parameter(torch.ones(1, self.heads, 1, 1))
        self.relative_attention_bias = positions  # one table, shared by all layers
        self.k_proj, self.v_proj = nn.Linear(size, size), nn.Linear(size, size)
        self.q_proj, self.out_proj = nn.Linear(size, size), nn.Linear(size, size)
        self.grep_linear = nn.Linear(head, 8)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Rows (batch, tokens, size), position bias (heads, tokens, tokens)."""
        batch, tokens, size = x.shape
        query, key, value = (
            layer(x).view(batch, tokens, self.heads, -1).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        opened = self.grep_linear(query).view(batch, self.heads, tokens, 2, 4).sum(-1).sigmoid()
        a, b = opened[..., :1], opened[..., 1:]
        gate = a * (b * self.grep_a - 1) + 2
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=gate * bias)
        return self.out_proj(mixed.transpose(1, 2).reshape(batch, tokens, size))


class Layer(nn.Module):
    """Attention, then a feed-forward, each added to what came and normalised after."""

    def __init__(self, config: BeatsConfig, positions: nn.Embedding) -> None:
        super().__init__()
        size = config.encoder_embed_dim
        self.self_attn = Attention(config, positions)
        self.self_attn_layer_norm = nn.LayerNorm(size)
        self.fc1 = nn.Linear(size, config.encoder_ffn_embed_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_embed_dim, size)
        self.final_layer_norm = nn.LayerNorm(size)
        self.kept = (2 * config.encoder_layers) ** 0.25

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        x = self.self_attn_layer_norm(self.kept * x + self.self_attn(x, bias))
        return self.final_layer_norm(self.kept * x + self.fc2(F.gelu(self.fc1(x))))


class PositionConv(nn.Module):
    """Positions by a grouped convolution over tokens, its weight a length and a direction."""

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        size, width, groups = config.encoder_embed_dim, config.conv_pos, config.conv_pos_groups
        self.bias = nn.Parameter(torch.zeros(size))
        self.weight_g = nn.Parameter(torch.ones(1, 1, width))
        self.weight_v = nn.Parameter(torch.randn(size, size // groups, width) * 0.02)
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """(batch, size, tokens), the same again."""
        length = self.weight_v.norm(dim=(0, 1), keepdim=True)
        weight = self.weight_g * self.weight_v / length
        width = weight.shape[-1]
        y = F.conv1d(x, weight, self.bias, padding=width // 2, groups=self.groups)
        return F.gelu(y[..., :-1] if width % 2 == 0 else y)


class BeatsEncoder(nn.Module):
    """Positions, a norm, layers."""

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        self.pos_conv = nn.Sequential(PositionConv(config))
        positions = nn.Embedding(config.num_buckets, config.encoder_attention_heads)
        self.layers = nn.ModuleList(Layer(config, positions) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(config.encoder_embed_dim)
        self.buckets, self.longest = config.num_buckets, config.max_distance

    def begin(self, x: Tensor) -> Tensor:
        """Rows (batch, tokens, size) with their positions, normalised: the first layer's input."""
        return self.layer_norm(x + self.pos_conv(x.transpose(1, 2)).transpose(1, 2))

    def forward(self, x: Tensor) -> list[Tensor]:
        """The output of every layer."""
        x = self.begin(x)
        at = torch.arange(x.shape[1], device=x.device)
        buckets = relative_buckets(at[None] - at[:, None], self.buckets, self.longest)
        first = self.layers[0]
        assert isinstance(first, Layer)
        bias = first.self_attn.relative_attention_bias(buckets).permute(2, 0, 1)
        outputs = []
        for layer in self.layers:
            x = layer(x, bias)
            outputs.append(x)
        return outputs


class Beats(nn.Module):
    """Log-mel (batch, frames, 128) -> the outputs of all layers, a row a patch."""

    def __init__(self, config: BeatsConfig | None = None) -> None:
        super().__init__()
        config = config or BeatsConfig()
        self.config = config
        self.post_extract_proj = nn.Linear(config.embed_dim, config.encoder_embed_dim)
        self.patch_embedding = nn.Conv2d(1, config.embed_dim, PATCH, PATCH, bias=False)
        self.encoder = BeatsEncoder(config)
        self.layer_norm = nn.LayerNorm(config.embed_dim)
        self.predictor = nn.Linear(config.encoder_embed_dim, config.predictor_class)

    def patches(self, mel: Tensor) -> Tensor:
        """(batch, frames, 128) -> (batch, 8 * (frames // 16), size), time-major, mel inner."""
        x = self.patch_embedding(mel[:, None]).flatten(2).transpose(1, 2)
        return self.post_extract_proj(self.layer_norm(x))

    def forward(self, mel: Tensor) -> Tensor:
        """(batch, patches, layers * size): the layers side by side, the first first."""
        return torch.cat(self.encoder(self.patches(mel)), dim=-1)

    def probabilities(self, mel: Tensor) -> Tensor:
        """(batch, classes) of AudioSet."""
        last = self.encoder(self.patches(mel))[-1]
        return self.predictor(last).mean(dim=1).sigmoid()

    @classmethod
    def from_file(cls, path: Path) -> "Beats":
        """Read the published checkpoint: ``cfg`` and ``model``.

        Raises:
            ModelError: it is another file, or cannot be read.
        """
        try:
            held = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            known = {field.name for field in fields(BeatsConfig)}
            sizes = {name: value for name, value in held["cfg"].items() if name in known}
            with torch.device("meta"):
                beats = cls(BeatsConfig(**sizes))
            beats.load_state_dict(share_positions(held["model"]), assign=True)
        except (OSError, KeyError, TypeError, AttributeError, RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise ModelError(
                f"{path} is no BEATs checkpoint ({reason}).",
                "Give BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt (363 MB, MIT).",
            ) from error
        except Exception as error:  # a pickle of anything else
            raise ModelError(
                f"{path} cannot be read as weights alone.", "Give the published BEATs file."
            ) from error
        return beats.float().eval().requires_grad_(False)


def share_positions(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every layer's table of positions is the first one's."""
    leaf = "self_attn.relative_attention_bias.weight"
    table = weights[f"encoder.layers.0.{leaf}"]
    return {name: table if name.endswith(leaf) else w for name, w in weights.items()}
