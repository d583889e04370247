"""Frechet video distance: are made films like true ones? (Unterthiner et al., arXiv 1812.01717)

Each 16 pictures of a film, 12 a second, side by side from its beginning, are a row of I3D's logits;
the number is the Frechet distance between the rows of made and of true films. TempoTokens (arXiv
2309.16429) prints it, and does not say which pictures it takes; of its films of 2 s this takes the
first 16. Few rows make it larger: compare sets of one size only.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice, repeat

import numpy as np
import torch
from numpy.typing import NDArray

from foleycli.clip.probe import probe
from foleycli.errors import UsageError
from foleycli.evaluate.fad import frechet_distance
from foleycli.evaluate.kept import kept
from foleycli.evaluate.material import Film
from foleycli.frames.decode import decode_squares
from foleycli.listeners.pulled import load_listener
from foleycli.sight.i3d import SIDE, I3d, i3d_pictures

NAME = "eval-i3d"
RATE, WINDOW = 12, 16  # pictures a second, and of a row
Rows = NDArray[np.float32]


def fvd(made: Sequence[Film], true: Sequence[Film]) -> float:
    """Frechet distance between two sets of films.

    Raises:
        ModelError: I3D is not here; the remedy names the command.
        UsageError: a set has fewer than two windows.
    """
    judge = open_judge()
    one, other = (np.concatenate([judge.rows(film) for film in films]) for films in (made, true))
    if min(len(one), len(other)) < 2:
        raise UsageError(
            "The Frechet video distance needs two windows of 16 pictures on either side.",
            "Give more films, with --true too.",
        )
    return frechet_distance(one, other)


@lru_cache(maxsize=1)
def open_judge() -> "I3dJudge":
    """The network, opened once."""
    return I3dJudge()


class I3dJudge:
    """I3D as it was pulled.

    Raises:
        ModelError: it was not; the remedy names the command.
    """

    def __init__(self, narrow: int = 1) -> None:
        self._net, self.fingerprint = load_listener(NAME, lambda: I3d(narrow))

    def rows(self, film: Film) -> Rows:
        """(windows, 400) of a film, kept on disk by content."""
        made = kept(f"i3d-{self.fingerprint}", film.digest, lambda: {"rows": self._see(film)})
        return made["rows"]

    @torch.inference_mode()
    def _see(self, film: Film) -> Rows:
        seen = (i3d_pictures(torch.from_numpy(pictures)) for pictures in windows(film))
        return np.concatenate([self._net(window[None]).numpy() for window in seen])


def windows(film: Film) -> Iterator[NDArray[np.uint8]]:
    """Each 16 pictures of a film side by side, their middle squares: (16, 224, 224, 3) uint8.

    What is left at the end is left out; a film that is shorter stands still for the rest.

    Raises:
        MediaError: nothing of it decodes.
    """
    pictures = decode_squares(probe(film.path), RATE, SIDE)
    window = list(islice(pictures, WINDOW))
    yield np.stack([*window, *repeat(window[-1], WINDOW - len(window))])
    while len(window := list(islice(pictures, WINDOW))) == WINDOW:
        yield np.stack(window)
