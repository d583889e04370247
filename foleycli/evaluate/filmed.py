"""The measures of films that were made for a sound: which there are, what they need, their table.

Whether a film hits where its sound hits is `retrieval.judge_film`; these say whether it looks like
films do and shows what sounds, as TempoTokens (arXiv 2309.16429) judges what it makes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foleycli.clip.find import find_clips
from foleycli.errors import UsageError
from foleycli.evaluate.material import Film


@dataclass(frozen=True, slots=True)
class FilmMeasure:
    """One number of a set of films.

    ``compute(made, true)``: the films, and true ones to compare them with, which may be none.
    """

    name: str
    better: str
    needs: str  # the listener that is pulled for it
    source: str
    compute: Callable[[Sequence[Film], Sequence[Film]], float]


def _fvd(made: Sequence[Film], true: Sequence[Film]) -> float:
    from foleycli.evaluate.fvd import fvd  # torch takes a second to import

    if not true:
        raise UsageError("fvd_i3d compares with true films.", "Give a folder of them: --true DIR.")
    return fvd(made, true)


def _inception(made: Sequence[Film], true: Sequence[Film]) -> float:
    from foleycli.evaluate.video_inception import video_inception_score

    return video_inception_score(made)


def _clipsim(made: Sequence[Film], true: Sequence[Film]) -> float:
    from foleycli.evaluate.clipsim import clipsim

    if not any(film.words.strip() for film in made):
        raise UsageError("clipsim compares with words.", 'Give them: --words "a dog barking".')
    return float(np.nanmean([clipsim(film, film.words) for film in made]))


FILM_MEASURES = (
    FilmMeasure(
        "fvd_i3d",
        "lower",
        "eval-i3d",
        "Frechet video distance over I3D's logits (arXiv 1812.01717)",
        _fvd,
    ),
    FilmMeasure(
        "is_c3d",
        "higher",
        "eval-c3d",
        "inception score by C3D over UCF-101's actions (arXiv 1611.06624)",
        _inception,
    ),
    FilmMeasure(
        "clipsim",
        "higher",
        "eval-clip",
        "mean cosine of pictures and words by CLIP (arXiv 2104.14806)",
        _clipsim,
    ),
)


def judge_films(
    made: Sequence[Path], names: Sequence[str], true: Path | None = None, words: str = ""
) -> dict[str, float]:
    """Numbers of a set of films, by name.

    Args:
        true: a folder of films to compare with.
        words: what sounds in them.

    Raises:
        UsageError: an unknown name, or what a measure compares with is missing.
        ModelError: its network is not here; the remedy names the command.
    """
    known = {measure.name: measure for measure in FILM_MEASURES}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            f"There is no measure {unknown[0]!r} of films.", f"Known: {', '.join(known)}."
        )
    films = [Film(path, words) for path in made]
    others = [Film(path) for path in find_clips([true])] if true else []
    return {name: known[name].compute(films, others) for name in names}
