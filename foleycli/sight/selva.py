"""Pictures seen with words in mind: SelVA's encoder (arXiv 2512.02650).

Synchformer's eyes see as ever; then every place asks the words, and rows [SUP] that are no words
and draw off what is not named; then each moment's places are summed up. So what is costly, the
seeing, is done once for all words. Modules carry the names and shapes of the public weights.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foleycli.config import SELVA_ENCODER, SelvaEncoderConfig
from foleycli.latents.gated import Gated, HeadNorm
from foleycli.sight.motionformer import Motionformer


class WordAttention(nn.Module):
    """Places ask words."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(size, size)
        self.kv_proj = nn.Linear(size, 2 * size)
        self.q_norm = HeadNorm(size // heads)
        self.k_norm = HeadNorm(size // heads)

    def forward(self, places: Tensor, words: Tensor, mask: Tensor | None) -> Tensor:
        """(batch, places, size), (batch, words, size), bool (batch, words) -> like places"""
        query = self.q_norm(self.q_proj(places).unflatten(2, (self.heads, -1)))
        pairs = self.kv_proj(words).unflatten(2, (self.heads, -1, 2))
        key, value = self.k_norm(pairs[..., 0]), pairs[..., 1]
        only = None if mask is None else mask[:, None, None]
        heard = F.scaled_dot_product_attention(
            query.transpose(1, 2).to(value.dtype),
            key.transpose(1, 2).to(value.dtype),
            value.transpose(1, 2),
            only,
        )
        return heard.transpose(1, 2).flatten(2)


class WordBlock(nn.Module):
    """What words add to every place. Where its last layers are zero it adds nothing at all."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.attn = WordAttention(size, heads)
        self.linear1 = nn.Linear(size, size)
        self.norm1 = nn.LayerNorm(size)
        self.norm2 = nn.LayerNorm(size)
        self.ffn = Gated(size, 4 * size)

    def start_as_identity(self) -> None:
        """Zeros where training starts: what the teacher sees is seen unchanged."""
        for weight in (self.norm1.weight, self.norm1.bias, self.ffn.w2.weight):
            assert isinstance(weight, Tensor)
            nn.init.zeros_(weight)

    def forward(self, places: Tensor, words: Tensor, mask: Tensor | None) -> Tensor:
        """(batch, places, size), (batch, words, size), bool (batch, words) -> like places"""
        places = places + self.norm1(self.linear1(self.attn(places, words, mask)))
        return places + self.ffn(self.norm2(places))


class SelvaEncoder(nn.Module):
    """Segments of a film and words -> eight rows a segment."""

    def __init__(self, config: SelvaEncoderConfig = SELVA_ENCODER) -> None:
        super().__init__()
        size = config.seen.size
        self.sup_text_feat = nn.Parameter(torch.zeros(config.extra_words, config.text_size))
        self.empty_string_feat = nn.Parameter(torch.zeros(1, config.text_size))  # never used
        self.vfeat_extractor = Motionformer(config.seen)
        self.text_proj = nn.Sequential(
            nn.Linear(config.text_size, size), nn.SiLU(), Gated(size, 4 * size)
        )
        self.synch_text_cross_blocks = nn.ModuleList([WordBlock(size, config.seen.heads)])

    def look(self, frames: Tensor) -> Tensor:
        """What words change nothing about: (segments, 16, 3, height, width) uint8, 25 a second,
        -> (segments, moments * places, size)."""
        return self.vfeat_extractor.look(frames)

    def read(
        self, words: Tensor, mask: Tensor | None = None, extra: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """Words (batch, tokens, text size) as the places ask them, [SUP] rows first, and their
        mask.

        Args:
            extra: False leaves the [SUP] rows out, for an ablation.
        """
        if extra:
            shared = self.sup_text_feat.expand(len(words), -1, -1)
            words = torch.cat([shared, words.to(shared.dtype)], 1)
            if mask is not None:
                mask = F.pad(mask, (shared.shape[1], 0), value=True)
        return self.text_proj(words), mask

    def select(self, seen: Tensor, words: Tensor, mask: Tensor | None = None) -> Tensor:
        """What is seen with words in mind, place by place.

        Args:
            seen: (segments, moments * places, size), see `look`.
            words: (segments or 1, tokens, size), and ``mask``: see `read`.
        """
        words = words.expand(len(seen), -1, -1)
        mask = None if mask is None else mask.expand(len(seen), -1)
        for block in self.synch_text_cross_blocks:
            seen = block(seen, words, mask)
        return seen

    def forward(self, seen: Tensor, words: Tensor, mask: Tensor | None = None) -> Tensor:
        """What is seen, and words as `read` gives them -> (segments, 8, size)."""
        return self.vfeat_extractor.sum_up(self.select(seen, words, mask))


def segments_of(frames: Sequence[Tensor] | Tensor, size: int, step: int) -> Tensor:
    """Frames (n, ...) -> overlapping segments (segments, size, ...), whole ones only."""
    frames = frames if isinstance(frames, Tensor) else torch.stack(list(frames))
    starts = range(0, len(frames) - size + 1, step)
    return torch.stack([frames[start : start + size] for start in starts])
