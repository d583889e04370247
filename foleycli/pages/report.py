"""A run on a page: its tables, pictures, and players of every clip with every sound."""

import json
import math
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from PIL import Image

from foleycli.errors import MediaError, UsageError
from foleycli.evaluate.clipset import Example
from foleycli.evaluate.controls import OWN
from foleycli.evaluate.drawings import draw_categories, draw_comparison
from foleycli.evaluate.results import Results
from foleycli.evaluate.sets import CONTROL
from foleycli.evaluate.table import (
    FAILS,
    SEEN,
    Table,
    default_pairs,
    difference_tables,
    number,
    result_tables,
)
from foleycli.output import atomic_output, check_output, output_error
from foleycli.pages.media import encode64, first_picture, seen_film, small_picture, small_sound
from foleycli.version import VERSION

SCORES = ("kl", "cosy", "env", "onf1c", "sync_z")  # of each sound beside its player, where taken
MEDIA = "media"  # the folder beside the page
PICTURE_QUALITY = 80  # of WebP
CATEGORIES = 25  # drawn, as in Figure 5 of arXiv 2507.02271


def write_report(
    results: Results,
    out: Path,
    *,
    variants: Sequence[str] = (),
    limit: int | None = None,
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Path:
    """Write a run's page.

    Args:
        out: ``report.html``, one file with all media in it; or a folder, which gets an
            ``index.html`` and the media beside it.
        variants: of those of the run; all when empty.
        limit: how many clips get a player; all when None.

    Returns:
        the page.

    Raises:
        UsageError: the run has no such variant.
        OutputExistsError: the page is there and ``overwrite`` is off.
    """
    shown = [v for v in results.variants if not variants or v in variants]
    if not shown:
        raise UsageError(
            f"The run has no {', '.join(variants)} clips.", f"It has {', '.join(results.variants)}."
        )
    alone = out.suffix.lower() in (".html", ".htm")
    page = out if alone else out / "index.html"
    with tempfile.TemporaryDirectory(prefix="foley-") as folder:
        media = Path(folder) if alone else _made(out / MEDIA)
        check_output(page, overwrite=overwrite)
        clips = []
        for done, example in enumerate(results.plan.examples[:limit], 1):
            if told := _clip(results, example, shown, media):
                clips.append(told)
            progress(done)
        pictures = _overview(results, shown, media)
        data = {
            "variants": shown,
            "seen": SEEN,
            "measures": _shown(results),
            "clips": clips,
            "folder": f"{MEDIA}/",
            "media": {p.name: encode64(p) for p in sorted(media.iterdir())} if alone else None,
        }
        text = _page(results, pictures, data)
    with atomic_output(page, overwrite=overwrite) as beside:
        beside.write_text(text, encoding="utf-8")
    return page


def table_html(table: Table) -> str:
    """A table as HTML; rows under its rule are controls."""
    head = "".join(
        f"<th{' class=fails' if FAILS in text else ''}>{escape(text)}</th>" for text in table.head
    )
    last = table.ruled[0] if table.ruled else len(table.rows)
    rows = "".join(
        f"<tr{' class=control' if i > last else ''}>{''.join(_cells(row))}</tr>"
        for i, row in enumerate(table.rows)
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    return (
        f'<div class="scroll"><table><caption>{escape(table.title)}</caption><thead><tr>{head}</tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
        + (f'<ul class="notes">{notes}</ul>' if notes else "")
    )


def _cells(row: Sequence[str]) -> list[str]:
    """The interval of a cell is quieter than its number."""
    cells = []
    for text in row:
        value, bracket, interval = escape(text).partition(" [")
        cells.append(f"<td>{value}{f' <i>[{interval}</i>' if bracket else ''}</td>")
    return cells


def _page(results: Results, pictures: Sequence[tuple[str, str]], data: dict[str, Any]) -> str:
    plan = results.plan
    tables = [*result_tables(results), *difference_tables(results)]
    models = ", ".join(results.models)
    about = f"{len(plan.examples)} clips, {models}, takes: {plan.takes}; foleycli {VERSION}"
    shown = "".join(
        f'<figure><img data-name="{escape(name)}" alt="{escape(title)}"></figure>'
        for name, title in pictures
    )
    template = (files("foleycli.pages") / "report.html").read_text(encoding="utf-8")
    for slot, content in {
        "title": escape(f"Evaluation: {plan.folder.name}"),
        "about": escape(about),
        "tables": "".join(table_html(table) for table in tables),
        "pictures": shown or "<p>None: the clips have no labels, or there is one model.</p>",
        # last, as it may hold anything; with "<" escaped it ends no script and begins no tag
        "data": json.dumps(data).replace("<", "\\u003c"),
    }.items():
        template = template.replace(f"{{{{{slot}}}}}", content)
    return template


def _clip(
    results: Results, example: Example, variants: Sequence[str], media: Path
) -> dict[str, Any]:
    """What the page knows of a clip, its media made; nothing of one that failed."""
    if not results.clip(example.id):
        return {}
    small_sound(example.clip, media / f"{example.id}.m4a", level=True)
    return {
        "id": example.id,
        "label": example.label,
        "prompt": example.prompt if example.prompt != example.label else "",
        "variants": {variant: _seen(results, example, variant, media) for variant in variants},
    }


def _seen(results: Results, example: Example, variant: str, media: Path) -> dict[str, Any]:
    plan, name = results.plan, f"{example.id}_{variant}"
    with tempfile.TemporaryDirectory(prefix="foley-") as folder:
        film = seen_film(example, variant, plan.cinematic, Path(folder))
        small_picture(film, media / f"{name}.mp4")
    own = _scores(results, example.id, CONTROL, OWN)
    sounds = [{"name": OWN, "file": f"{example.id}.m4a", "scores": own}]
    for contestant in plan.contestants:
        file = f"{name}_{contestant.name}.m4a"
        try:
            small_sound(plan.sounds(contestant, variant, example)[0], media / file, level=True)
        except MediaError:
            continue  # the tables say that it is missing
        scores = _scores(results, example.id, variant, contestant.name)
        sounds.append({"name": contestant.name, "file": file, "scores": scores})
    models = [str(sound["name"]) for sound in sounds[1:]]
    _to_webp(
        lambda png: draw_comparison(plan, example, variant, models, png), media / f"{name}.webp"
    )
    poster = first_picture(media / f"{name}.mp4")
    return {"film": f"{name}.mp4", "poster": poster, "picture": f"{name}.webp", "sounds": sounds}


def _overview(results: Results, variants: Sequence[str], media: Path) -> list[tuple[str, str]]:
    """Pictures of the whole run, each its file and what it shows."""
    taken = {measure.name for measure in results.measures}
    labels = set(results.labels)
    pairs = default_pairs(results.models)
    measure = next((name for name in SCORES if name in taken), "")
    if not (pairs and measure and len(labels) > 1):
        return []
    pictures = []
    for variant in variants:
        file = f"categories_{variant}.webp"
        draw = partial(draw_categories, results, variant, pairs[0], measure, CATEGORIES)
        with suppress(UsageError):  # nothing to draw: no clip has both
            _to_webp(draw, media / file)
            pictures.append((file, f"{measure} by category, {SEEN[variant].lower()}"))
    return pictures


def _to_webp(draw: Callable[[Path], None], out: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="foley-") as folder:
        png = Path(folder) / "picture.png"
        draw(png)
        Image.open(png).convert("RGB").save(out, quality=PICTURE_QUALITY)


def _scores(results: Results, id: str, variant: str, row: str) -> list[str]:
    values = [results.value(id, variant, row, name) for name in _shown(results)]
    return ["–" if math.isnan(value) else number(value) for value in values]


def _shown(results: Results) -> list[str]:
    """Of the measures beside a player those that were taken."""
    taken = {measure.name for measure in results.measures}
    return [name for name in SCORES if name in taken]


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(error, folder) from error
    return folder
