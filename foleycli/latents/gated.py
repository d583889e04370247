"""Layers of flow transformers: gated perceptrons over rows, norms of heads, turned positions."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1.1920929e-7  # of norms over a head: the spacing of float32 at 1


class RowConv(nn.Conv1d):
    """A convolution over rows (batch, length, channels), zeros at both ends, as long as before."""

    def __init__(self, inputs: int, outputs: int, width: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, width, padding=width // 2, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """(batch, length, inputs) -> (batch, length, outputs)"""
        return super().forward(input.mT).mT


def gated_width(wide: int) -> int:
    """Columns inside a gated perceptron that stands for one of ``wide``: two thirds of it, up to
    the next multiple of 256 (Shazeer, arXiv 2002.05202, keeps the count of weights so).

    >>> gated_width(3072)
    2048
    """
    return 256 * math.ceil((2 * wide // 3) / 256)


class Gated(nn.Module):
    """w2 (silu(w1 x) * w3 x) (SwiGLU, arXiv 2002.05202), over each row or over its neighbours too.

    Args:
        size: columns of a row.
        wide: of the plain perceptron it stands for.
        width: rows that each map sees; 1 are linear maps.
    """

    def __init__(self, size: int, wide: int, width: int = 1) -> None:
        super().__init__()
        inner = gated_width(wide)
        self.w1 = row_map(size, inner, width, bias=False)
        self.w2 = row_map(inner, size, width, bias=False)
        self.w3 = row_map(size, inner, width, bias=False)

    def forward(self, rows: Tensor) -> Tensor:
        """(batch, length, size) -> the same"""
        return self.w2(F.silu(self.w1(rows)) * self.w3(rows))


def row_map(inputs: int, outputs: int, width: int, bias: bool = True) -> nn.Module:
    """A linear map of rows, or a convolution over ``width`` of them."""
    if width == 1:
        return nn.Linear(inputs, outputs, bias=bias)
    return RowConv(inputs, outputs, width, bias=bias)


class HeadNorm(nn.Module):
    """Root mean square 1 over the last axis, then a weight a column; in 32 bits."""

    def __init__(self, size: int, eps: float = EPS) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, rows: Tensor) -> Tensor:
        """(..., size) -> the same, float32"""
        rows = rows.float()
        scale = (rows.square().mean(-1, keepdim=True) + self.eps).rsqrt()
        return rows * scale * self.weight


def turns(length: int, size: int, speed: float = 1.0) -> Tensor:
    """Cosine and sine of a position's angles (length, size / 2, 2): RoPE (arXiv 2104.09864).

    Args:
        speed: of the positions: rows that lie further apart in time turn faster.
    """
    rates = speed * 10_000.0 ** (-torch.arange(0, size, 2) / size)
    angles = torch.arange(length)[:, None] * rates
    return torch.stack([angles.cos(), angles.sin()], -1)


def turn(rows: Tensor, by: Tensor) -> Tensor:
    """Turn neighbouring pairs of columns by their angles.

    Args:
        rows: (..., length, size).
        by: (length, size / 2, 2), see `turns`.
    """
    even, odd = rows.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = by.unbind(-1)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)
