"""Open a pickled checkpoint without running anything in it."""

from pathlib import Path
from typing import Any

import torch

# A training framework's objects in a checkpoint are read as empty shells: none of its code runs.
SHELLS = ("pytorch_lightning.", "lightning.", "lightning_fabric.", "omegaconf.", "argparse.")
# So are arrays, such as the order of a sampler, that stand beside the weights.
ARRAYS = (
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",  # numpy 2
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "numpy.ndarray",
    "_codecs.encode",
)


def unpickle(path: Path) -> Any:
    """What ``torch.save`` wrote: tensors as they are, foreign objects as empty shells.

    Raises:
        pickle.UnpicklingError, RuntimeError, EOFError: no checkpoint, or with other objects.
    """
    shells: list[Any] = [(_Shell, name) for name in ARRAYS]
    mapped = True
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        shells += [(_Shell, name) for name in names if name.startswith(SHELLS)]
    except ValueError:  # the format before torch 1.6 can be neither looked through nor mapped
        mapped = False
    with torch.serialization.safe_globals(shells):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)


class _Shell:
    """Takes whatever it is given, and does nothing with it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...
