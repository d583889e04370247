"""What the listener's classes are called, and what is seen where they sound.

``heard_words.csv`` has both. Vectors of what is seen ship beside it; after a change of the table
this writes them anew:

    python -m foleycli.visualize.words
"""

import csv
import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from foleycli.spot.text import embed_text

VECTORS = Path(__file__).parent / "heard_words.safetensors"


@lru_cache(maxsize=1)
def table() -> dict[str, dict[str, str]]:
    """Class -> its row."""
    with (files("foleycli.visualize") / "heard_words.csv").open(encoding="utf-8") as file:
        return {row["class"]: row for row in csv.DictReader(file)}


def words_of(name: str) -> str:
    """What a person would call a class."""
    row = table().get(name)
    return row["words"] if row else name.replace("_", " ")


def class_vectors(classes: Sequence[str]) -> NDArray[np.float32]:
    """(classes, 384): the mean vector of what is seen where each class sounds, less their mean."""
    known = _known()
    rows = [known[name] if name in known else _compute(name) for name in classes]
    vectors = np.stack(rows)
    return vectors - vectors.mean(axis=0)


@lru_cache(maxsize=1)
def _known() -> dict[str, NDArray[np.float32]]:
    if not VECTORS.is_file():
        return {}
    with safe_open(VECTORS, "np") as file:
        names = json.loads(file.metadata()["classes"])
        return dict(zip(names, file.get_tensor("vectors"), strict=True))


def _compute(name: str) -> NDArray[np.float32]:
    row = table().get(name)
    texts = row["seen"].split(",") if row else [name.replace("_", " ")]
    return embed_text(texts).mean(axis=0)


if __name__ == "__main__":
    names = list(table())
    save_file(
        {"vectors": np.stack([_compute(name) for name in names])},
        VECTORS,
        metadata={"classes": json.dumps(names)},
    )
    VECTORS.chmod(0o644)
