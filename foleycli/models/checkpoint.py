"""The weights of public checkpoints, as whoever trained them saved them."""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from foleycli.errors import ModelError
from foleycli.models.bundle import broken
from foleycli.models.unpickle import unpickle

BROKEN = (pickle.UnpicklingError, zipfile.BadZipFile)
WRAPPERS = ("state_dict", "model", "generator")  # under which checkpoints hold their weights


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The weights of a public ``.ckpt``, or of a ``.safetensors`` file with the same names, or of
    Chainer's ``.npz``.

    Optimizer state is left in the file; nothing in it is executed.

    Raises:
        ModelError: not a checkpoint, or it holds objects that are no weights.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors import SafetensorError
            from safetensors.torch import load_file

            try:
                return load_file(path)
            except SafetensorError as error:
                raise broken(path, error) from error
        if path.suffix == ".npz":
            return _read_arrays(path)
        state = unpickle(path)
    except (OSError, RuntimeError, EOFError, ValueError, *BROKEN) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"{path} cannot be read as weights: {reason}.",
            "Fetch it again; never load a checkpoint whose source you do not trust.",
        ) from error
    wrapped = (state[name] for name in WRAPPERS if isinstance(state.get(name), Mapping))
    weights = next(wrapped, state)
    return {
        name.replace("module.", ""): tensor  # left by training on several GPUs
        for name, tensor in weights.items()
        if isinstance(tensor, Tensor)
    }


def _read_arrays(path: Path) -> dict[str, Tensor]:
    """Chainer's weights by torch's names: ``conv1a/W`` is ``conv1a.weight``."""
    leaves = {"W": "weight", "b": "bias"}
    with np.load(path, allow_pickle=False) as arrays:
        found = {name: torch.from_numpy(arrays[name].astype(np.float32)) for name in arrays.files}
    parts = {name: name.rpartition("/") for name in found}
    return {
        f"{before.replace('/', '.')}.{leaves.get(leaf, leaf)}" if before else leaf: found[name]
        for name, (before, _, leaf) in parts.items()
    }
