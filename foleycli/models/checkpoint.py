"""The weights of public checkpoints, as whoever trained them saved them."""

import pickle
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from foleycli.errors import ModelError
from foleycli.models.bundle import broken
from foleycli.models.unpickle import unpickle

WRAPPERS = ("state_dict", "model", "generator")  # under which checkpoints hold their weights


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The weights of a public ``.ckpt``, or of a ``.safetensors`` file with the same names.

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
        state = unpickle(path)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
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
