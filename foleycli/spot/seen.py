"""What a student makes of a row that published networks saw: classes as they would be of the whole.

The student begins as its teacher and adds two things. It looks round in the shot: rows that are
told apart by a learned score say together what is there, which helps where a camera moves. And
what the networks hold of a row, beyond its classes, corrects the classes. Both are small, so that
films of a quarter of an hour can teach them: `foleycli.train.distill_seen`, docs/distillation.md.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from foleycli.errors import ModelError

SEEN = "seen.safetensors"
LEAST = 1e-6  # of a probability, so that it has a logarithm
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SeenHead:
    """A student over the embeddings of the networks it was trained with.

    Attributes:
        middle, spread: (networks * 1280,) of embeddings.
        read: (networks * 1280, size) and its bias; ``tell``: (size, 1000) and its bias.
        score: (size,) and its bias, how much a row says about its shot.
        mix: (size, 2) and its bias: the weights of the row's own logarithms, less 1, and of its
            shot's.
    """

    middle: Floats
    spread: Floats
    read: Floats
    read_bias: Floats
    tell: Floats
    tell_bias: Floats
    score: Floats
    mix: Floats
    mix_bias: Floats

    @classmethod
    def open(cls, path: Path) -> "SeenHead":
        """Weights that `foley train distill --part seen` wrote.

        Raises:
            ModelError: they cannot be read, or are of something else.
        """
        try:
            with safe_open(path, "np") as file:
                return cls(*(file.get_tensor(name).astype(np.float32) for name in cls.__slots__))
        except (OSError, ValueError, SafetensorError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ModelError(
                f"{path} cannot be read: {reason}.", "Train or pull it again."
            ) from error

    def inner(self, embeddings: NDArray[np.floating]) -> Floats:
        """Embeddings (n, networks, 1280) -> what of them the student reads (n, size)."""
        rows = embeddings.reshape(len(embeddings), -1).astype(np.float32)
        x = ((rows - self.middle) / self.spread) @ self.read + self.read_bias
        # x times the logistic of 1.702 x (arXiv 1606.08415, section 2)
        return (x / (1 + np.exp(-1.702 * np.clip(x, -50, 50)))).astype(np.float32)

    def settle(self, shares: Floats, inner: Floats, shots: NDArray[np.integer]) -> Floats:
        """Probabilities (n, 1000) of what the networks saw -> those of the whole pictures.

        Args:
            inner: (n, size), see `inner`.
            shots: (n,), in order, the number of the shot of each row.
        """
        settled = np.empty_like(shares)
        for shot in np.unique(shots):
            rows = shots == shot
            settled[rows] = self._settle_shot(shares[rows], inner[rows])
        return settled

    def _settle_shot(self, shares: Floats, inner: Floats) -> Floats:
        scores = inner @ self.score
        weights = np.exp(scores - scores.max())
        around = (weights / weights.sum()) @ shares
        own, shot = (inner @ self.mix + self.mix_bias).T
        logits = (1 + own)[:, None] * np.log(shares + LEAST)
        logits += shot[:, None] * np.log(around + LEAST)
        logits += inner @ self.tell + self.tell_bias
        logits = np.exp(logits - logits.max(axis=1, keepdims=True))
        return logits / logits.sum(axis=1, keepdims=True)
