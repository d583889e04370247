"""Weights that anyone can compute again: every tensor is drawn from the checksum of its own name.

They make noise, not sound, but of the right sizes: tests compare modules with a reference that was
filled the same way, benchmarks run without a download.
"""

import math
import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

# Counters and schedules hold facts, not weights: they stay as the module made them.
LEFT_AS_BUILT = (
    "num_batches_tracked",
    "scale_factor",
    "logit_scale",
    "data_mean",
    "data_std",
    "filter",
)


def fill_tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    """float32 of about the size a trained tensor has: unit gain for matrices, near 1 for norms."""
    seed = zlib.crc32(name.encode())
    normal = np.random.RandomState(seed).standard_normal(shape)
    leaf = name.rpartition(".")[2]
    if leaf in ("running_var", "latent_std"):
        values = 1 + 0.1 * np.abs(normal)
    elif leaf == "running_mean":
        values = 0.1 * normal
    elif len(shape) >= 2:
        values = normal / np.sqrt(math.prod(shape[1:]))
    elif leaf == "weight":
        values = 1 + 0.1 * normal
    else:
        values = 0.02 * normal
    return torch.from_numpy(np.asarray(values, np.float32))


def filled(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with the same names and shapes; meta tensors will do as a template."""
    return {
        name: fill_tensor(name, tuple(tensor.shape))
        for name, tensor in tensors.items()
        if name.rpartition(".")[2] not in LEFT_AS_BUILT
    }
