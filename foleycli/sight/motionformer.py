"""Pictures as Synchformer sees them: eight rows for 0.64 s, attention over space and time apart.

A vision transformer with divided space-time attention (TimeSformer, Bertasius et al. 2021, arXiv
2102.05095) as Motionformer (Patrick et al. 2021, arXiv 2106.05392) sets it up, and one layer more
that sums up each moment's places. Modules carry the names and shapes of the public weights
(v-iashin/Synchformer, ``vfeat_extractor``).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foleycli.config import SYNCHFORMER, SynchformerConfig

FRAME_RATE = 25  # per second
SEGMENT = 16  # frames that are seen together
STEP = 8  # frames from one segment to the next
PATCH = 16  # pixels
DEPTH = 2  # frames of a patch
MOMENTS = SEGMENT // DEPTH  # rows of a segment
EPS = 1e-6  # of its norms


class DividedAttention(nn.Module):
    """Attention among tokens of one place, or of one moment; the first token sees them all."""

    def __init__(self, size: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(size, 3 * size)
        self.proj = nn.Linear(size, size)

    def forward(self, tokens: Tensor, *, over_time: bool) -> Tensor:
        """(batch, 1 + moments * places, size), moment by moment -> the same"""
        batch, length, size = tokens.shape
        qkv = self.qkv(tokens).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = qkv  # (batch, heads, length, size / heads) each
        first = F.scaled_dot_product_attention(query[:, :, :1], key, value)
        rest = F.scaled_dot_product_attention(
            _groups(query, over_time), _groups(key, over_time, 1), _groups(value, over_time, 1)
        ).unflatten(1, (self.heads, -1))
        rest = (rest.transpose(2, 3) if over_time else rest).flatten(2, 3)
        return self.proj(torch.cat([first, rest], 2).transpose(1, 2).reshape(batch, length, size))


def _groups(tokens: Tensor, over_time: bool, first: int = 0) -> Tensor:
    """(batch, heads, 1 + moments * places, n) -> (batch, heads * groups, members, n).

    Args:
        first: 1 sets the first token before the members of every group.
    """
    groups = tokens[:, :, 1:].unflatten(2, (MOMENTS, -1))
    if over_time:
        groups = groups.transpose(2, 3)
    if first:
        shared = tokens[:, :, None, :1].expand(-1, -1, groups.shape[2], -1, -1)
        groups = torch.cat([shared, groups], 3)
    return groups.flatten(1, 2)


class DividedBlock(nn.Module):
    """Over time, over space, then a perceptron; each beside a shortcut."""

    def __init__(self, size: int, heads: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(size, EPS)
        self.attn = DividedAttention(size, heads)
        self.timeattn = DividedAttention(size, heads)
        self.norm2 = nn.LayerNorm(size, EPS)
        self.mlp = Perceptron(size)
        self.norm3 = nn.LayerNorm(size, EPS)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, 1 + moments * places, size) -> the same"""
        tokens = tokens + self.timeattn(self.norm3(tokens), over_time=True)
        tokens = tokens + self.attn(self.norm1(tokens), over_time=False)
        return tokens + self.mlp(self.norm2(tokens))


class Perceptron(nn.Module):
    """Four times as wide in the middle."""

    def __init__(self, size: int):
        super().__init__()
        self.fc1 = nn.Linear(size, 4 * size)
        self.fc2 = nn.Linear(4 * size, size)

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., size) -> the same"""
        return self.fc2(F.gelu(self.fc1(tokens)))


class Summary(nn.Module):
    """A transformer layer with one token more, which sums up the others.

    Of torch's ``TransformerEncoderLayer`` only that token's row, the only one that is used.
    """

    def __init__(self, size: int, heads: int):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size))
        self.self_attn = nn.MultiheadAttention(size, heads, batch_first=True)
        self.linear1 = nn.Linear(size, 4 * size)
        self.linear2 = nn.Linear(4 * size, size)
        self.norm1 = nn.LayerNorm(size, EPS)
        self.norm2 = nn.LayerNorm(size, EPS)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, tokens, size) -> (batch, size)"""
        first = self.cls_token.expand(len(tokens), -1, -1)
        seen = self.norm1(torch.cat([first, tokens], 1))
        first = first + self.self_attn(seen[:, :1], seen, seen, need_weights=False)[0]
        return (first + self.linear2(F.gelu(self.linear1(self.norm2(first))))).squeeze(1)


class Motionformer(nn.Module):
    """Sixteen frames -> eight rows."""

    def __init__(self, config: SynchformerConfig = SYNCHFORMER):
        super().__init__()
        size, places = config.size, (config.picture_size // PATCH) ** 2
        # of still pictures: stands in the public weights, is never used
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, size, PATCH, PATCH)})
        patch = (DEPTH, PATCH, PATCH)
        self.patch_embed_3d = nn.ModuleDict({"proj": nn.Conv3d(3, size, patch, patch)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + places, size))
        self.temp_embed = nn.Parameter(torch.zeros(1, MOMENTS, size))
        self.blocks = nn.Sequential(
            *(DividedBlock(size, config.heads) for _ in range(config.blocks))
        )
        self.norm = nn.LayerNorm(size, EPS)
        self.spatial_attn_agg = Summary(size, config.heads)

    def forward(self, frames: Tensor) -> Tensor:
        """See segments of a film.

        Args:
            frames: (batch, 16, 3, height, width), uint8, 25 a second.

        Returns:
            (batch, 8, size)
        """
        return self.sum_up(self.look(frames))

    def look(self, frames: Tensor) -> Tensor:
        """Places before they are summed up: frames -> (batch, 8 * places, size)"""
        patches = self.patch_embed_3d["proj"](frames.transpose(1, 2) / 127.5 - 1)
        tokens = patches.flatten(3).permute(0, 2, 3, 1)  # (batch, moments, places, size)
        tokens = tokens + self.pos_embed[:, None, 1:] + self.temp_embed[:, :, None]
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(frames), -1, -1)
        tokens = self.blocks(torch.cat([first, tokens.flatten(1, 2)], 1))
        return self.norm(tokens[:, 1:])

    def sum_up(self, tokens: Tensor) -> Tensor:
        """What `look` gives -> a row a moment (batch, 8, size)"""
        moments = tokens.unflatten(1, (MOMENTS, -1)).flatten(0, 1)
        return self.spatial_attn_agg(moments).unflatten(0, (-1, MOMENTS))
