"""Rendered scenes as the reader of motion sees them: whole, close up, and through a moving window.

A scene is rendered once a view, with the same grain and compression, only seen otherwise. What is
heard in it is known, and the same in every view: what lies outside the window sounds too.
"""

import hashlib
import json
import logging
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from foleycli.clip.probe import probe
from foleycli.config import CINEMATIC, FRAMES, CinematicConfig
from foleycli.errors import FoleyError, MediaError, UsageError
from foleycli.frames.decode import decode_pictures
from foleycli.frames.windows import Window, clip_random, draw_window
from foleycli.output import atomic_output
from foleycli.processes import do_all
from foleycli.sight.track import RATE, Track
from foleycli.sight.when import MotionReader
from foleycli.train.listing import SETTINGS, keep_settings
from foleycli.train.scenes import Photos, Scene, render_scene

logger = logging.getLogger("foleycli")

VIEWS = ("full", "cu", "cm")
SHARD = 50  # scenes in a file; the first file is held out
DURATION = 4.0  # seconds of a scene
POINTS = round(DURATION * RATE)
FINE = 8  # a scene has no pixels: windows are drawn on a grid this much finer than the picture's


@dataclass(frozen=True, slots=True)
class SeenScene:
    """One scene as the reader of motion sees it."""

    views: dict[str, Track]  # full, cu and cm; of a film full only
    hits: NDArray[np.float64]  # (k, 2) seconds and strength of what is heard in the whole picture
    activity: NDArray[np.float64]  # (256,)


def render_all(
    photos: Path, folder: Path, shards: int, seed: int, views: tuple[str, ...] = VIEWS
) -> tuple[list[SeenScene], list[SeenScene]]:
    """Scenes to learn from, and those held out; what ``folder`` lacks is rendered, on all cores.

    Args:
        views: how each scene is seen; fewer are rendered sooner.

    Raises:
        UsageError: there is no photograph, or ``folder`` holds scenes of others or of another seed.
        MediaError: a file of ``folder`` is damaged.
        FoleyError: a file could not be rendered.
    """
    if not any(photos.glob("*.jpg")):
        raise UsageError(f"{photos} holds no photograph (.jpg).", "Name another folder.")
    settings: dict[str, object] = {"seed": seed, "photos": content_name(photos)}
    known = folder / SETTINGS
    if known.is_file() and "views" not in json.loads(known.read_text()):
        views = VIEWS  # it was begun with all of them, which holds those that are asked for
    keep_settings(folder, settings | ({} if views == VIEWS else {"views": views}))
    paths = [folder / f"views{n:04d}.npz" for n in range(shards)]
    missing = [n for n, path in enumerate(paths) if not path.exists()]
    jobs = min(len(missing), cores())
    if missing:
        logger.warning("%d files of scenes are rendered first, on %d cores", len(missing), jobs)
    render = partial(render_shard, photos, folder, seed, views)
    for done, (n, problem) in enumerate(do_all(render, missing, jobs), 1):
        if problem:
            raise FoleyError(f"{paths[n].name} was not rendered: {problem}", "Run it again.")
        logger.info("%d of %d files of scenes are rendered", done, len(missing))
    held_out, *learned = (_load_whole(path) for path in paths)
    return [scene for scenes in learned for scene in scenes], held_out


def content_name(photos: Path) -> str:
    """How many photographs there are, and a hash of their names and sizes."""
    found = [(path.name, path.stat().st_size) for path in sorted(photos.glob("*.jpg"))]
    digest = hashlib.blake2b(json.dumps(found).encode(), digest_size=4).hexdigest()
    return f"{len(found)} ({digest})"


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _load_whole(path: Path) -> list[SeenScene]:
    try:
        return list(load_views(path))
    except (OSError, EOFError, KeyError, ValueError, BadZipFile, zlib.error) as error:
        raise MediaError(
            f"{path} is damaged ({error}).", "Remove it, so that it is rendered again."
        ) from error


def render_shard(photos: Path, folder: Path, seed: int, views: tuple[str, ...], shard: int) -> None:
    """One file of scenes, as other processes are asked for it."""
    render_views(photos, folder / f"views{shard:04d}.npz", seed, shard, views=views)


