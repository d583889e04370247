"""ImageBind's vision and audio parts (Girdhar et al. 2023, arXiv 2305.05665).

Two transformers whose class tokens end in one space. Modules carry the names and shapes of the
public weights (dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth; CC BY-NC-SA 4.0), of which the
other four senses are left out. What goes in is made in `imagebind_score`.
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE = 1024  # of an embedding
SIDE, PATCH = 224, 14  # pixels of a picture, and of a patch
N_MELS, MEL_FRAMES = 128, 204  # of a spectrogram
MEL_PATCH, MEL_STRIDE = 16, 10  # of its patches, which overlap


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """Sizes of a transformer."""

    width: int
    blocks: int
    heads: int


VISION = Trunk(width=1280, blocks=32, heads=16)
AUDIO = Trunk(width=768, blocks=12, heads=12)


class Block(nn.Module):
    """Self-attention and two linear layers, each added to what came in.

    Args:
        extra: a learned key and value stand beside those of the tokens.
    """

    def __init__(self, width: int, heads: int, *, extra: bool) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, add_bias_kv=extra, batch_first=True)
        self.norm_1 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(width, 4 * width), act=nn.GELU(), fc2=nn.Linear(4 * width, width)
            )
        )
        self.norm_2 = nn.LayerNorm(width, eps=1e-6)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, tokens, width) -> the same"""
        normed = self.norm_1(tokens)
        tokens = tokens + self.attn(normed, normed, normed, need_weights=False)[0]
        return tokens + self.mlp(self.norm_2(tokens))


class Stem(nn.Module):
    """Patches -> tokens."""

    def __init__(self, proj: nn.Module, norm_layer: nn.Module) -> None:
        super().__init__()
        self.proj, self.norm_layer = proj, norm_layer

    def forward(self, patched: Tensor) -> Tensor:
        """(batch, channels, ...) -> (batch, patches, width)"""
        return self.norm_layer(self.proj(patched).flatten(2).transpose(1, 2))


class Preprocessor(nn.Module):
    """Tokens of the patches behind a class token, each with its place added."""

    def __init__(self, stem: Stem, patches: int, width: int) -> None:
        super().__init__()
        self.rgbt_stem = stem  # so named in the weights of both senses
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        places = nn.Parameter(torch.zeros(1, 1 + patches, width))
        self.pos_embedding_helper = nn.ParameterDict({"pos_embed": places})

    def forward(self, patched: Tensor) -> Tensor:
        """(batch, channels, ...) -> (batch, 1 + patches, width)"""
        tokens = self.rgbt_stem(patched)
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        return tokens + self.pos_embedding_helper["pos_embed"]


class ImageBind(nn.Module):
    """What a pair of pictures, and two seconds of sound, are: unit vectors of one space."""

    def __init__(self, vision: Trunk = VISION, audio: Trunk = AUDIO, size: int = SIZE) -> None:
        super().__init__()
        conv = nn.Conv3d(3, vision.width, (2, PATCH, PATCH), (2, PATCH, PATCH), bias=False)
        looking = Stem(nn.Sequential(nn.Identity(), conv), nn.Identity())
        conv = nn.Conv2d(1, audio.width, MEL_PATCH, MEL_STRIDE, bias=False)
        listening = Stem(conv, nn.LayerNorm(audio.width))
        down, along = ((n - MEL_PATCH) // MEL_STRIDE + 1 for n in (N_MELS, MEL_FRAMES))
        self.modality_preprocessors = nn.ModuleDict(
            {
                "vision": Preprocessor(looking, (SIDE // PATCH) ** 2, vision.width),
                "audio": Preprocessor(listening, down * along, audio.width),
            }
        )
        first = nn.Sequential(nn.LayerNorm(vision.width, eps=1e-6))
        self.modality_trunks = nn.ModuleDict(
            {"vision": _trunk(vision, first), "audio": _trunk(audio, nn.Identity(), extra=True)}
        )
        self.modality_heads = nn.ModuleDict(
            {"vision": _head(vision.width, size), "audio": _head(audio.width, size)}
        )

    def see(self, pictures: Tensor) -> Tensor:
        """(batch, 3, 2, 224, 224), pairs of pictures -> (batch, size)"""
        return self._embed("vision", pictures)

    def hear(self, log_mel: Tensor) -> Tensor:
        """(batch, 1, 128, 204) -> (batch, size)"""
        return self._embed("audio", log_mel)

    def _embed(self, sense: str, patched: Tensor) -> Tensor:
        tokens = self.modality_trunks[sense](self.modality_preprocessors[sense](patched))
        return F.normalize(self.modality_heads[sense](tokens[:, 0]), dim=-1)


def _trunk(sizes: Trunk, first: nn.Module, *, extra: bool = False) -> nn.Module:
    blocks = (Block(sizes.width, sizes.heads, extra=extra) for _ in range(sizes.blocks))
    return nn.Sequential(OrderedDict(pre_transformer_layer=first, blocks=nn.Sequential(*blocks)))


def _head(width: int, size: int) -> nn.Module:
    return nn.Sequential(
        nn.LayerNorm(width, eps=1e-6), nn.Identity(), nn.Linear(width, size, bias=False)
    )
