"""What is seen, as the public network wants it: a row a second of CLIP ViT-L/14, or of captions."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foleycli.errors import MediaError


def read_context(path: Path, size: int) -> NDArray[np.float32]:
    """Rows (frames, size) of a ``.npy`` or ``.safetensors`` file, or a ``.pt`` of one tensor.

    Raises:
        MediaError: it holds no such rows.
    """
    try:
        rows = _read(path)
    except Exception as error:  # whatever a broken file makes its reader raise
        raise MediaError(f"{path.name} cannot be read: {error}.", "Give rows as .npy.") from error
    rows = rows.reshape(-1, rows.shape[-1]) if rows.ndim > 2 else rows
    if rows.ndim != 2 or rows.shape[1] != size or not len(rows) or not np.isfinite(rows).all():
        raise MediaError(
            f"{path.name} holds {rows.shape}, not (seconds, {size}).",
            "Give one row a second: CLIP ViT-L/14 has 768 columns, T5-XXL 4096.",
        )
    return rows.astype(np.float32)


def _read(path: Path) -> NDArray:
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    if path.suffix == ".safetensors":
        from safetensors.numpy import load_file

        return next(iter(load_file(path).values()))
    import torch

    return torch.load(path, map_location="cpu", weights_only=True).float().numpy()
