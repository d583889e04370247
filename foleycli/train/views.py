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

from foleycli.config import CINEMATIC, FRAMES, CinematicConfig
from foleycli.errors import FoleyError, MediaError, UsageError
from foleycli.frames.windows import Window, clip_random, draw_window
from foleycli.output import atomic_output
from foleycli.processes import do_all
from foleycli.sight.track import RATE, Track
from foleycli.sight.when import MotionReader
from foleycli.train.listing import keep_settings
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

    views: dict[str, Track]  # full, cu and cm
    hits: NDArray[np.float64]  # (k, 2) seconds and strength of what is heard in the whole picture
    activity: NDArray[np.float64]  # (256,)


def render_all(
    photos: Path, folder: Path, shards: int, seed: int
) -> tuple[list[SeenScene], list[SeenScene]]:
    """Scenes to learn from, and those held out; what ``folder`` lacks is rendered, on all cores.

    Raises:
        UsageError: there is no photograph, or ``folder`` holds scenes of others or of another seed.
        MediaError: a file of ``folder`` is damaged.
        FoleyError: a file could not be rendered.
    """
    if not any(photos.glob("*.jpg")):
        raise UsageError(f"{photos} holds no photograph (.jpg).", "Name another folder.")
    keep_settings(folder, {"seed": seed, "photos": content_name(photos)})
    paths = [folder / f"views{n:04d}.npz" for n in range(shards)]
    missing = [n for n, path in enumerate(paths) if not path.exists()]
    jobs = min(len(missing), cores())
    if missing:
        logger.warning("%d files of scenes are rendered first, on %d cores", len(missing), jobs)
    render = partial(render_shard, photos, folder, seed)
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


def render_shard(photos: Path, folder: Path, seed: int, shard: int) -> None:
    """One file of scenes, as other processes are asked for it."""
    render_views(photos, folder / f"views{shard:04d}.npz", seed, shard)


def render_views(photos: Path, out: Path, seed: int, shard: int, scenes: int = SHARD) -> None:
    """Render the scenes of one file thrice, and keep what the reader of motion sees of them.

    A file that is there already is left as it is.
    """
    if out.exists():
        return
    rng = np.random.default_rng((seed, shard))
    held = Photos(photos, rng)
    arrays: dict[str, np.ndarray] = {}
    for n in range(scenes):
        state, seen = rng.bit_generator.state, {}
        for kind in VIEWS:
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
            }
            yield SeenScene(views, arrays[f"{n}.hits"], arrays[f"{n}.activity"])


def _track_arrays(prefix: str, track: Track) -> dict[str, np.ndarray]:
    """A track as named arrays, cells in half precision."""
    arrays = {f"{prefix}{part}": getattr(track, part) for part in Track.__slots__}
    return arrays | {f"{prefix}cells": track.cells.astype(np.float16)}
