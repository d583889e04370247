"""Takes of one clip made, ranked, drawn, and put on a page."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from foleycli.clip.probe import probe
from foleycli.config import GenerateConfig
from foleycli.errors import FoleyError
from foleycli.evaluate.rank import forget_take, rank_takes
from foleycli.generate import find_span, generate
from foleycli.output import atomic_output, check_output
from foleycli.pages.audition import Audition, write_page
from foleycli.pages.figures import contact_sheet
from foleycli.sources.open import Source


@dataclass(frozen=True, slots=True)
class Preview:
    """What there is to look at and to hear."""

    takes: tuple[Audition, ...]  # the best first
    picture: Path
    page: Path
    unheard: tuple[str, ...] = ()  # words that the library has no recording of


def preview_takes(
    clip: Path,
    folder: Path,
    config: GenerateConfig,
    source: Source | None = None,
    *,
    keep_best: bool = False,
    progress: Callable[[str, float], None] = lambda stage, done: None,
) -> Preview:
    """Make ``config.takes`` takes of a clip, rank them and show them.

    Args:
        folder: for takes, recipes, picture and page.
        keep_best: delete all takes but the best.

    Raises:
        FoleyError: as `generate`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FoleyError(
            f"{folder} cannot be made: {error.strerror}.", "Give another -o."
        ) from error
    page, picture = folder / "index.html", folder / f"{clip.stem}.png"
    for path in (page, picture):
        check_output(path, overwrite=config.overwrite)
    out = folder / f"{clip.stem}{clip.suffix}"
    result = generate(clip, out, config, source, progress)
    by_wav = {take.wav: take for take in result.takes if take.wav}
    start, end = find_span(probe(clip), config)
    ranked = rank_takes(clip, [wav for wav in by_wav if wav], start)
    if keep_best:
        for score in ranked[1:]:
            forget_take(by_wav[score.sound])
        ranked = ranked[:1]
    takes = tuple(
        Audition(score.sound.stem, by_wav[score.sound].seed, score, by_wav[score.sound].recipe)
        for score in ranked
    )
    with atomic_output(picture, overwrite=True) as beside:
        sounds = [(f"seed {take.seed}", take.score.sound) for take in takes]
        contact_sheet(clip, sounds, result.cues, beside, motion=True, span=(start, end))
    unheard = result.unheard
    write_page(page, clip, picture, takes, unheard, offset=float(start), overwrite=True)
    return Preview(takes, picture, page, unheard)
