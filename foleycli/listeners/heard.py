"""What a listener makes of a sound."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit


@dataclass(frozen=True, slots=True)
class Heard:
    """One row a patch of sound; of a listener that takes it whole, one row in all."""

    embeddings: NDArray[np.float32]  # (patches, size)
    logits: NDArray[np.float32] | None = None  # (patches, classes); None: it names no classes

    @property
    def scores(self) -> NDArray[np.float32]:
        """(patches, classes), each class's probability."""
        return expit(self.class_logits).astype(np.float32)

    @property
    def class_logits(self) -> NDArray[np.float32]:
        """(patches, classes)

        Raises:
            ValueError: the listener names no classes.
        """
        if self.logits is None:
            raise ValueError("this listener names no classes")
        return self.logits

    @property
    def embedding(self) -> NDArray[np.float32]:
        """(size,) mean over time."""
        return self.embeddings.mean(axis=0)
