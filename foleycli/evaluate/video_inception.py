"""Inception score of films: is each sure of its action, and are they of many?

As TGAN's and TGANv2's authors take it (Saito et al., arXiv 1611.06624, 1811.09245): softmax of a
C3D that was tuned to UCF-101, over 16 pictures; all in one part. Windows as in `fvd`.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from foleycli.evaluate.fvd import windows
from foleycli.evaluate.inception import score_logits
from foleycli.evaluate.kept import kept
from foleycli.evaluate.material import Film
from foleycli.listeners.pulled import load_listener
from foleycli.sight.c3d import C3d, c3d_pictures

NAME = "eval-c3d"


def video_inception_score(made: Sequence[Film]) -> float:
    """From 1, all alike or none sure, to 101.

    Raises:
        ModelError: C3D is not here; the remedy names the command.
    """
    judge = open_judge()
    return score_logits(np.concatenate([judge.logits(film) for film in made]))


@lru_cache(maxsize=1)
def open_judge() -> "C3dJudge":
    """The network, opened once."""
    return C3dJudge()


class C3dJudge:
    """C3D as it was pulled.

    Raises:
        ModelError: it was not; the remedy names the command.
    """

    def __init__(self, narrow: int = 1) -> None:
        self._net, self.fingerprint = load_listener(NAME, lambda: C3d(narrow), mapped=True)

    def logits(self, film: Film) -> NDArray[np.float32]:
        """(windows, 101) of a film, kept on disk by content."""
        made = kept(f"c3d-{self.fingerprint}", film.digest, lambda: {"logits": self._see(film)})
        return made["logits"]

    @torch.inference_mode()
    def _see(self, film: Film) -> NDArray[np.float32]:
        seen = (c3d_pictures(torch.from_numpy(pictures)) for pictures in windows(film))
        return np.concatenate([self._net(window[None]).numpy() for window in seen])
