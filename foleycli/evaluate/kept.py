"""Arrays that took time to make, kept on disk under the hash of what they were made of."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foleycli.folders import cache_folder
from foleycli.output import atomic_output

Arrays = Mapping[str, NDArray]


def kept(kind: str, key: str, make: Callable[[], Arrays]) -> Arrays:
    """Arrays by name, from disk when they were made before.

    Args:
        kind: what they are, with the version of what makes them; names a folder.
        key: hash of what they are made of.
        make: makes them.
    """
    path = kept_path(kind, key)
    try:
        with np.load(path) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        pass  # not there, or broken: made again
    arrays = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(path, overwrite=True) as beside, beside.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # the stub mistakes names for options
    return arrays


def kept_path(kind: str, key: str) -> Path:
    """Where they are."""
    return cache_folder("evaluate") / kind / key[:2] / f"{key}.npz"
