"""Weights laid out once as the CPU's kernels want them.

oneDNN multiplies blocks, and lays a weight out in blocks at every call. Where few pixels meet many
channels that costs more than the arithmetic: measured in bf16 on an AVX-512 core, a 3 x 3
convolution of 1280 channels over 4 x 16 pixels runs at 0.31 of the speed of a large product of
matrices as it is, and at 1.07 with its weight laid out beforehand; results differ by rounding at
most. The operators are those that torch's compiler emits.
"""

import ctypes
import sys

import torch
from torch import Tensor, nn

LARGE = 1 << 22  # bytes of a weight after which the heap is trimmed
NO_EPILOGUE = ("none", [], "")


class PackedConv(nn.Module):
    """A convolution whose weight is laid out at its first call, and kept only so."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight: Tensor | None = conv.weight.detach()
        self.bias = None if conv.bias is None else conv.bias.detach()
        self.reach = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.packed: Tensor | None = None

    def forward(self, pictures: Tensor) -> Tensor:
        """As the convolution it replaces; channels last in memory stay last."""
        ops = torch.ops.mkldnn
        padding, stride, dilation, groups = self.reach
        if self.weight is not None:
            size = list(pictures.shape)
            self.packed = ops._reorder_convolution_weight(
                self.weight, padding, stride, dilation, groups, size
            )
            large, self.weight = self.weight.nbytes > LARGE, None
            if large:
                trim_heap()
        return ops._convolution_pointwise(
            pictures, self.packed, self.bias, padding, stride, dilation, groups, *NO_EPILOGUE
        )


class PackedLinear(nn.Module):
    """A linear map whose weight is laid out at its first call, and kept only so."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight: Tensor | None = linear.weight.detach()
        self.bias = None if linear.bias is None else linear.bias.detach()
        self.packed: Tensor | None = None

    def forward(self, rows: Tensor) -> Tensor:
        """As the linear map it replaces."""
        ops = torch.ops.mkldnn
        if self.weight is not None:
            count = rows.shape[:-1].numel()
            self.packed = ops._reorder_linear_weight(self.weight, count)
            large, self.weight = self.weight.nbytes > LARGE, None
            if large:
                trim_heap()
        return ops._linear_pointwise(rows, self.packed, self.bias, *NO_EPILOGUE)


def trim_heap() -> None:
    """Give free pages of the heap back to the system, where its C library can (glibc): 1 ms.

    Without it the holes that laying out leaves add up to 300 MB in the first step.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)


def pack(module: nn.Module) -> None:
    """Replace every convolution and linear map inside a module; it can only run on a CPU then."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and child.padding_mode == "zeros":
                setattr(parent, name, PackedConv(child))
            elif isinstance(child, nn.Linear):
                setattr(parent, name, PackedLinear(child))


def can_pack() -> bool:
    """Whether this build of torch has the operators."""
    names = (
        "_reorder_convolution_weight",
        "_convolution_pointwise",
        "_reorder_linear_weight",
        "_linear_pointwise",
    )
    has_them = all(hasattr(torch.ops.mkldnn, name) for name in names)
    return has_them and torch.backends.mkldnn.is_available()
