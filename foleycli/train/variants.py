"""A folder of films becomes the same films seen otherwise, sound untouched.

What it leaves: the films, ``manifest.csv`` (a row a film: its window, hashes), ``settings.json``,
and ``bad.csv`` for films that could not be used. The windows are those of `frames.windows`,
so that a manifest can be derived again from ids, seed and settings alone: `verify_variants`.
"""

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from random import Random

from foleycli.clip.find import find_clips
from foleycli.clip.media import content_hash, open_media
from foleycli.clip.probe import probe
from foleycli.config import VariantConfig
from foleycli.errors import FoleyError, UsageError
from foleycli.frames.variants import (
    NOTES,
    Task,
    Variant,
    file_hash,
    packets_of,
    read_note,
    sound_hash,
    write_variant,
)
from foleycli.frames.windows import clip_window, draw_view
from foleycli.processes import do_all
from foleycli.train.listing import (
    BAD,
    BAD_COLUMNS,
    SETTINGS,
    keep_settings,
    read_rows,
    write_table,
)

MANIFEST = "manifest.csv"
STAMP = Fraction(1, 1000)  # seconds that a time stamp may move: Matroska counts milliseconds


COLUMNS = tuple(Variant.__annotations__)


def make_variants(
    films: Path, out: Path, kind: str, config: VariantConfig, jobs: int = 1
) -> Iterator[tuple[str, str]]:
    """Vary every film of a folder. What is done already, from the same film, is kept.

    Yields:
        The id of a film, and what is the matter with it: "" when it is done.

    Raises:
        MediaError: there is no film.
        UsageError: the folder was made with other settings.
    """
    tasks = find_tasks(films, out, kind, config)
    draw_view(kind, 64, 64, 1.0, Random(0), config)  # refuses what no window can have
    keep_settings(out, {"kind": kind, **asdict(config)})
    (out / NOTES).mkdir(exist_ok=True)
    bad = []
    for task, problem in do_all(write_variant, tasks, jobs):
        if problem:
            bad.append({"id": task.id, "file": task.film.name, "problem": problem})
        yield task.id, problem
    failed = {row["id"] for row in bad}
    made = [read_note(task.note) for task in tasks if task.id not in failed]
    write_table(out / MANIFEST, COLUMNS, made)
    write_table(out / BAD, BAD_COLUMNS, bad)


def find_tasks(films: Path, out: Path, kind: str, config: VariantConfig) -> list[Task]:
    """The films of a folder by id: the file's name, with its suffix only where two share a stem."""
    found = find_clips([films])
    if any(film.resolve().parent == out.resolve() for film in found):
        raise UsageError(f"{out} is the folder of the films.", "Give another folder to write to.")
    stems = Counter(film.stem for film in found)
    return [
        Task(film.stem if stems[film.stem] == 1 else film.name, film, out, kind, config)
        for film in found
    ]


def verify_variants(films: Path, out: Path, kind: str) -> Iterator[tuple[str, str]]:
    """Derive every window of a manifest again and compare files, sound and time stamps.

    All but the kind is read from the folder. Films that could not be varied are passed over.

    Yields:
        An id and what differs: "" when all is as it was.

    Raises:
        UsageError: there is no data set, or one of another kind.
    """
    rows = {row["id"]: Variant.read(row) for row in read_rows(out / MANIFEST)}
    if not rows:
        raise UsageError(f"{out} holds no {MANIFEST}.", "Make the variants first.")
    settings = json.loads((out / SETTINGS).read_text())
    if settings["kind"] != kind:
        raise UsageError(f"{out} is of --kind {settings['kind']}.", "Give its kind, or its folder.")
    del settings["kind"]
    config = VariantConfig(**settings)
    unusable = {row["id"] for row in read_rows(out / BAD)}
    for task in find_tasks(films, out, kind, config):
        if task.id in rows:
            try:
                yield task.id, _differs(task, rows.pop(task.id))
            except (FoleyError, OSError) as error:
                yield task.id, str(error)
        elif task.id not in unusable:
            yield task.id, "it has not been varied"
    yield from ((name, "its film is missing") for name in rows)


def _differs(task: Task, kept: Variant) -> str:
    out = task.folder / kept.file
    clip = probe(task.film)
    window = clip_window(task.kind, clip, task.id, task.config)
    if content_hash(task.film) != kept.source_hash:
        return "the film is another one now"
    if window != kept.window:
        return f"its window is {kept.window}, not {window}"
    if not out.is_file():
        return f"{kept.file} is missing"
    if file_hash(out) != kept.sha256:
        return f"{kept.file} has changed"
    if not kept.sound == sound_hash(out) == sound_hash(task.film):
        return "its sound is not the film's"
    before, after = _stamps(task.film, clip.picture_index), _stamps(out, 0)
    if len(after) != kept.pictures or any(_nearest(before, stamp) > STAMP for stamp in after):
        return "its pictures are shown at other times"
    return ""


def _stamps(path: Path, index: int) -> list[Fraction]:
    """When the pictures of a file are shown, seconds on its own clock, in order."""
    with open_media(path) as source:
        stream = source.streams[index]
        return sorted(
            packet.pts * packet.time_base
            for packet in packets_of(source, [stream])
            if packet is not None and packet.pts is not None and packet.time_base is not None
        )


def _nearest(stamps: list[Fraction], stamp: Fraction) -> Fraction:
    """How far the nearest of ``stamps``, in order, is."""
    place = bisect_left(stamps, stamp)
    return min(abs(stamp - near) for near in stamps[max(0, place - 1) : place + 1])
