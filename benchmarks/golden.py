"""What the checks of reference fixtures share: inputs made by rule, and how an error is told."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from foleycli.models.filled import filled


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison with a fixture."""

    fixture: str  # file, and what of it
    error: float  # relative RMS, or whatever the fixture's page says
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether the error is a number, and not over the tolerance."""
        return self.error <= self.tolerance


def compare(fixture: str, ours: object, theirs: object, tolerance: float) -> Check:
    """Relative RMS error, |a - b| rms / std(b); infinite where shapes differ."""
    one = np.asarray(ours.detach().float() if isinstance(ours, Tensor) else ours, np.float64)
    other = np.asarray(theirs, np.float64)
    if one.shape != other.shape:
        return Check(f"{fixture}: shape {one.shape}, not {other.shape}", np.inf, tolerance)
    rms = float(np.sqrt(np.mean((one - other) ** 2))) if one.size else 0.0
    spread = float(other.std()) or 1.0
    return Check(fixture, rms / spread, tolerance)


def exact(fixture: str, ours: object, theirs: object) -> Check:
    """0 where both are the same, else 1."""
    return Check(fixture, 0.0 if ours == theirs else 1.0, 0.0)


def rnd(name: str, shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers by the checksum of a name, float32."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    return torch.from_numpy(random.standard_normal(shape).astype(np.float32))


def blocks(name: str, batch: int, frames: int, size: int = 224) -> Tensor:
    """Pictures of 7 x 7 coloured blocks by the checksum of a name: (batch, frames, 3, size, size)
    uint8."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    small = random.randint(0, 256, (batch, frames, 3, 7, 7)).astype(np.uint8)
    return torch.from_numpy(small.repeat(size // 7, -1).repeat(size // 7, -2))


def fill(module: nn.Module) -> nn.Module:
    """A module with weights by the names of its tensors, ready to run."""
    module.load_state_dict(filled(module.state_dict()), strict=False)
    return module.eval().requires_grad_(False)


def golden_folder(folder: Path) -> Path:
    """Where the fixtures of a reference lie: its ``golden``, or the folder itself."""
    return folder / "golden" if (folder / "golden").is_dir() else folder


Checks = Iterator[Check]
