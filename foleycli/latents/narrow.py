"""Linear maps in fewer bits inside a network of 32 bits, for a CPU that multiplies them faster.

`Denoiser` over 128 rows on an AVX-512 core with VNNI and bfloat16 takes .57 of its time with 16
bits and .42 with 8; benchmarks/speed.py prints whole windows, and what it costs in error.
"""

import warnings
from copy import deepcopy

import torch
from torch import Tensor, nn

from foleycli.latents.packed import PackedLinear, can_pack

LARGEST = 127  # of a weight in 8 bits


class SixteenBits(nn.Module):
    """A linear map in bfloat16: 32 bits go in and come out."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.inner = deepcopy(linear).to(torch.bfloat16)
        self.inner = PackedLinear(self.inner) if can_pack() else self.inner

    def forward(self, rows: Tensor) -> Tensor:
        """As the linear map it replaces."""
        return self.inner(rows.to(torch.bfloat16)).float()


class EightBits(nn.Module):
    """A linear map whose weights are 8 bits with a scale each; rows are rounded as they come."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scales = (weight.abs().amax(dim=1) / LARGEST).clamp(min=1e-12).double()
        zeros = torch.zeros(len(scales), dtype=torch.long)
        with warnings.catch_warnings():  # torch will drop these tensors; `fewest_bits` asks first
            warnings.simplefilter("ignore", UserWarning)
            rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        bias = None if linear.bias is None else linear.bias.detach().float()
        self.packed = torch.ops.quantized.linear_prepack(rounded, bias)

    def forward(self, rows: Tensor) -> Tensor:
        """As the linear map it replaces."""
        return torch.ops.quantized.linear_dynamic(rows.contiguous(), self.packed, False)


def narrow(module: nn.Module, bits: int) -> None:
    """Replace the linear maps inside a module, as far as this CPU is faster with fewer bits."""
    kind = {16: SixteenBits, 8: EightBits}.get(max(bits, fewest_bits()))
    if kind is None:
        return
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, kind(child))


def fewest_bits() -> int:
    """8 where the CPU adds up products of 8 bits (VNNI), 16 where it knows bfloat16, else 32."""
    has_products = hasattr(torch.ops.quantized, "linear_dynamic") and hasattr(
        torch, "quantize_per_channel"
    )
    if has_products and getattr(torch.cpu, "_is_vnni_supported", bool)():
        return 8
    return 16 if getattr(torch.cpu, "_is_avx512_bf16_supported", bool)() else 32
