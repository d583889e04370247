"""Arrays that took time to make, kept on disk under the hash of what they were made of."""

import logging
import os
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foleycli.errors import FoleyError
from foleycli.folders import cache_folder, cache_limit, make_folder, trim_folder
from foleycli.output import atomic_output

LOG = logging.getLogger("foleycli")
LOOKED = 50  # arrays that are written between two looks at how much there is
ROOM = "evaluate"  # of the cache
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
            known = dict(arrays)
        with suppress(OSError):
            os.utime(path)  # used now: what was not for longest goes first
        return known
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        pass  # not there, or broken: made again
    arrays = make()
    try:
        _keep(path, arrays)
    except FoleyError as error:  # what cannot be remembered is made again
        LOG.warning("features are not kept: %s %s", error.problem, error.remedy)
    return arrays


_written = 0


def _keep(path: Path, arrays: Arrays) -> None:
    global _written
    make_folder(path.parent)
    with atomic_output(path, overwrite=True) as beside, beside.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # the stub mistakes names for options
    if _written % LOOKED == 0:
        trim_folder(cache_folder(ROOM), cache_limit())
    _written += 1


def kept_path(kind: str, key: str) -> Path:
    """Where they are."""
    return cache_folder(ROOM) / kind / key[:2] / f"{key}.npz"