def render_views(
    photos: Path,
    out: Path,
    seed: int,
    shard: int,
    scenes: int = SHARD,
    views: tuple[str, ...] = VIEWS,
) -> None:
    """Render the scenes of one file once a view, and keep what the reader of motion sees of them.

    A file that is there already is left as it is.
    """
    if out.exists():
        return
    rng = np.random.default_rng((seed, shard))
    held = Photos(photos, rng)
    arrays: dict[str, np.ndarray] = {}
    for n in range(scenes):
        state, seen = rng.bit_generator.state, {}
        for kind in views:
            rng.bit_generator.state = state
            scene = render_scene(rng, held, DURATION, scene_window(kind, f"{seed}-{shard}-{n}"))
            track = watch(scene)
            if track is None:  # nothing moves
                break
            seen |= _track_arrays(f"{n}.{kind}.", track)
            seen[f"{n}.hits"] = np.array(scene.hits).reshape(-1, 2)  # of the whole, in every view
            seen[f"{n}.activity"] = scene.activity
        else:
            arrays |= seen
    with atomic_output(out, overwrite=True) as beside:
        np.savez(beside, **arrays)  # pyright: ignore[reportArgumentType]


def scene_window(kind: str, name: str, config: CinematicConfig = CINEMATIC) -> Window | None:
    """The window a scene is seen through; None for all of it."""
    if kind == "full":
        return None
    width, height = FINE * FRAMES.luma_width, FINE * FRAMES.luma_height
    return draw_window(kind, width, height, DURATION, clip_random(config.seed, name), config)


def watch(scene: Scene) -> Track | None:
    """What the reader of motion sees of a scene; None where nothing moves."""
    seen: list[Track] = []

    def keep(track: Track, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(track)
        return np.zeros(len(points), np.float32), np.zeros(len(points), np.float32)

    reader = MotionReader(keep)
    for moment, luma in zip(scene.times, scene.lumas, strict=True):
        reader.push(moment, luma)
    reader.curves(scene.duration)
    return seen[0] if seen else None


def load_views(path: Path) -> Iterator[SeenScene]:
    """Scenes of one file, cells still in half precision."""
    with np.load(path) as arrays:
        for n in sorted({int(name.partition(".")[0]) for name in arrays.files}):
            views = {
                kind: Track(*(arrays[f"{n}.{kind}.{part}"] for part in Track.__slots__))
                for kind in VIEWS
                if f"{n}.{kind}.times" in arrays.files
            }
            yield SeenScene(views, arrays[f"{n}.hits"], arrays[f"{n}.activity"])


def load_films(folder: Path) -> Iterator[SeenScene]:
    """Films that `train.render` wrote, as the reader of motion sees them, in order of name.

    What is seen of each is kept beside it (NAME.npz), for other runs. Hits are the contacts that
    are in the picture.

    Raises:
        UsageError: there is none.
    """
    facts = [path for path in sorted(folder.glob("*.json")) if path.with_suffix(".mp4").exists()]
    if not facts:
        raise UsageError(f"{folder} holds no rendered film.", "Make some: foley data render.")
    for path in facts:
        track = _film_track(path.with_suffix(".mp4"))
        film = json.loads(path.read_text())
        hits = [(event["time"], event["strength"]) for event in film["events"] if event["seen"]]
        if track is not None:
            yield SeenScene(
                {"full": track}, np.array(hits).reshape(-1, 2), np.array(film["activity"])
            )


def _film_track(film: Path) -> Track | None:
    kept = film.with_suffix(".npz")
    if not kept.exists():
        pictures = list(decode_pictures(probe(film)))
        times, lumas = [p.time for p in pictures], np.stack([p.luma for p in pictures])
        track = watch(Scene(times, lumas, pictures[-1].end, [], np.zeros(0)))
        with atomic_output(kept, overwrite=True) as beside:
            np.savez(beside, **_track_arrays("", track) if track else {})  # pyright: ignore
    with np.load(kept) as arrays:
        if not arrays.files:
            return None
        return Track(*(arrays[part] for part in Track.__slots__))


def _track_arrays(prefix: str, track: Track) -> dict[str, np.ndarray]:
    """A track as named arrays, cells in half precision."""
    arrays = {f"{prefix}{part}": getattr(track, part) for part in Track.__slots__}
    return arrays | {f"{prefix}cells": track.cells.astype(np.float16)}
