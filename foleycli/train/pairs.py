"""Two clips side by side in one picture, to learn which half words name (arXiv 2512.02650)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def side_by_side(one: Tensor, other: Tensor, share: float, *, first_left: bool = True) -> Tensor:
    """Squeeze two films into one picture; nothing is cut off.

    Args:
        one: (..., 3, height, width) float, already normalised.
        other: the same shape.
        share: of the width that ``one`` gets.
        first_left: whether ``one`` stands left.

    Returns:
        like ``one``
    """
    width = one.shape[-1]
    wide = int(width * share)
    halves = [_squeeze(one, wide), _squeeze(other, width - wide)]
    return torch.cat(halves if first_left else halves[::-1], -1)


def _squeeze(frames: Tensor, width: int) -> Tensor:
    flat = frames.flatten(0, -4)
    small = F.interpolate(flat, (frames.shape[-2], width), mode="bicubic", antialias=True)
    return small.unflatten(0, frames.shape[:-3])
