"""CLIP's eyes (Radford et al. 2021, arXiv 2103.00020): a picture as a row beside those of words.

Modules carry OpenAI's names and shapes. `spot.clip_text` reads with the same blocks.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]  # of RGB
SPREAD = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]


class Attention(nn.Module):
    """Each token asks all, or those up to itself."""

    def __init__(self, size: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * size, size))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * size))
        self.out_proj = nn.Linear(size, size)

    def forward(self, rows: Tensor) -> Tensor:
        """(batch, tokens, size) -> the same"""
        parts = F.linear(rows, self.in_proj_weight, self.in_proj_bias)
        query, key, value = parts.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        told = F.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        return self.out_proj(told.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then a perceptron; each after a norm and beside a shortcut."""

    def __init__(self, size: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(size)
        self.attn = Attention(size, heads, causal=causal)
        self.ln_2 = nn.LayerNorm(size)
        self.mlp = nn.ModuleDict(
            {"c_fc": nn.Linear(size, 4 * size), "c_proj": nn.Linear(4 * size, size)}
        )

    def forward(self, rows: Tensor) -> Tensor:
        """(batch, tokens, size) -> the same"""
        rows = rows + self.attn(self.ln_1(rows))
        wide = self.mlp["c_fc"](self.ln_2(rows))
        return rows + self.mlp["c_proj"](wide * torch.sigmoid(1.702 * wide))  # QuickGELU


class ClipVision(nn.Module):
    """Pictures -> unit rows. The sizes are those of ViT-B/32."""

    def __init__(
        self,
        size: int = 768,
        heads: int = 12,
        blocks: int = 12,
        *,
        side: int = 224,
        patch: int = 32,
        row: int = 512,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, size, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(size))
        self.positional_embedding = nn.Parameter(torch.zeros(1 + (side // patch) ** 2, size))
        self.ln_pre = nn.LayerNorm(size)
        made = (Block(size, heads, causal=False) for _ in range(blocks))
        self.transformer = nn.ModuleDict({"resblocks": nn.Sequential(*made)})
        self.ln_post = nn.LayerNorm(size)
        self.proj = nn.Parameter(torch.zeros(size, row))

    def forward(self, pictures: Tensor) -> Tensor:
        """(batch, 3, side, side) of `clip_pictures` -> (batch, row), each of length 1"""
        patches = self.conv1(pictures).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(patches), 1, -1)
        rows = self.ln_pre(torch.cat([first, patches], dim=1) + self.positional_embedding)
        rows = self.transformer["resblocks"](rows)
        return F.normalize(self.ln_post(rows[:, 0]) @ self.proj, dim=-1)


def clip_pictures(squares: Tensor) -> Tensor:
    """CLIP's input: (batch, side, side, 3) bytes -> (batch, 3, side, side)."""
    return (squares.permute(0, 3, 1, 2).float() / 255 - MEAN) / SPREAD
