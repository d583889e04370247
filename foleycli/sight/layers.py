"""Layers of small networks over time, in numpy, so that reading motion needs no torch.

`train/networks.py` has their twins, which learn. Arrays are (channels, steps) of one film.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from foleycli.documents import parse_json
from foleycli.errors import ModelError
from foleycli.models.bundle import BROKEN, broken

Floats = NDArray[np.floating]


CACHED = 1 << 15  # values of an array that are worked on at once


@dataclass(frozen=True, slots=True)
class Weights:
    """A network that was read: its sizes, and its matrices by name."""

    config: dict[str, Any]
    arrays: dict[str, Floats]

    def layer(self, name: str) -> tuple[Floats, Floats]:
        """Weight and bias of a layer."""
        return self.arrays[f"{name}.weight"], self.arrays[f"{name}.bias"]


@cache
def load_weights(path: Path) -> Weights:
    """A safetensors file with its sizes in the metadata, read once.

    Raises:
        ModelError: it is not there, cut off, or another file.
    """
    if not path.exists():
        raise ModelError(f"{path.name} is not there.", "Reinstall foleycli.")
    try:
        with safe_open(path, "np") as file:
            config = parse_json((file.metadata() or {})["config"])
            arrays = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
    except (*BROKEN, SafetensorError) as error:
        raise broken(path, error) from error
    return Weights(config, arrays)


def erf(x: Floats) -> Floats:
    """The error function, to 5e-7 (Abramowitz and Stegun, 7.1.26)."""
    size = np.abs(x)
    t = size * np.float32(0.3275911)
    t += 1
    np.divide(1, t, out=t)
    series = t * np.float32(1.061405429)
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series += np.float32(factor)
        series *= t
    np.multiply(size, size, out=size)
    np.negative(size, out=size)
    series *= np.exp(size, out=size)
    np.subtract(1, series, out=series)
    return np.copysign(series, x, out=series)


def gelu(x: Floats) -> Floats:
    """Exact, as torch's default (Hendrycks and Gimpel, 2016)."""
    given = np.ascontiguousarray(x).reshape(-1)
    result = np.empty_like(given)
    for start in range(0, len(given), CACHED):  # or every pass goes through main memory
        part, out = given[start : start + CACHED], result[start : start + CACHED]
        gain = erf(part * np.float32(0.5**0.5))
        gain += 1
        np.multiply(part, np.float32(0.5), out=out)
        out *= gain
    return result.reshape(x.shape)


def sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def taps(x: Floats, weight: Floats, bias: Floats, dilation: int = 1) -> Floats:
    """A convolution over the last axis, zeros beyond its ends.

    Args:
        x: (channels, ..., steps).
        weight: (out, channels, taps), an odd number of taps.

    Returns:
        (out, ..., steps)
    """
    count = weight.shape[2]
    reach = dilation * (count // 2)
    padding = [(0, 0)] * (x.ndim - 1) + [(reach, reach)]
    padded, steps = np.pad(x, padding) if reach else x, x.shape[-1]
    total = bias.reshape(-1, *[1] * (x.ndim - 1)).astype(np.float32)
    for k in range(count):
        part = padded[..., k * dilation : k * dilation + steps]
        flat = weight[:, :, k] @ part.reshape(len(part), -1)
        total = np.add(total, flat.reshape(-1, *x.shape[1:]), out=None if k == 0 else total)
    return total


def norm_group(x: Floats, weight: Floats, bias: Floats) -> Floats:
    """All of (channels, steps) to mean 0 and variance 1, then a gain and a shift a channel."""
    normal = (x - x.mean()) / np.sqrt(x.var() + np.float32(1e-5))
    return normal * weight[:, None] + bias[:, None]


def read_over_time(weights: Weights, gathered: Floats) -> Floats:
    """Blocks of dilated taps over (width, steps), then the head: (outputs, steps)."""
    y = gathered
    for i, dilation in enumerate(weights.config["dilations"]):
        x = norm_group(y, *weights.layer(f"blocks.{i}.norm"))
        x = gelu(taps(x, *weights.layer(f"blocks.{i}.taps"), dilation))
        y = y + taps(x, *weights.layer(f"blocks.{i}.mix"))
    return taps(y, *weights.layer("head"))
