"""Words as rows: the encoder of FLAN-T5 (arXiv 2210.11416; T5, Raffel et al., arXiv 1910.10683).

Modules carry the names and shapes of the public weights, the decoder left out.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foleycli.config import T5, T5Config
from foleycli.latents.gated import HeadNorm

BUCKETS = 32  # of relative places
FURTHEST = 128  # tokens; all places further away share a bucket
EPS = 1e-6
LONGEST = 512  # tokens of a text


class Attention(nn.Module):
    """Tokens ask each other; nothing scales the products, as T5 was trained."""

    def __init__(self, config: T5Config, places: bool) -> None:
        super().__init__()
        self.heads = config.heads
        inner = config.heads * config.head_size
        self.q = nn.Linear(config.size, inner, bias=False)
        self.k = nn.Linear(config.size, inner, bias=False)
        self.v = nn.Linear(config.size, inner, bias=False)
        self.o = nn.Linear(inner, config.size, bias=False)
        if places:
            self.relative_attention_bias = nn.Embedding(BUCKETS, config.heads)

    def forward(self, rows: Tensor, bias: Tensor) -> Tensor:
        """(batch, tokens, size), (batch, heads, tokens, tokens) -> (batch, tokens, size)"""
        query, key, value = (
            layer(rows).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        heard = F.scaled_dot_product_attention(query, key, value, bias.to(query.dtype), scale=1.0)
        return self.o(heard.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then a gated perceptron; each after a norm and beside a shortcut."""

    def __init__(self, config: T5Config, places: bool) -> None:
        super().__init__()
        size, inner = config.size, config.inner
        self.layer = nn.ModuleList(
            [
                nn.ModuleDict(
                    {
                        "SelfAttention": Attention(config, places),
                        "layer_norm": HeadNorm(size, EPS),
                    }
                ),
                nn.ModuleDict(
                    {
                        "DenseReluDense": nn.ModuleDict(
                            {
                                "wi_0": nn.Linear(size, inner, bias=False),
                                "wi_1": nn.Linear(size, inner, bias=False),
                                "wo": nn.Linear(inner, size, bias=False),
                            }
                        ),
                        "layer_norm": HeadNorm(size, EPS),
                    }
                ),
            ]
        )

    def forward(self, rows: Tensor, bias: Tensor) -> Tensor:
        """(batch, tokens, size) -> the same"""
        first, second = self.layer
        assert isinstance(first, nn.ModuleDict) and isinstance(second, nn.ModuleDict)
        rows = rows + first["SelfAttention"](first["layer_norm"](rows), bias)
        dense, normal = second["DenseReluDense"], second["layer_norm"](rows)
        assert isinstance(dense, nn.ModuleDict)
        bent = F.gelu(dense["wi_0"](normal), approximate="tanh") * dense["wi_1"](normal)
        return rows + dense["wo"](bent)


class T5Encoder(nn.Module):
    """Numbers of tokens -> a row each."""

    def __init__(self, config: T5Config = T5) -> None:
        super().__init__()
        self.shared = nn.Embedding(config.vocabulary, config.size)
        self.encoder = nn.ModuleDict(
            {
                "block": nn.ModuleList(Block(config, i == 0) for i in range(config.blocks)),
                "final_layer_norm": HeadNorm(config.size, EPS),
            }
        )

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Read texts.

        Args:
            ids: (batch, tokens); shorter texts are filled up with anything.
            mask: (batch, tokens) bool, what is no filling; all of it when None.

        Returns:
            (batch, tokens, size)
        """
        blocks = self.encoder["block"]
        assert isinstance(blocks, nn.ModuleList)
        table = blocks[0].layer[0]["SelfAttention"].relative_attention_bias  # type: ignore[index]
        places = table(buckets(ids.shape[1]).to(ids.device)).permute(2, 0, 1)[None].float()
        if mask is not None:
            places = places.masked_fill(~mask[:, None, None], -math.inf)
        rows = self.shared(ids).float()
        for block in blocks:
            rows = block(rows, places)
        return self.encoder["final_layer_norm"](rows)


def buckets(tokens: int) -> Tensor:
    """Which bucket the place of each key, seen from each query, falls in: (queries, keys).

    Half of the buckets lie ahead; half of these are one place each, the others grow (arXiv
    1910.10683, section 2.1).
    """
    places = torch.arange(tokens)
    ahead = places[None] - places[:, None]
    half, near = BUCKETS // 2, BUCKETS // 4
    far = ahead.abs()
    growth = (far.float().clamp(min=1) / near).log() / math.log(FURTHEST / near) * (half - near)
    grown = (near + growth.long()).clamp(max=half - 1)
    return half * (ahead > 0) + torch.where(far < near, far, grown)
