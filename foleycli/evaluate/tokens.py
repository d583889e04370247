"""Do a sound's tokens say anything? Another film's tokens must tell the noise worse.

A film's pictures are made noisy, and the text-to-video model tells the noise by the tokens of the
film's own sound and by those of another film's, the same noise for both. Where own tokens are not
better, the mapper is decoration: what it makes would be as good without the sound.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foleycli.errors import FoleyError, MediaError
from foleycli.evaluate.interval import bootstrap
from foleycli.visualize.tempotokens.make import HEIGHT, WIDTH, Networks, open_networks
from foleycli.visualize.tempotokens.noise import Window, compare, encode_film, prompt_of
from foleycli.visualize.tempotokens.tokens import FRAMES

LOG = logging.getLogger("foleycli")
RATE = FRAMES  # pictures a second: 24 of them and a second of sound, as the mapper was trained


@dataclass(frozen=True, slots=True)
class Verdict:
    """Losses over films, and by how much another sound's tokens are worse."""

    films: int
    own: float
    other: float
    gap: float  # other less own, mean over films
    low: float  # of its 95 % interval over films
    high: float

    @property
    def says(self) -> str:
        """In words."""
        if self.low > 0:
            return "another sound's tokens tell the noise worse: the sound leads the picture"
        return "another sound's tokens do as well: no sign that the sound leads the picture"


def judge_tokens(
    films: Sequence[Path],
    model: dict[str, Any],
    looks: int = 8,
    told: Callable[[int], None] = lambda done: None,
) -> Verdict:
    """Compare own tokens with those of the next film's sound.

    Args:
        films: with their own sound, a second or more.
        model: ``t2v``, ``mapper`` and ``beats`` by path, ``device``; ``generated``, the width and
            height in pixels, where they are not 384 and 256.
        looks: times of the noise schedule; each costs two steps of the U-Net a film.

    Raises:
        ModelError: weights cannot be read.
        MediaError: fewer than two films have a second of pictures and sound.
    """
    frozen = open_networks(model)
    windows = _first_windows(films, frozen, model.get("generated") or (WIDTH, HEIGHT))
    if len(windows) < 2:
        raise MediaError(
            "Tokens are compared between films, and fewer than two can be used.",
            "Give films that have a second or more of pictures and sound.",
        )
    assert frozen.mapper is not None
    mapper = frozen.mapper.eval()
    ids = prompt_of(frozen, mapper.windows).to(frozen.device)
    alphas = frozen.scheduler.alphas_cumprod
    pairs = []
    for number, window in enumerate(windows):
        other = windows[(number + 1) % len(windows)]
        pairs.append(compare(window, other, range(looks), looks, mapper, frozen, ids, alphas))
        told(number + 1)
    own, wrong = np.array(pairs).T
    return Verdict(len(pairs), float(own.mean()), float(wrong.mean()), *bootstrap(wrong - own))


def _first_windows(films: Sequence[Path], frozen: Networks, size: tuple[int, int]) -> list[Window]:
    """The first second of every film that has one; the others are named and left out."""
    found = []
    for film in films:
        try:
            windows = encode_film(film, frozen, RATE, size)
        except FoleyError as error:
            LOG.warning("%s is left out: %s", film.name, error.problem)
            continue
        if not windows:
            LOG.warning("%s is left out: it is shorter than a second", film.name)
        found += windows[:1]
    return found
